"""Servers under test: started here, their CPU and memory read from /proc over all their processes."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.rig.common import TICK_HZ
from benchmarks.rig.footprint import footprint, total
from benchmarks.rig.isolated import ADDRESS

START_S = 20.0
SERVER_CPU = 0
LOAD_CPU = 1
"""Server and load each have a core of their own, when the machine has two."""


@dataclass(frozen=True, slots=True)
class Cpu:
    """Seconds of user and system time."""

    user: float = 0.0
    system: float = 0.0

    @property
    def total(self) -> float:
        """Both."""
        return self.user + self.system

    def __add__(self, other: Cpu) -> Cpu:
        return Cpu(self.user + other.user, self.system + other.system)

    def __sub__(self, other: Cpu) -> Cpu:
        return Cpu(self.user - other.user, self.system - other.system)

    def us_per(self, packets: int) -> float:
        """µs of both for each packet."""
        return round(1e6 * self.total / max(1, packets), 3)


def cpu_of(pids: list[int]) -> Cpu:
    """CPU time of some processes so far, all threads, children that were waited for excluded."""
    total = Cpu()
    for pid in pids:
        # The command's name may hold spaces and parentheses; what follows the last one is fixed (proc(5)).
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += Cpu(int(fields[11]) / TICK_HZ, int(fields[12]) / TICK_HZ)
    return total


def tree(pid: int) -> list[int]:
    """A process and its descendants."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += tree(int(child))
    return found


def pss_kb(pids: list[int]) -> int:
    """Memory: what is private, and a fair share of what is shared (smaps_rollup)."""
    return sum(_status(pid, "smaps_rollup", "Pss:") for pid in pids)


def pss_of_kb(pids: list[int], part: str) -> int:
    """Of that, what lies in files whose path has `part` in it (smaps)."""
    found = 0
    for pid in pids:
        counts = False
        for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
            key, _, rest = line.partition(" ")
            if not key.endswith(":"):
                counts = part in rest
            elif counts and key == "Pss:":
                found += int(rest.split()[0])
    return found


def heap_kb(pids: list[int]) -> int:
    """Memory that no file backs: what grows in a leak. Code that is mapped again when it runs has no part in it."""
    return total(footprint(pids)).heap_kb


def sockets(pids: list[int]) -> int:
    """Open sockets."""
    count = 0
    for pid in pids:
        for fd in Path(f"/proc/{pid}/fd").iterdir():
            try:
                count += str(fd.readlink()).startswith("socket:")
            except OSError:
                continue
    return count


def _status(pid: int, name: str, key: str) -> int:
    for line in Path(f"/proc/{pid}/{name}").read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1])
    raise ValueError(f"/proc/{pid}/{name} has no {key}")


def free_port() -> int:
    """A port that is free for TCP and UDP at this moment.

    It lies below those that Linux gives to clients: hundreds that try to reach a server which is away would sooner or
    later be given its port, and then connect to themselves.
    """
    for _ in range(50):
        port = random.randrange(10_000, 32_768)
        with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            try:
                tcp.bind((ADDRESS, port))
                udp.bind((ADDRESS, port))
            except OSError:
                continue
            return port
    raise OSError("no port is free for both TCP and UDP")


def pinned(command: list[str], cpu: int | None) -> list[str]:
    """The command on one core."""
    cores = os.sched_getaffinity(0)
    if cpu is None or cpu not in cores or len(cores) < 2:
        return command
    return ["taskset", "-c", str(cpu), *command]


class Server:
    """A server process with its children. Use as a context manager; `log` is what it wrote."""

    signaling = "rtcserver.load.signaling:WhepSignaling"
    fixed: tuple[str, ...] = ()
    """Parts of the command lines of processes whose work does not depend on the number of listeners."""

    def __init__(self, command: list[str], url: str, ready_url: str, *, cpu: int | None) -> None:
        self.url = url
        self._ready_url = ready_url
        self._command = pinned(command, cpu)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Server:
        self._spawn()
        assert self._process is not None
        deadline = time.monotonic() + START_S
        while True:
            try:
                self.get(self._ready_url)
                return self
            except (OSError, ValueError):
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self.__exit__(None, None, None)
                    raise RuntimeError(f"this did not start: {' '.join(self._command)}") from None
                time.sleep(0.05)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def crash(self) -> int:
        """End the process by SIGKILL and start it again at once, as a supervisor does; when that was, monotonic ns."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        return self._spawn()

    def revive(self) -> None:
        """Start the process again if it has ended, as a supervisor does."""
        if self._process is not None and self._process.poll() is not None:
            self._spawn()

    def _spawn(self) -> int:
        began = time.monotonic_ns()
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        return began

    @property
    def pid(self) -> int:
        """Of the process that was started (taskset becomes it)."""
        assert self._process is not None
        return self._process.pid

    @property
    def pids(self) -> list[int]:
        """All its processes."""
        return tree(self.pid)

    @property
    def fixed_pids(self) -> list[int]:
        """Those of its processes that `fixed` names."""
        return [pid for pid in self.pids if any(part in _command_line(pid) for part in self.fixed)]

    def get(self, url: str) -> Any:
        """JSON from the server."""
        with urllib.request.urlopen(url, timeout=5) as response:
            return json.load(response)

    def cpu(self) -> tuple[Cpu, Cpu]:
        """So far: of what depends on the number of listeners, and the fixed part."""
        fixed = self.fixed_pids
        return cpu_of([pid for pid in self.pids if pid not in fixed]), cpu_of(fixed)


def _command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


class Rtcserver(Server):
    """This project's server, with the tone instrument. arguments: further words of ``serve``."""

    fixed = ("rtcserver.instrument.process",)

    def __init__(
        self,
        *,
        transport: str = "one-port",
        frame_ms: float = 20,
        cpu: int | None = SERVER_CPU,
        arguments: tuple[str, ...] = (),
    ) -> None:
        self.port = free_port()
        base = f"http://{ADDRESS}:{self.port}"
        words = ["-m", "rtcserver", "serve", "--instrument", "tone", "--port", str(self.port)]
        words += ["--frame-ms", f"{frame_ms:g}", "--transport", transport, "--max-listeners", "5000"]
        # All listeners have the same address here, as behind a gateway.
        words += ["--max-half-open", "2000", "--shared-addresses", f"127.0.0.0/8, {ADDRESS}"]
        words += ["--log-level", "error", *arguments]
        super().__init__([sys.executable, *words], f"{base}/r/main", f"{base}/healthz", cpu=cpu)

    def __enter__(self) -> Rtcserver:
        super().__enter__()
        deadline = time.monotonic() + START_S
        while self.health()["status"] != "ok":
            if time.monotonic() > deadline:
                raise RuntimeError("the server does not become healthy")
            time.sleep(0.05)
        return self

    def health(self) -> dict[str, Any]:
        """``/healthz``, whatever its status."""
        try:
            health: dict[str, Any] = self.get(self._ready_url)
        except urllib.error.HTTPError as error:
            health = json.load(error)
        return health


class StockAiortc(Server):
    """Stock aiortc, an encoder per listener; see `benchmarks.rig.stock`. file: what it plays instead of a tone."""

    def __init__(self, *, cpu: int | None = None, file: Path | None = None) -> None:
        port = free_port()
        base = f"http://{ADDRESS}:{port}"
        super().__init__(
            [sys.executable, "-m", "benchmarks.rig.stock", str(port), *([str(file)] if file else ())],
            f"{base}/r/main",
            f"{base}/ready",
            cpu=cpu,
        )
