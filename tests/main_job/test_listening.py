"""The main job: what is played is heard, on its side, whole, encoded once; through real PortAudio."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import urllib.error
import urllib.request
from itertools import pairwise

import psutil
import pytest

from rtcserver.client.listener import Listener, listen
from tests.rig.jack import JackServer, Tones
from tests.rig.process import REPOSITORY
from tests.rig.server import RtcServer

TRANSPORTS = ("one-port", "aiortc")
FRAME = 480


def near(hz: float) -> object:
    return pytest.approx(hz, abs=0.5)


def live(health: dict[str, object]) -> bool:
    return health["status"] == "ok"


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_ten_seconds_of_the_tone_are_a_thousand_packets(transport: str) -> None:
    with RtcServer(instrument="tone", transport=transport) as server:
        server.wait_healthy(live)
        run = subprocess.run(
            [sys.executable, "-m", "rtcserver", "client", server.room_url, "--seconds", "10", "--json"],
            cwd=REPOSITORY,
            capture_output=True,
            check=False,
            timeout=40,
        )
    assert run.returncode == 0, run.stderr.decode()
    report = json.loads(run.stdout)
    assert abs(report["packets"] - 1000) <= 1
    assert (report["lost"], report["gaps"], report["timestamp_errors"]) == (0, 0, 0)
    assert (report["left_hz"], report["right_hz"]) == (
        pytest.approx(440, abs=0.5),
        pytest.approx(660, abs=0.5),
    )
    assert report["left_dbfs"] == pytest.approx(-18, abs=0.5)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_channels_three_and_four_of_the_device_arrive_left_and_right(
    transport: str, jack_server: JackServer, eight_tones: Tones
) -> None:
    with RtcServer(
        instrument="portaudio",
        device="MONTAGE",
        channels="3,4",
        transport=transport,
        env=jack_server.variables,
    ) as server:
        server.wait_healthy(live)
        report = await listen(server.room_url, 3.0)
        health = server.health()["rooms"]["main"]
    assert report.left.hz == pytest.approx(eight_tones.hz(3), abs=0.5)
    assert report.right.hz == pytest.approx(eight_tones.hz(4), abs=0.5)
    assert report.delivery.timestamp_errors == 0
    assert (health["rate"], health["channels"], health["blocksize"]) == (44_100, 8, 128)


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
async def test_ten_listeners_share_one_encoder(transport: str) -> None:
    with RtcServer(instrument="tone", transport=transport) as server:
        server.wait_healthy(live)
        before = server.health()["rooms"]["main"]
        reports = await asyncio.gather(*(listen(server.room_url, 3.0) for _ in range(10)))
        after = server.health()["rooms"]["main"]
    encoded = after["encoded_total"] - before["encoded_total"]
    # Media time tells how many frames there were, however long the joins took: never more than one each.
    frames = (after["media_time"] - before["media_time"]) / FRAME
    assert 300 <= encoded <= frames + 25
    assert all(report.delivery.packets == 300 for report in reports)


@pytest.mark.parametrize("frame_ms", [2.5, 5, 20])
async def test_other_frame_lengths(frame_ms: float) -> None:
    with RtcServer(instrument="tone", frame_ms=frame_ms) as server:
        server.wait_healthy(live)
        report = await listen(server.room_url, 2.0)
    assert report.delivery.frame_ms == frame_ms
    assert report.delivery.packets == 2000 / frame_ms
    assert (report.delivery.lost, report.delivery.timestamp_errors) == (0, 0)


async def test_the_idle_server_is_small() -> None:
    with RtcServer() as server:
        server.wait_healthy(live)
        memory = sum(psutil.Process(pid).memory_full_info().pss for pid in (server.pid, *server.child_pids()))
    assert memory < 200e6


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_bad_requests_disturb_nobody(transport: str) -> None:
    with RtcServer(instrument="tone", transport=transport) as server:
        server.wait_healthy(live)
        async with Listener(server.room_url) as bystander:
            await bystander.hear(1.0)
            codes = await asyncio.to_thread(_bad_requests, server)
            await bystander.hear(3.0)
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
