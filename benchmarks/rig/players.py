"""Players of ``live.opus``: sockets that only count, Icecast as a relay, and real players whose sound is judged."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt

from benchmarks.rig.isolated import ADDRESS
from benchmarks.rig.serving import SERVER_CPU, free_port, pinned, tree

POLL_S = 0.1
RATE = 48_000
WINDOW = 4800
"""Samples that are judged together: 100 ms."""


def ran_ns(pids: list[int]) -> int:
    """CPU time of all threads of these processes so far, as the scheduler counts it: to the nanosecond, not to a tick."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{pid}/task").iterdir():
                total += int((task / "schedstat").read_text().split()[0])
    return total


class Crowd:
    """`count` readers of a stream in a thread, which empties all their sockets ten times a second: nobody is woken."""

    def __init__(self, url: str, count: int) -> None:
        self._url = urlsplit(url)
        self._sockets: list[socket.socket] = []
        self._received: list[int] = []
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._count = count

    def __enter__(self) -> Crowd:
        self._thread.start()
        for number in range(self._count):
            sock = socket.create_connection((self._url.hostname or "", self._url.port or 80), timeout=10)
            sock.sendall(f"GET {self._url.path} HTTP/1.1\r\nHost: {self._url.netloc}\r\n\r\n".encode())
            sock.setblocking(False)
            with self._lock:
                self._sockets.append(sock)
                self._received.append(0)
            if number % 10 == 9:
                time.sleep(0.05)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        for sock in self._sockets:
            sock.close()

    def received(self) -> list[int]:
        """Bytes that each has got so far."""
        with self._lock:
            return list(self._received)

    def _run(self) -> None:
        buffer = bytearray(1 << 18)
        while not self._stop.wait(POLL_S):
            with self._lock:
                for number, sock in enumerate(self._sockets):
                    with contextlib.suppress(OSError):
                        while got := sock.recv_into(buffer):
                            self._received[number] += got


class Icecast:
    """Debian's Icecast, which relays a stream; `url` is where it serves it."""

    def __init__(self, source: str) -> None:
        self._source = urlsplit(source)
        self._folder = tempfile.TemporaryDirectory(prefix="icecast-", dir="/tmp")
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self.url = f"http://{ADDRESS}:{self.port}/live.opus"

    @staticmethod
    def require() -> None:
        """Raises RuntimeError where it is not installed."""
        if shutil.which("icecast2") is None:
            raise RuntimeError("icecast2 is missing: apt-get install icecast2")

    def __enter__(self) -> Icecast:
        self.require()
        folder = Path(self._folder.name)
        folder.chmod(0o777)
        (folder / "icecast.xml").write_text(self._configuration(folder))
        owner = () if os.geteuid() else ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
        command = pinned([*owner, "icecast2", "-c", str(folder / "icecast.xml")], SERVER_CPU)
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 15
        while not self._serves():
            if time.monotonic() > deadline or self._process.poll() is not None:
                self.__exit__(None, None, None)
                raise RuntimeError("Icecast does not relay the stream")
            time.sleep(0.2)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(5)
            self._process.kill()
            self._process.wait()
            self._process = None
        self._folder.cleanup()

    @property
    def pids(self) -> list[int]:
        assert self._process is not None
        return tree(self._process.pid)

    def _serves(self) -> bool:
        try:
            with socket.create_connection((ADDRESS, self.port), timeout=2) as sock:
                sock.sendall(b"GET /live.opus HTTP/1.0\r\n\r\n")
                said = b""
                while len(said) < 4096 and (got := sock.recv(4096)):
                    said += got
                # Who comes later gets headers, too.
                return said.split(b" ")[1:2] == [b"200"] and b"OpusHead" in said
        except OSError:
            return False

    def _configuration(self, folder: Path) -> str:
        return f"""<icecast>
  <limits><clients>4000</clients><sources>4</sources><burst-size>65535</burst-size></limits>
  <authentication><source-password>x</source-password><admin-user>x</admin-user><admin-password>x</admin-password></authentication>
  <hostname>{ADDRESS}</hostname>
  <listen-socket><port>{self.port}</port><bind-address>{ADDRESS}</bind-address></listen-socket>
  <relay>
    <server>{self._source.hostname}</server><port>{self._source.port}</port><mount>{self._source.path}</mount>
    <local-mount>/live.opus</local-mount><on-demand>0</on-demand>
  </relay>
  <paths><basedir>{folder}</basedir><logdir>{folder}</logdir><webroot>{folder}</webroot><adminroot>{folder}</adminroot></paths>
  <logging><accesslog>access.log</accesslog><errorlog>error.log</errorlog><loglevel>2</loglevel></logging>
</icecast>
"""


PLAYERS = {
    "ffmpeg": "ffmpeg -nostdin -loglevel error -i {url} -t {seconds} -ac 2 -ar 48000 -f s16le -y {out}",
    "vlc": "timeout {seconds} cvlc -q --no-video --play-and-exit {url} vlc://quit --sout "
    "#transcode{{acodec=s16l,channels=2,samplerate=48000}}:std{{access=file,mux=raw,dst={out}}}",
    "mpv": "mpv --really-quiet --no-config --no-video --ao=pcm --ao-pcm-waveheader=no --audio-format=s16 "
    "--length={seconds} --ao-pcm-file={out} {url}",
}
"""Commands that play a URL for some seconds into a file of 48 kHz stereo in 16 bits. VLC's own ``--run-time`` counts from
the stream's zero, which is the room's."""


def installed() -> list[str]:
    """The players that this machine has."""
    programs = {"ffmpeg": "ffmpeg", "vlc": "cvlc", "mpv": "mpv"}
    return [name for name, program in programs.items() if shutil.which(program)]


class Player:
    """One player at work. out: where its sound goes."""

    def __init__(self, name: str, url: str, seconds: float, out: Path) -> None:
        self.name = name
        self.out = out
        self.seconds = seconds
        words = PLAYERS[name].format(url=url, seconds=f"{seconds:g}", out=out).split()
        if name == "vlc" and os.geteuid() == 0:
            # VLC refuses to be run by root.
            out.parent.chmod(0o777)
            words = [
                "setpriv",
                "--reuid=65534",
                "--regid=65534",
                "--clear-groups",
                "env",
                f"HOME={out.parent}",
                *words,
            ]
        self._process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )

    def wait(self, more_s: float = 30) -> str:
        """Until it has ended, or has to be; what it said."""
        try:
            _, said = self._process.communicate(timeout=self.seconds + more_s)
        except subprocess.TimeoutExpired:
            self._process.terminate()
            try:
                _, said = self._process.communicate(timeout=10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                _, said = self._process.communicate()
        return said.decode(errors="replace").strip()

    def close(self) -> None:
        """End it now."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


def judged(out: Path, left_hz: float, right_hz: float) -> dict[str, float]:
    """What of a recording is the tone, by windows of 100 ms: each side has its own frequency, and none of the other's.

    seconds: in all. tone, silent, wrong: windows; wrong is what is neither. runs: pieces of tone. lowest_db, highest_db:
    levels of windows of tone, relative to full scale. jumps: windows of tone whose phase does not follow
    from the one before by more than an eighth of a period: sound that was lost or came twice.
    """
    pcm: npt.NDArray[np.float64] = np.fromfile(out, "<i2").astype(np.float64) / 32768
    pcm = pcm[: len(pcm) // (2 * WINDOW) * 2 * WINDOW].reshape(-1, WINDOW, 2)
    windows = len(pcm)
    left, right = (part(pcm[:, :, side], hz) for side, hz in ((0, left_hz), (1, right_hz)))
    level = np.minimum(np.abs(left), np.abs(right))
    cross = np.maximum(np.abs(part(pcm[:, :, 0], right_hz)), np.abs(part(pcm[:, :, 1], left_hz)))
    loud = np.sqrt((pcm**2).mean(axis=(1, 2)))
    tone = (level > 0.01) & (cross < level / 30)
    silent = loud < 0.001
    steady = tone[1:] & tone[:-1]
    turned = np.maximum(turn(left, left_hz), turn(right, right_hz))
    runs = int(tone[:1].sum() + (tone[1:] & ~tone[:-1]).sum())
    db = 20 * np.log10(np.maximum(level[tone], 1e-9)) if tone.any() else np.zeros(1)
    return {
        "seconds": round(windows * WINDOW / RATE, 1),
        "tone": int(tone.sum()),
        "silent": int(silent.sum()),
        "wrong": int((~tone & ~silent).sum()),
        "runs": runs,
        "jumps": int((steady & (turned > np.pi / 4)).sum()),
        "lowest_db": round(float(db.min()), 2),
        "highest_db": round(float(db.max()), 2),
    }


def part(windows: npt.NDArray[np.float64], hz: float) -> npt.NDArray[np.complex128]:
    """The tone of this frequency in each window, as amplitude and phase at its begin."""
    hann = np.hanning(WINDOW)
    wave = hann * np.exp(-2j * np.pi * hz * np.arange(WINDOW) / RATE)
    found: npt.NDArray[np.complex128] = 2 / hann.sum() * windows @ wave
    return found


def turn(tone: npt.NDArray[np.complex128], hz: float) -> npt.NDArray[np.float64]:
    """How far the phase of each window but the first is from where it would go by itself, in radians."""
    expected = np.exp(2j * np.pi * hz * WINDOW / RATE)
    turned: npt.NDArray[np.float64] = np.abs(np.angle(tone[1:] * np.conj(tone[:-1] * expected)))
    return turned


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A folder for recordings, which every user may write to."""
    with tempfile.TemporaryDirectory(prefix="players-", dir="/tmp") as made:
        Path(made).chmod(0o777)
        yield Path(made)
