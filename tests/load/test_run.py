"""Real joins: a fleet of listeners against the real server."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from rtcserver.load.fleet import Fleet
from rtcserver.load.worker import Options
from tests.rig.process import REPOSITORY
from tests.rig.server import RtcServer

pytestmark = pytest.mark.unhurried("counts by sequence numbers")


@pytest.fixture(scope="module")
def server() -> Iterator[RtcServer]:
    with RtcServer(instrument="tone", frame_ms=20) as server:
        server.wait_healthy(lambda said: bool(said["status"] == "ok"))
        yield server


@pytest.mark.parametrize(
    ("datachannel", "waiting"),
    [(False, False), (True, False), (False, True)],
    ids=["audio", "data", "waiting"],
)
def test_every_packet_to_every_listener_is_counted(
    server: RtcServer, datachannel: bool, waiting: bool
) -> None:
    options = Options(server.room_url, datachannel=datachannel, waiting=waiting, capture=True)
    with Fleet(options, workers=2) as fleet:
        joins = fleet.join(7)
        assert (joins.joined, joins.failures) == (7, {})
        assert len(joins.times_ms) == 7
        # Sampled packets are decrypted when a waiting listener has a whole call's worth of them.
        window = fleet.measure(1.5)
        assert server.health()["backend"]["connected_now"] == 7
        captured = fleet.captured()
        fleet.leave(3)
        assert server.health()["backend"]["sessions"] == 4
    assert window.listeners == 7
    assert window.frame_samples == 960
    assert (window.lost, window.gaps, window.silent, window.strangers, window.overflows) == (0, 0, 0, 0, 0)
    assert window.received >= window.expected > 7 * 50
    assert (window.verified > 0, window.unverified) == (True, 0)
    assert len({address for address, _ in captured}) == 7
    server.wait_healthy(lambda said: bool(said["backend"]["sessions"] == 0))


def test_listeners_that_leave_at_once_are_gone(server: RtcServer) -> None:
    before = server.health()["backend"]
    with Fleet(Options(server.room_url, datachannel=True)) as fleet:
        joins = fleet.join(10, stay_s=0, at_a_time=3)
        assert joins.joined == 10
        after = server.health()["backend"]
    assert (after["sessions"], after["peers"], after["half_open"]) == (0, 0, 0)
    assert after["connected"] - before.get("connected", 0) == 10


def test_studio_listeners_get_every_block_and_no_more_of_them_than_there_are_places() -> None:
    with RtcServer(instrument="tone", samplerate=44_100, studio_listeners=5) as server:
        server.wait_healthy(lambda said: bool(said["status"] == "ok"))
        with Fleet(Options(server.room_url, studio=True), workers=2) as fleet:
            joins = fleet.join(6)
            assert joins.joined == 5
            ((reason, count),) = joins.failures.items()
            assert "All 5 Studio places of this room are taken" in reason
            assert count == 1
            # The last one's silence has turned into samples.
            fleet.sleep(0.5)
            window = fleet.measure(1.5)
    assert window.listeners == 5
    assert window.frame_samples == pytest.approx(128 * 48_000 / 44_100, abs=0.1)
    assert (window.lost, window.gaps, window.silent, window.strangers, window.overflows) == (0, 0, 0, 0, 0)
    assert window.received >= window.expected > 5 * 400
    assert (window.verified > 0, window.unverified) == (True, 0)


def test_the_command_reports_and_exits_by_what_was_heard(server: RtcServer) -> None:
    command = [sys.executable, "-m", "rtcserver", "load", server.room_url, "--listeners", "3"]
    done = subprocess.run(
        [*command, "--seconds", "1", "--json"], cwd=REPOSITORY, capture_output=True, text=True, timeout=60
    )
    said = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, said["joined"], said["failed"]) == (0, 3, 0)
    assert said["packets_received"] >= said["packets_expected"] > 100
    assert said["join_p50_ms"] <= said["join_p99_ms"]


def test_a_room_that_is_not_there_lets_nobody_in(server: RtcServer) -> None:
    url = f"{server.url}/r/nowhere"
    done = subprocess.run(
        [sys.executable, "-m", "rtcserver", "load", url, "--listeners", "2", "--json"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
    )
    said = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, said["joined"], said["failed"]) == (2, 0, 2)
    assert any("404" in reason for reason in said["failures"])
