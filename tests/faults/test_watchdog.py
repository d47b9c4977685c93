"""A real server whose event loop stands still: it says where, health turns red, and it ends if it does not go on."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from rtcserver.server.watchdog import EXIT_STUCK
from tests.faults.hooks import COMPUTE, STAND, hooked
from tests.main_job.test_listening import live
from tests.rig.process import is_gone, wait_until
from tests.rig.server import RtcServer

pytestmark = pytest.mark.unhurried("waits for what is said and for ends, however late")


def test_a_standstill_is_written_with_its_place_and_over_when_it_is_over(tmp_path: Path) -> None:
    file = tmp_path / "health"
    env = hooked(tmp_path, STAND.format(seconds=2.5))
    with RtcServer(instrument="tone", env=env, watchdog_s=6, health_file=file) as server:
        server.wait_healthy(live)
        wait_until(file.exists, "a sign of life")
        os.kill(server.pid, signal.SIGUSR1)
        wait_until(lambda: not file.exists(), "the sign of life is taken away", 5)
        wait_until(lambda: "sitecustomize.py" in server.log(), "the log names the place")
        server.wait_healthy(lambda said: said["processes"]["server"]["standstills"] == 1)
        said = server.health()
        assert said["status"] == "degraded", "who asks now and then sees it"
        assert 1 <= said["processes"]["server"]["longest_standstill_s"] < 6
        assert "the event loop has stood still for 1.0 s" in server.log()
        wait_until(file.exists, "it goes on", 5)
        assert server.running


@pytest.mark.parametrize(
    ("code", "exit_code"), [(STAND.format(seconds=60), EXIT_STUCK), (COMPUTE, -signal.SIGPROF)]
)
def test_a_server_that_does_not_go_on_ends_with_its_children(
    tmp_path: Path, code: str, exit_code: int
) -> None:
    with RtcServer(instrument="tone", env=hooked(tmp_path, code), watchdog_s=2) as server:
        server.wait_healthy(live)
        children = server.child_pids()
        assert children
        os.kill(server.pid, signal.SIGUSR1)
        wait_until(lambda: not server.running, "the server ends", 40)
        assert server.exit_code == exit_code
        assert "sitecustomize.py" in server.log(), "it says where it stood"
        wait_until(lambda: all(is_gone(pid) for pid in children), "its children end with it", 10)


def test_a_server_that_was_stopped_for_longer_than_the_limit_goes_on() -> None:
    with RtcServer(instrument="tone", watchdog_s=1) as server:
        server.wait_healthy(live)
        os.kill(server.pid, signal.SIGSTOP)
        time.sleep(2.5)
        os.kill(server.pid, signal.SIGCONT)
        server.wait_healthy(live)
        said = server.health()["processes"]["server"]
        assert (said["standstills"], said["running"]) == (0, True)
