"""The headless client against a stock aiortc server: real WHEP, ICE, DTLS, SRTP, Opus."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import pathlib
import sys
import threading
import wave
from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest
from aiortc import MediaStreamTrack

from rtcserver.client.listen import listen
from rtcserver.client.listener import Listener
from rtcserver.client.measure import tone_dbfs
from rtcserver.client.whep import ListenError, ask_for_stereo, endpoint_of
from rtcserver.commands.client import add_arguments, run
from rtcserver.network.impair import Impairment, Path
from tests.client.whep_server import ToneTrack, WhepServer
from tests.peer.tones import LEFT_HZ, RIGHT_HZ, payloads
from tests.rig.relay import UdpRelay

pytestmark = pytest.mark.unhurried("counts by sequence numbers and media time, and listens to tones")


@pytest.mark.realtime
async def test_two_tones_are_heard_on_their_sides() -> None:
    async with WhepServer(ToneTrack()) as server:
        report = await listen(server.room, 2.0)
    got = report.to_json()
    assert (got["packets"], got["lost"], got["duplicates"], got["gaps"]) == (200, 0, 0, 0)
    assert (got["frame_ms"], got["seconds"], got["timestamp_errors"]) == (10, 2.0, 0)
    assert got["left_hz"] == pytest.approx(LEFT_HZ, abs=0.1)
    assert got["right_hz"] == pytest.approx(RIGHT_HZ, abs=0.1)
    assert got["left_dbfs"] == pytest.approx(-12, abs=0.3)
    assert got["right_dbfs"] == pytest.approx(-12, abs=0.3)
    assert got["codec"] == "opus/48000/2"
    assert (report.rejected, report.foreign, report.heard, got["audio_missing_ms"]) == (0, 0, True, 0)
    assert server.deleted == 1
    assert "stereo=1" in server.offers[0]
    assert "PCMU" not in server.offers[0]


class LeftTone(MediaStreamTrack):
    """Frames of 20 ms, a tone on the left side only, which aiortc encodes in whatever was agreed."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._at = 0
        self._begin: float | None = None

    async def recv(self) -> av.AudioFrame:
        loop = asyncio.get_running_loop()
        self._begin = self._begin or loop.time()
        await asyncio.sleep(max(0, self._begin + self._at / 48_000 - loop.time()))
        wave = np.sin(2 * np.pi * LEFT_HZ * (self._at + np.arange(960)) / 48_000) * 32_768 / 4
        stereo = np.stack([wave, np.zeros(960)], axis=1).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(stereo.reshape(1, -1), "s16", "stereo")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, self._at, Fraction(1, 48_000)
        self._at += 960
        return frame


@pytest.mark.parametrize(("codec", "name"), [("pcmu", "PCMU/8000"), ("g722", "G722/8000")])
@pytest.mark.realtime
async def test_a_telephones_codec_is_asked_for_heard_and_timed(codec: str, name: str) -> None:
    async with WhepServer(LeftTone()) as server:
        report = await listen(server.room, 1.0, codec=codec)
    got = report.to_json()
    assert (got["codec"], got["frame_ms"], got["packets"], got["seconds"]) == (name, 20, 50, 1.0)
    assert (got["lost"], got["timestamp_errors"], got["gaps"], got["audio_missing_ms"]) == (0, 0, 0, 0)
    # One channel, the mean of both: 12 dB below full scale become 18.
    for side in ("left", "right"):
        assert got[f"{side}_hz"] == pytest.approx(LEFT_HZ, abs=1)
        assert got[f"{side}_dbfs"] == pytest.approx(-18, abs=0.5)
    assert "opus" not in server.offers[0]
    assert name in server.offers[0]


async def test_losses_and_duplicates_are_counted_exactly() -> None:
    """What the network swallows, doubles and reorders is what the client counts, packet by packet."""
    how, count = Impairment(loss=0.05, duplicate=0.05, duplicate_ms=3, reorder=0.02), 300
    with UdpRelay(down=how, seed=11) as relay:
        async with WhepServer(ToneTrack(last=count - 1)) as server, Listener(server.room, path=relay) as ear:
            assert not await ear.hear(10.0, stall_s=1.0)
            report = ear.report()
        _, down = relay.counters()
    planned = Path(how, "11/0/down")
    times = [planned.decide(number, 0, 0) for number in range(count)]
    assert (down.received, down.lost) == (count, planned.counters.lost)
    # The handshake may swallow the first packets, and nobody can miss the last: count back from the end.
    last = max(number for number in range(count) if times[number])
    first = last - max((p.sequence - ear.packets[0].sequence) % 2**16 for p in ear.packets)
    assert first < 5
    arrivals = [len(times[number]) for number in range(first, last + 1)]
    delivered = report.delivery
    assert delivered.lost == arrivals.count(0) > 5
    assert delivered.duplicates == arrivals.count(2) > 5
    assert delivered.packets == arrivals.count(1) + arrivals.count(2)
    assert delivered.reordered > 1
    assert delivered.timestamp_errors == 0
    assert report.rejected <= 5


@pytest.mark.realtime
async def test_skipped_media_time_is_a_timestamp_error_and_a_stall_is_a_gap() -> None:
    track = ToneTrack(skip=frozenset({50, 51}), late={100: 0.3})
    async with WhepServer(track) as server:
        report = await listen(server.room, 2.0)
    kinds = [gap.kind for gap in report.delivery.gap_list]
    assert kinds == ["jump", "late"]
    assert report.delivery.timestamp_errors == 1
    assert report.delivery.packets == 198
    jump, late = report.delivery.gap_list
    assert jump.ms == 20
    assert late.ms == pytest.approx(300, abs=90)


async def test_the_timeline_goes_on_as_long_as_one_listens() -> None:
    async with WhepServer(ToneTrack()) as server, Listener(server.room) as ear:
        assert await ear.hear(0.5)
        before = ear.received
        assert await ear.hear(1.0)
        assert ear.received >= before + 45
        assert ear.state == "connected"
        steps = {b.timestamp - a.timestamp for a, b in pairwise(ear.packets)}
        assert {step % 2**32 for step in steps} == {480}
        assert all(0 < packet.size < 1200 for packet in ear.packets)
        sound = ear.audio(0.2)
        assert sound.shape == (9600, 2)
        assert tone_dbfs(sound[:, 0], LEFT_HZ) > -13 > -60 > tone_dbfs(sound[:, 0], RIGHT_HZ)


async def test_payloads_can_be_taken_before_any_decoder() -> None:
    taken: list[bytes] = []
    async with (
        WhepServer(ToneTrack()) as server,
        Listener(server.room, on_payload=lambda packet, payload: taken.append(payload)) as ear,
    ):
        assert await ear.until(lambda: len(taken) >= 50, 10)
        assert len(ear.audio()) == 0
        assert ear.received >= len(taken)
    assert set(taken) <= set(payloads())


@pytest.mark.realtime
async def test_a_server_that_stops_sending_is_reported() -> None:
    async with WhepServer(ToneTrack(last=99)) as server:
        report = await listen(server.room, 5.0, stall_s=0.5)
    assert not report.delivery.complete
    assert report.delivery.packets == pytest.approx(100, abs=1)
    assert [gap.kind for gap in report.delivery.gap_list] == ["end"]


async def test_a_bare_host_leads_to_its_room() -> None:
    async with WhepServer(ToneTrack()) as server:
        report = await listen(server.room.removesuffix("r/main"), 0.5)
    assert report.heard


async def test_wrong_rooms_and_hosts_are_connection_errors() -> None:
    async with WhepServer(ToneTrack()) as server:
        with pytest.raises(ListenError, match="answers 404"):
            await listen(server.room.replace("main", "other"), 0.5)
    with pytest.raises(ListenError, match="cannot be reached"):
        await listen(server.room, 0.5)


async def test_a_media_path_that_stays_closed_is_a_connection_error() -> None:
    with UdpRelay(down=Impairment(loss=1), spare=()) as relay:
        async with WhepServer(ToneTrack()) as server:
            with pytest.raises(ListenError, match="is UDP let through"):
                await listen(server.room, 0.5, connect_timeout_s=1.0, path=relay)
            assert server.deleted == 1


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(words)


async def command(*words: str) -> int:
    return await asyncio.to_thread(run, arguments(*words), {})


async def test_the_command_prints_json_and_records(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "out.wav"
    async with WhepServer(ToneTrack()) as server:
        assert await command(server.room, "--seconds", "1", "--json", "--record", str(path)) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["packets"] == 100
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (48_000, 2, 2)
        assert file.getnframes() == 48_000
        sound = np.frombuffer(file.readframes(48_000), np.int16).reshape(-1, 2)
    assert tone_dbfs(sound[:, 1], RIGHT_HZ) == pytest.approx(-12, abs=0.3)
    assert threading.active_count() < 20


async def test_the_command_prints_sentences(capsys: pytest.CaptureFixture[str]) -> None:
    async with WhepServer(ToneTrack()) as server:
        assert await command(server.room, "--seconds", "0.5") == 0
    assert "50 packets, 0 lost" in capsys.readouterr().out


async def test_the_command_listens_through_a_network_with_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    async with WhepServer(ToneTrack()) as server:
        words = ("--seconds", "2", "--network", "lossy-20", "--seed", "7", "--repair", "none", "--json")
        assert await command(server.room, *words) == 0
    printed = json.loads(capsys.readouterr().out)
    through = printed["network"]
    assert (through["name"], through["seed"]) == ("lossy-20", 7)
    assert printed["lost"] == pytest.approx(40, abs=30)
    assert through["down"]["received"] > through["down"]["lost"] >= printed["lost"] > 0


def test_a_codec_in_studio_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments("http://127.0.0.1:1/", "--codec", "pcmu", "--mode", "studio"), {}) == 2
    assert "--codec" in capsys.readouterr().err


def test_a_seed_without_a_network_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments("http://127.0.0.1:1/r/main", "--seed", "1"), {}) == 2
    assert "--seed is that of a --network" in capsys.readouterr().err


async def test_silence_exits_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    async with WhepServer(ToneTrack(silent=True)) as server:
        assert await command(server.room, "--seconds", "0.5", "--json") == 1
    captured = capsys.readouterr()
    printed = json.loads(captured.out)
    assert (printed["packets"], printed["left_hz"], printed["heard"]) == (50, None, False)
    assert "nothing is heard" in captured.err


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/r/main", "ftp://host/r/main", "nonsense"])
def test_no_connection_exits_with_2_and_a_sentence(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments(url, "--seconds", "0.5"), {}) == 2
    said = capsys.readouterr().err
    assert url.split(":")[0] in said
    assert "ssl" not in said
    assert ("Connection refused" in said) == ("127.0.0.1:1" in url)


def test_an_impossible_recording_exits_with_2(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "missing" / "out.wav"
    assert run(arguments("http://127.0.0.1:1/r/main", "--record", str(missing)), {}) == 2
    assert "cannot record" in capsys.readouterr().err


async def test_the_process_ends_and_shows_progress_on_a_terminal() -> None:
    """A process of its own, with a pseudo-terminal on standard error."""
    program = (
        "import sys; from rtcserver.commands.table import main; sys.exit(main(['client', *sys.argv[1:]], {}))"
    )
    ours, theirs = os.openpty()
    async with WhepServer(ToneTrack()) as server:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            program,
            server.room,
            "--seconds",
            "1",
            "--json",
            stdout=asyncio.subprocess.PIPE,
            stderr=theirs,
            env={**os.environ, "TERM": "xterm"},
        )
        os.close(theirs)
        out, _ = await asyncio.wait_for(child.communicate(), 30)
    shown = os.read(ours, 65_536).decode()
    os.close(ours)
    assert child.returncode == 0
    assert json.loads(out)["packets"] == 100
    assert "listening" in shown


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("http://h:8080/r/main", "http://h:8080/r/main/whep"),
        ("http://h:8080/r/main/", "http://h:8080/r/main/whep"),
        ("https://h/r/main/whep", "https://h/r/main/whep"),
        ("https://h/x/r/main?token=1#top", "https://h/x/r/main/whep?token=1"),
        ("http://h:8889/stream/whep", "http://h:8889/stream/whep"),
        ("http://h:8080", None),
        ("http://h:8080/", None),
        ("https://h/montage", None),
        ("https://h/montage/", None),
        ("https://h/montage/r/main#perform=x", "https://h/montage/r/main/whep"),
        ("https://h/montage/r/main/whep/", "https://h/montage/r/main/whep/"),
    ],
)
def test_endpoints(url: str, endpoint: str | None) -> None:
    assert endpoint_of(url) == endpoint


def test_a_line_that_only_looks_like_an_rtpmap_is_left_alone() -> None:
    """Found by script/fuzz: names of attributes are in small letters (RFC 8866, section 5.13), those of codecs are not."""
    assert ask_for_stereo("A=RTPMAP:96 opus/48000/2\r\n") == "A=RTPMAP:96 opus/48000/2\r\n"
    assert "stereo=1" in ask_for_stereo("a=rtpmap:96 OPUS/48000/2\r\n")


def test_stereo_is_asked_for_once_per_opus() -> None:
    sdp = "m=audio 9 X 96 0\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:0 PCMU/8000\r\n"
    asked = ask_for_stereo(sdp)
    assert asked == sdp.replace("a=rtpmap:0", "a=fmtp:96 stereo=1\r\na=rtpmap:0")
    assert ask_for_stereo(asked) == asked
    with_fmtp = sdp + "a=fmtp:96 useinbandfec=1\r\n"
    assert ask_for_stereo(with_fmtp).endswith("a=fmtp:96 useinbandfec=1;stereo=1\r\n")
