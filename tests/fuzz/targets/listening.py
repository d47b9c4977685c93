"""What a server's packets may be to the headless client: RED, Opus durations, timestamps, and the judgement of them."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite

from rtcserver.client.playout import MAX_FRAMES
from rtcserver.client.reception import Reception
from rtcserver.encode.packet import EncodedPacket
from rtcserver.encode.red import RedundantPackets
from rtcserver.transport.aiortc_tap import TappedPacket
from tests.fuzz.target import target

MS = 1_000_000
CODECS = {96: "opus/48000/2", 63: "red/48000/2"}


def _streams() -> Iterator[bytes]:
    """Packets behind each other: steps of the clock in ms, of the number and of the timestamp, length, payload."""
    for level in range(3):
        packed, stream = RedundantPackets(), b""
        for number in range(6):
            packed.push(EncodedPacket(number * 480, 480, 0, 0, b"\xf4\xff\xfe"))
            payload = packed.payload(level, 96)
            stream += bytes((10, 1 + number % 2, 1 + number % 2, len(payload))) + payload
        yield stream


@target("client-reception", good=_streams, max_bytes=1500)
def reception(data: bytes) -> None:
    heard = Reception(CODECS.get, "red")
    at = now_ms = sequence = timestamp = 0
    while at + 4 <= len(data):
        wait, step, jump, length = data[at : at + 4]
        now_ms += wait
        sequence = (sequence + step - 64 * (step > 200)) % 2**16
        timestamp = (timestamp + (jump << 24 if jump > 200 else 480 * jump)) % 2**32
        payload = data[at + 4 : at + 4 + length]
        packet = TappedPacket(now_ms * MS, 1, 63 if step % 8 else 96, sequence, timestamp, length + 12)
        taken = heard.take(packet, payload)
        assert len(taken.missing) <= 512
        assert all(0 <= number < 2**16 for number in taken.missing)
        at += 4 + length
    judgement = heard.judgement(now_ms * MS)
    if judgement is not None:
        figures = judgement.to_json()
        assert all(isfinite(figure) and figure >= 0 for figure in figures.values()), figures
        assert judgement.audible_pct <= judgement.concealed_pct <= 100
        assert judgement.target_ms <= MAX_FRAMES * 20
