"""What becomes of each packet: frames for the decoder, numbers to ask for, and the judgement."""

from __future__ import annotations

import numpy as np

from rtcserver.client.judgement import Loudness
from rtcserver.client.reception import Missing, Reception, Repair
from rtcserver.client.whep import ask_for_repair, ask_for_stereo, codec_of, red_types_of
from rtcserver.encode.packet import EncodedPacket
from rtcserver.encode.red import RedundantPackets
from rtcserver.transport.aiortc_tap import TappedPacket

SILENCE = b"\xf4\xff\xfe"
"""10 ms of stereo silence (RFC 6716, section 3.1: configuration 30, stereo)."""

MS = 1_000_000
CODECS = {96: "opus/48000/2", 63: "red/48000/2", 0: "PCMU/8000"}


def packet(number: int, payload_type: int = 63, *, timestamp: int | None = None) -> TappedPacket:
    stamp = number * 480 if timestamp is None else timestamp
    return TappedPacket(number * 10 * MS, 1, payload_type, number % 2**16, stamp % 2**32, 200)


def stream(
    lost: set[int], repair: Repair = "red", *, count: int = 600, level: int = 1
) -> tuple[Reception, list[list[int]]]:
    """A reception of RED packets, and the timestamps that each handed to the decoder."""
    packed, reception, frames = RedundantPackets(), Reception(CODECS.get, repair), []
    for number in range(count):
        packed.push(EncodedPacket(number * 480, 480, 0, 0, SILENCE))
        if number not in lost:
            taken = reception.take(packet(number), packed.payload(level, 96))
            frames.append([frame.timestamp // 480 for frame in taken.frames])
            assert [frame.sequence for frame in taken.frames] == frames[-1]
            assert {frame.payload_type for frame in taken.frames} == {96}
    return reception, frames


def test_earlier_frames_go_to_the_decoder_but_for_those_before_the_first_packet() -> None:
    reception, frames = stream({0, 1, 300})
    assert frames[:2] == [[2], [3, 2]]
    assert [301, 300] in frames
    assert reception.recovered == 1
    judgement = reception.judgement(598 * 10 * MS)
    assert judgement is not None
    assert judgement.concealed_pct == 0


def test_a_payload_that_is_no_red_disturbs_nothing_else() -> None:
    reception, _ = stream(set(), count=400)
    taken = reception.take(packet(400), b"\xff" * 40)
    assert (taken.frames, reception.invalid) == ((), 1)
    assert reception.take(packet(401, 96), SILENCE).frames


def test_what_is_not_opus_passes_as_it_is_and_is_not_judged() -> None:
    reception = Reception(CODECS.get, "none")
    for number in range(100):
        taken = reception.take(packet(number, 0), b"\xff" * 80)
        assert [(each.payload_type, each.frame) for each in taken.frames] == [(0, b"\xff" * 80)]
    assert reception.judgement(10**9) is None


def test_a_hole_in_a_pause_of_the_music_is_not_audible() -> None:
    loud, quiet = (stream({300}, level=0)[0] for _ in range(2))
    sound = np.full((480, 2), 3000, np.int16)
    for number in range(600):
        loud.hear(number * 480, sound)
        quiet.hear(number * 480, sound if number < 290 else 0 * sound)
    heard, unheard = loud.judgement(6_000 * MS), quiet.judgement(6_000 * MS)
    assert heard is not None
    assert unheard is not None
    assert heard.concealed_pct == heard.audible_pct == unheard.concealed_pct > 0
    assert unheard.audible_pct == 0


def test_sound_that_was_not_decoded_is_not_taken_for_silence() -> None:
    loudness = Loudness()
    loudness.add(480, np.zeros((480, 2), np.int16))
    loudness.add(960, np.full((480, 2), -4, np.int16))
    assert [loudness.silent(block * 480) for block in range(5)] == [False, False, True, False, False]


def test_missing_packets_are_asked_for_again_but_not_for_ever() -> None:
    missing = Missing()
    asked: dict[int, list[int]] = {}
    for number in range(65_500, 65_600):
        if number in (65_535, 65_540):
            continue
        for wanted in missing.arrive(number % 2**16, number * 10 * MS):
            asked.setdefault(wanted, []).append(number)
    assert asked == {65_535: [65_536, 65_542, 65_548], 4: [65_541, 65_547, 65_553]}
    assert missing.asked == 6


def test_what_came_is_not_asked_for_again() -> None:
    missing = Missing()
    assert [missing.arrive(number, number * 10 * MS) for number in (1, 3)] == [[], [2]]
    assert missing.arrive(2, 35 * MS) == []
    assert not any(missing.arrive(number, number * 10 * MS) for number in range(4, 60))


def test_a_jump_of_the_numbers_asks_for_nothing() -> None:
    missing = Missing()
    missing.arrive(1, 0)
    assert missing.arrive(30_000, MS) == []
    assert missing.arrive(30_002, 2 * MS) == [30_001]


OFFER = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\na=rtpmap:96 opus/48000/2\r\n"


def test_an_offer_asks_as_chromium_does() -> None:
    offer = ask_for_repair(ask_for_stereo(OFFER), red=True)
    assert "m=audio 9 UDP/TLS/RTP/SAVPF 96 63\r\n" in offer
    assert "a=rtcp-fb:96 nack\r\n" in offer
    assert "a=rtpmap:63 red/48000/2\r\na=fmtp:63 96/96\r\n" in offer
    assert (codec_of(offer, 63), red_types_of(offer)) == ("red/48000/2", [63])
    assert "a=fmtp:96 stereo=1\r\n" in offer


def test_an_offer_for_retransmission_alone_has_no_red() -> None:
    offer = ask_for_repair(OFFER, red=False)
    assert "a=rtcp-fb:96 nack\r\n" in offer
    assert not red_types_of(offer)


def test_red_gets_a_payload_type_that_is_free() -> None:
    taken = OFFER.replace(" 96\r\n", " 96 63\r\n") + "a=rtpmap:63 telephone-event/48000\r\n"
    assert red_types_of(ask_for_repair(taken, red=True)) == [127]
