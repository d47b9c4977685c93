"""The main job: what is played is heard, on its side, whole, encoded once; through real PortAudio."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import pairwise

import psutil
import pytest

from rtcserver.client.listen import listen
from rtcserver.client.listener import Listener
from tests.attempts import Measurements
from tests.rig.jack import JackServer, Tones
from tests.rig.process import REPOSITORY
from tests.rig.server import RtcServer

pytestmark = pytest.mark.unhurried("asserts tones, counters and media time")

TRANSPORTS = ("one-port", "aiortc")
FRAME = 480


def near(hz: float) -> object:
    return pytest.approx(hz, abs=0.5)


def live(health: dict[str, object]) -> bool:
    return health["status"] == "ok"


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, RtcServer]]:
    """A server of each transport that plays the tone."""
    with ExitStack() as stack:
        running = {
            transport: stack.enter_context(RtcServer(instrument="tone", transport=transport))
            for transport in TRANSPORTS
        }
        for server in running.values():
            server.wait_healthy(live)
        yield running


@pytest.fixture
def ten_seconds(measurements: Measurements, servers: dict[str, RtcServer]) -> dict[str, tuple[int, str, str]]:
    return measurements.of_this_attempt(listen_for_ten_seconds, servers)


def listen_for_ten_seconds(servers: dict[str, RtcServer]) -> dict[str, tuple[int, str, str]]:
    """Exit code, output and errors of the client that listened to each for ten seconds, all at once."""
    runs = {
        transport: subprocess.Popen(
            [sys.executable, "-m", "rtcserver", "client", server.room_url, "--seconds", "10", "--json"],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for transport, server in servers.items()
    }
    said = {}
    try:
        for transport, run in runs.items():
            out, errors = run.communicate(timeout=40)
            said[transport] = run.returncode, out, errors
    finally:
        for run in runs.values():
            run.kill()
    return said


@pytest.mark.realtime
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_ten_seconds_of_the_tone_are_a_thousand_packets(
    ten_seconds: dict[str, tuple[int, str, str]], transport: str
) -> None:
    code, out, errors = ten_seconds[transport]
    assert code == 0, errors
    report = json.loads(out)
    assert abs(report["packets"] - 1000) <= 1
    assert (report["lost"], report["gaps"], report["timestamp_errors"]) == (0, 0, 0)
    assert (report["left_hz"], report["right_hz"]) == (
        pytest.approx(440, abs=0.5),
        pytest.approx(660, abs=0.5),
    )
    assert report["left_dbfs"] == pytest.approx(-18, abs=0.5)


@pytest.mark.realtime  # a sender of stock aiortc that has no processor for a while leaves a hole
async def test_channels_three_and_four_of_the_device_arrive_left_and_right(
    jack_server: JackServer, eight_tones: Tones
) -> None:
    """On either transport; both servers capture the same device."""
    with ExitStack() as stack:
        servers = [
            stack.enter_context(
                RtcServer(
                    instrument="portaudio",
                    device="MONTAGE",
                    channels="3,4",
                    transport=transport,
                    env=jack_server.variables,
                )
            )
            for transport in TRANSPORTS
        ]
        for server in servers:
            server.wait_healthy(live)
        reports = await asyncio.gather(*(listen(server.room_url, 3.0) for server in servers))
        rooms = [server.health()["rooms"]["main"] for server in servers]
    for transport, report, room in zip(TRANSPORTS, reports, rooms, strict=True):
        assert report.left.hz == pytest.approx(eight_tones.hz(3), abs=0.5), transport
        assert report.right.hz == pytest.approx(eight_tones.hz(4), abs=0.5), transport
        assert report.delivery.timestamp_errors == 0, transport
        assert (room["rate"], room["channels"], room["blocksize"]) == (44_100, 8, 128), transport


async def test_a_mix_sums_channels_with_their_gains(jack_server: JackServer, eight_tones: Tones) -> None:
    with RtcServer(
        instrument="portaudio", device="MONTAGE", mix="5:L:0, 6:R:-20", env=jack_server.variables
    ) as server:
        server.wait_healthy(live)
        report = await listen(server.room_url, 2.0)
    assert report.left.hz == pytest.approx(eight_tones.hz(5), abs=0.5)
    assert report.right.hz == pytest.approx(eight_tones.hz(6), abs=0.5)
    assert report.left.dbfs - report.right.dbfs == pytest.approx(20, abs=0.5)


async def test_the_last_pair_of_thirty_two_channels(jack_server: JackServer) -> None:
    with (
        JackServer(channels=2) as jack,
        Tones(jack, 32) as tones,
        RtcServer(instrument="portaudio", device="MONTAGE", channels="31,32", env=jack.variables) as server,
    ):
        server.wait_healthy(live)
        report = await listen(server.room_url, 2.0)
        assert report.left.hz == pytest.approx(tones.hz(31), abs=0.5)
        assert report.right.hz == pytest.approx(tones.hz(32), abs=0.5)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_ten_listeners_share_one_encoder(servers: dict[str, RtcServer], transport: str) -> None:
    server = servers[transport]
    before = server.health()["rooms"]["main"]
    reports = await asyncio.gather(*(listen(server.room_url, 2.0) for _ in range(10)))
    after = server.health()["rooms"]["main"]
    encoded = after["encoded_total"] - before["encoded_total"]
    # Media time tells how many frames there were, however long the joins took: never more than one each.
    frames = (after["media_time"] - before["media_time"]) / FRAME
    assert 200 <= encoded <= frames + 25
    assert all(report.delivery.packets == 200 for report in reports)


async def test_other_frame_lengths() -> None:
    lengths = (2.5, 5, 20)
    with ExitStack() as stack:
        servers = [stack.enter_context(RtcServer(instrument="tone", frame_ms=length)) for length in lengths]
        for server in servers:
            server.wait_healthy(live)
        reports = await asyncio.gather(*(listen(server.room_url, 2.0) for server in servers))
    for frame_ms, report in zip(lengths, reports, strict=True):
        assert report.delivery.frame_ms == frame_ms
        assert report.delivery.packets == 2000 / frame_ms
        assert (report.delivery.lost, report.delivery.timestamp_errors) == (0, 0), frame_ms


@pytest.mark.realtime
async def test_the_idle_server_is_small() -> None:
    with RtcServer() as server:
        server.wait_healthy(live)
        memory = sum(psutil.Process(pid).memory_full_info().pss for pid in (server.pid, *server.child_pids()))
    assert memory < 200e6


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_bad_requests_disturb_nobody(servers: dict[str, RtcServer], transport: str) -> None:
    server = servers[transport]
    async with Listener(server.room_url) as bystander:
        await bystander.hear(1.0)
        codes = await asyncio.to_thread(_bad_requests, server)
        await bystander.hear(2.0)
        packets = list(bystander.packets)
    assert server.health()["backend"]["sessions"] <= 1
    assert codes == [404, 415, 413, 400, 422]
    assert {b.timestamp - a.timestamp for a, b in pairwise(packets)} == {FRAME}
    assert {(b.sequence - a.sequence) & 0xFFFF for a, b in pairwise(packets)} == {1}


def _bad_requests(server: RtcServer) -> list[int]:
    """One of each kind; returns the status codes."""
    video_only = (
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n"
        "m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=recvonly\r\n"
        f"a=ice-ufrag:abcd\r\na=ice-pwd:{'p' * 24}\r\na=fingerprint:sha-256 {':'.join(['AB'] * 32)}\r\n"
        "a=setup:actpass\r\na=rtcp-mux\r\na=rtpmap:96 VP8/90000\r\n"
    )
    cases = [
        ("/r/nowhere/whep", b"v=0\r\n", "application/sdp"),
        ("/r/main/whep", b"v=0\r\n", "text/plain"),
        ("/r/main/whep", b"v=0\r\n" * 20_000, "application/sdp"),
        ("/r/main/whep", b"\xff\xfe no SDP", "application/sdp"),
        ("/r/main/whep", video_only.encode(), "application/sdp"),
    ]
    return [_post(server.url + path, body, kind) for path, body, kind in cases]


def _post(url: str, body: bytes, kind: str) -> int:
    """The status of a POST that fails; its body must say why in a sentence."""
    request = urllib.request.Request(url, body, {"Content-Type": kind})
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        said = json.load(error)
        code = error.code
    return code if said["message"].endswith(".") else 0
