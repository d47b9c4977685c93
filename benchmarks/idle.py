"""What a room costs that nobody listens to, and how soon its first listener hears something.

For the embedded synthesizer with its demo piece, and for a PortAudio device on JACK's dummy driver (44.1 kHz, 128 frames
a block, a tone on each of eight channels):

- ``cpu_pct``: of one core, all processes of the server, over ``--seconds`` in which nobody listens.
- ``cpu_one_listener_pct``: the same with one listener.
- ``pss_mb``: memory of all processes before anybody has come, each with its share of what several have. Without JACK's own
  shared memory, 105 MB with the buffers of 2,048 ports, which is locked in each of its clients whatever they do.
- ``first_packet_ms``: median over ``--joins`` from the sending of a client's POST to its first packet with a sound louder
  than 50 dB below full scale. Before each one nobody has listened for some seconds.
- ``silent_bytes_per_packet``: the payload of a packet of a synthesizer that nobody plays, without the demo piece.

With ``--before REVISION`` an earlier build is measured, too, in turns with this one; it is made from git in a temporary
folder and runs with this .venv. Then ``before`` has its figures, and ``ratios`` this build's over those. CPU and memory
of a machine that does other things mean little; the ratios of one run mean more.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean, median
from typing import Any

import av
import numpy as np

from benchmarks.rig.common import MachineCpu, say
from benchmarks.rig.compare import ROOT, earlier
from benchmarks.rig.isolated import ADDRESS, isolate
from benchmarks.rig.outcome import LONG_S, Result, main_of
from benchmarks.rig.serving import LOAD_CPU, SERVER_CPU, Rtcserver, free_port, pinned, pss_kb, pss_of_kb
from rtcserver.client.listener import Listener
from rtcserver.load.fleet import Fleet
from rtcserver.load.worker import Options
from rtcserver.transport.aiortc_tap import TappedPacket
from tests.rig.jack import JackServer, Tones

OURS = ("cpu_pct", "cpu_one_listener_pct", "pss_mb", "first_packet_ms")
LOWER = ("cpu_pct", "pss_mb", "first_packet_ms", "silent_bytes_per_packet")
SETTLE_S = 6.0
"""After a start, and after the last listener has gone, until a room counts as idle."""
AUDIBLE = 0.003
"""50 dB below full scale."""
LIMIT_S = 10.0
SYNTHESIZER = ("--instrument", "fluidsynth")
JACKS = "/dev/shm/jack"
DEVICE = ("--instrument", "portaudio", "--device", "MONTAGE", "--channels", "3,4")


class Built(Rtcserver):
    """A server of one of the two trees. words: of its instrument."""

    def __init__(self, folder: Path, words: Sequence[str]) -> None:
        super().__init__()
        self._folder = folder
        command = [sys.executable, "-m", "rtcserver", "serve", "--port", str(free_port()), *words]
        port = command[command.index("--port") + 1]
        self.url, self._ready_url = f"http://{ADDRESS}:{port}/r/main", f"http://{ADDRESS}:{port}/healthz"
        self._command = pinned([*command, "--log-level", "error"], SERVER_CPU)

    def __enter__(self) -> Built:
        super().__enter__()
        return self

    def _spawn(self) -> int:
        # An interpreter finds the package in its working directory.
        here = Path.cwd()
        os.chdir(self._folder)
        try:
            return super()._spawn()
        finally:
            os.chdir(here)

    def cpu_pct(self, seconds: float) -> float:
        """Per cent of one core, all threads of all processes, as the scheduler counts it."""
        before, began = self._ran_ns(), time.monotonic_ns()
        time.sleep(seconds)
        after = self._ran_ns()
        gone = sum(ran for task, ran in after.items() if task not in before)
        ran = gone + sum(ran - before[task] for task, ran in after.items() if task in before)
        return 100 * ran / (time.monotonic_ns() - began)

    def _ran_ns(self) -> dict[str, int]:
        found = {}
        for pid in self.pids:
            with contextlib.suppress(OSError):
                for task in Path(f"/proc/{pid}/task").iterdir():
                    found[task.name] = int((task / "schedstat").read_text().split()[0])
        return found


class Asked:
    """A listener's way, which notes when its offer leaves."""

    def __init__(self) -> None:
        self.at_ns = 0

    def offer(self, sdp: str) -> str:
        """As it is."""
        self.at_ns = time.monotonic_ns()
        return sdp

    def answer(self, sdp: str) -> str:
        """As it is."""
        return sdp


class Ear:
    """Takes packets, and notes when the first one with a sound came, and how long payloads are."""

    def __init__(self) -> None:
        self._decoder: Any = av.CodecContext.create("opus", "r")
        self.heard_ns: int | None = None
        self.heard = asyncio.Event()
        self.lengths: list[int] = []

    def take(self, packet: TappedPacket, payload: bytes) -> None:
        """One packet."""
        self.lengths.append(len(payload))
        if self.heard_ns is None:
            frames = self._decoder.decode(av.Packet(payload))
            if any(np.abs(frame.to_ndarray()).max() > AUDIBLE for frame in frames):
                self.heard_ns = packet.arrival_ns
                self.heard.set()


async def first_packet_ms(url: str) -> float:
    """From the POST to the first packet with a sound."""
    asked, ear = Asked(), Ear()
    async with Listener(url, path=asked, on_payload=ear.take):
        await asyncio.wait_for(ear.heard.wait(), LIMIT_S)
        assert ear.heard_ns is not None
        return (ear.heard_ns - asked.at_ns) / 1e6


async def silent_bytes(url: str, seconds: float) -> float:
    """Mean length of the payloads of a silent room, without those of the first half second."""
    ear = Ear()
    async with Listener(url, on_payload=ear.take):
        await asyncio.sleep(0.5)
        ear.lengths.clear()
        await asyncio.sleep(seconds)
    return fmean(ear.lengths)


def measure(folder: Path, words: Sequence[str], seconds: float, joins: int) -> dict[str, float]:
    """The figures of `OURS` of one build, once."""
    with Built(folder, words) as server:
        time.sleep(SETTLE_S)
        found = {
            "cpu_pct": server.cpu_pct(seconds),
            "pss_mb": (pss_kb(server.pids) - pss_of_kb(server.pids, JACKS)) / 1024,
        }
        times = []
        for _ in range(joins):
            times.append(asyncio.run(first_packet_ms(server.url)))
            time.sleep(SETTLE_S)
        found["first_packet_ms"] = median(times)
        with Fleet(Options(server.url, server.signaling, cpus=(LOAD_CPU,))) as fleet:
            fleet.join(1)
            time.sleep(2)
            found["cpu_one_listener_pct"] = server.cpu_pct(seconds)
    return found


def measure_silence(folder: Path) -> dict[str, float]:
    """The bytes of a silent packet of one build."""
    with Built(folder, (*SYNTHESIZER, "--no-demo")) as server:
        return {"silent_bytes_per_packet": asyncio.run(silent_bytes(server.url, 3))}


@contextlib.contextmanager
def device() -> Iterator[None]:
    """The virtual device, for servers that are started meanwhile."""
    with JackServer() as jack, Tones(jack):
        before = dict(os.environ)
        os.environ.update(jack.variables)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


def rounded(found: Sequence[dict[str, float]]) -> dict[str, float]:
    """The median of each figure."""
    return {key: round(median(one[key] for one in found), 2) for key in found[0]} if found else {}


def turns(result: Result, folders: Sequence[Path], rounds: int, once: Any) -> list[dict[str, float]]:
    """Medians for each of the builds, in turns; fewer rounds where the time is up."""
    found: list[list[dict[str, float]]] = [[] for _ in folders]
    began = time.monotonic()
    for number in range(rounds):
        order = range(len(folders)) if number % 2 else reversed(range(len(folders)))
        for build in order:
            found[build].append(once(folders[build]))
            say(f"  {'before' if build else 'this build'}: {rounded(found[build][-1:])}")
        if not result.fits((time.monotonic() - began) / (number + 1)):
            break
    return [rounded(one) for one in found]


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="script/bench idle", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--before", help="an earlier build, as git names it, to be measured in turns")
    parser.add_argument("--instrument", choices=("fluidsynth", "portaudio"), help="only this one")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each CPU measurement (default 10)")
    parser.add_argument("--joins", type=int, default=5, help="first listeners of each build (default 5)")
    parser.add_argument("--rounds", type=int, default=1, help="how often each build is measured (default 1)")
    args = parser.parse_args()
    isolate("benchmarks.idle")
    result, cpu = Result(peers=3), MachineCpu.now()
    before: dict[str, Any] = {}
    ratios: dict[str, Any] = {}
    with earlier(args.before) if args.before else contextlib.nullcontext() as folder:
        folders = [ROOT] if folder is None else [ROOT, folder]
        compare(result, folders, args, before, ratios)
    return result.emit(
        benchmark="idle", before=before, ratios=ratios, machine_busy_pct=cpu.busy_pct(MachineCpu.now())
    )


def compare(
    result: Result,
    folders: Sequence[Path],
    args: argparse.Namespace,
    before: dict[str, Any],
    ratios: dict[str, Any],
) -> None:
    """The parts, each with its own failure; the earlier build's figures and the quotients go into the last two."""

    def once(words: Sequence[str]) -> Any:
        return lambda folder: measure(folder, words, args.seconds, args.joins)

    def note(found: dict[str, Any], figures: Sequence[dict[str, float]], name: str = "") -> None:
        found |= figures[0]
        if len(figures) > 1 and all(figures):
            quotients = {
                key: round(figures[0][key] / figures[1][key], 3) for key in LOWER if key in figures[1]
            }
            (before.setdefault(name, {}) if name else before).update(figures[1])
            (ratios.setdefault(name, {}) if name else ratios).update(quotients)

    if args.instrument != "portaudio":
        with result.peer("fluidsynth", OURS) as found:
            say("idle: the embedded synthesizer")
            note(found, turns(result, folders, args.rounds, once(SYNTHESIZER)))
        with result.peer("silence", ("silent_bytes_per_packet",)) as found:
            note(found, turns(result, folders, 1, measure_silence))
    if args.instrument != "fluidsynth":
        with result.peer("portaudio", ("portaudio",)) as found, device():
            say("idle: PortAudio on JACK")
            inner: dict[str, Any] = {}
            found["portaudio"] = inner
            note(inner, turns(result, folders, args.rounds, once(DEVICE)), "portaudio")


if __name__ == "__main__":
    raise SystemExit(main_of(main, LONG_S))
