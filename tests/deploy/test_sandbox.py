"""The server works in the sandbox of its unit: what systemd would refuse it, the kernel refuses it here."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys

import pytest

from rtcserver.client.listener import Listener
from tests.deploy.sandbox import NUMBERS, allowed_calls
from tests.deploy.test_unit import UNIT
from tests.realtime import ROOT
from tests.rig.server import RtcServer

pytestmark = [
    pytest.mark.unhurried("asserts what is heard and refused, however long it takes"),
    pytest.mark.skipif(
        shutil.which("systemd-analyze") is None or platform.machine() != "x86_64" or not NUMBERS.is_file(),
        reason="systemd-analyze says which system calls a group has; the filter is written for x86-64",
    ),
]
SANDBOX = [sys.executable, "-m", "tests.deploy.sandbox", str(UNIT)]


class Sandboxed(RtcServer):
    """The server under the unit's restrictions."""

    def start(self) -> None:
        command = [*SANDBOX, sys.executable, "-m", "rtcserver", "serve", "--port", str(self.port)]
        self._spawn(command, self.environment, cwd=self.directory)
        self._wait_ready(self._answers, timeout_s=30)


LIBC = "import ctypes, os; libc = ctypes.CDLL(None, use_errno=True); "
RAISE = " and exec('raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))')"
REFUSED = {
    "a new namespace": f"{LIBC} libc.unshare(0x10000000){RAISE}",
    "a child in a new namespace": f"{LIBC} libc.syscall(56, 0x10000011, 0, 0, 0, 0) == -1{RAISE}",
    "raw packets": "import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
    "another user": "import os; os.setuid(1)",
    "another root": "import os; os.chroot('/')",
}
"""Programs that end with an OSError in the sandbox, and would not, or with another one, outside of it."""


@pytest.mark.parametrize("what", REFUSED)
def test_the_sandbox_refuses(what: str) -> None:
    """Without this, a sandbox that restricts nothing would let the next test pass."""
    command = [*SANDBOX, sys.executable, "-c", REFUSED[what]]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(r"(PermissionError|OSError): \[Errno (1|97)\]", done.stderr), done.stderr


def test_scheduling_calls_are_allowed_and_privileged_ones_are_not() -> None:
    allowed = allowed_calls(UNIT.read_text())
    assert {"sched_setscheduler", "sched_setaffinity", "setpriority", "sendmmsg", "memfd_create"} <= allowed
    assert not {"mount", "ptrace", "bpf", "init_module", "chroot", "setuid", "mlock"} & allowed


@pytest.mark.parametrize("instrument", ["fluidsynth", "tone"])
async def test_the_server_is_heard_from_within_the_sandbox(instrument: str) -> None:
    with Sandboxed(instrument=instrument, tls="auto") as server:
        server.wait_healthy(lambda said: said["status"] == "ok", timeout_s=30)
        async with Listener(server.room_url, insecure=True) as listener:
            assert await listener.hear(1.0)
            report = listener.report(1.0)
        log = server.log()
    assert report.delivery.packets > 50
    assert "Traceback" not in log, log[-2000:]
    assert "not permitted" not in log, log[-2000:]
