"""What starting costs: others' joins while a long file loads, its memory, and the time from script/server to music.

join_…_ratio: the median time of a join while the instrument process of a 25-minute FLAC starts and loads, over that of
joins without, in turns on one server. join_other_ratio: of another room; join_same_ratio: of the file's own room.
memory_ratio: the largest resident memory of the instrument process that plays a 12-minute FLAC, over that of an
earlier build, which decodes it whole. music_ratio: the median time from the start of script/server (its virtual
environment is there) to the first decoded sound of the demo at a headless client that tries all the while, over the
earlier build's, in turns. The earlier build is made from git in a temporary folder.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import av
import numpy as np

from benchmarks.rig.common import MachineCpu, say
from benchmarks.rig.compare import ROOT, earlier, git
from benchmarks.rig.isolated import ADDRESS, isolate
from benchmarks.rig.outcome import LONG_S, Result, main_of
from benchmarks.rig.serving import Server, free_port, tree
from rtcserver.client.listener import Listener
from rtcserver.client.measure import Samples
from rtcserver.client.whep import ListenError
from rtcserver.load.fleet import Fleet
from rtcserver.load.worker import Options

BEFORE = "d716d9d"
"""A build that decodes a file whole before it plays."""
RATE = 48_000
AUDIBLE = 100
"""Of 32,768: 50 dB below full scale."""
LIMIT_S = 60.0
MODULE = "rtcserver.instrument.process"


def write_flac(path: Path, minutes: float) -> None:
    """Noise of so many minutes, in stereo."""
    noise = np.random.default_rng(1).integers(-2000, 2000, (1, 2 * 10 * RATE), np.int16)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("flac", rate=RATE, layout="stereo")
        for _ in range(round(minutes * 6)):
            frame = av.AudioFrame.from_ndarray(noise, format="s16", layout="stereo")
            frame.sample_rate = RATE
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def instruments(pid: int) -> list[int]:
    """The instrument processes of a server."""
    # A process may end while it is looked at; the next look finds the others.
    with contextlib.suppress(OSError):
        return [one for one in tree(pid) if MODULE in Path(f"/proc/{one}/cmdline").read_text()]
    return []


@contextlib.contextmanager
def started(command: list[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A server in one of the two trees."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def join_times(result: Result, long: Path, rounds: int) -> dict[str, float]:
    """Medians in ms of joins of both rooms, with and without a load of the file."""
    port = free_port()
    base = f"http://{ADDRESS}:{port}"
    times: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        config = Path(temporary) / "rtcserver.toml"
        rooms = f'[rooms.other]\ninstrument = "tone"\n[rooms.same]\ninstrument = "file"\nfile = "{long}"\n'
        config.write_text(rooms)
        words = ["serve", "--config", str(config), "--port", str(port), "--log-level", "error"]
        server = Server([sys.executable, "-m", "rtcserver", *words], base, f"{base}/api/rooms", cpu=None)
        with (
            server,
            Fleet(Options(f"{base}/r/other"), workers=1) as other,
            Fleet(Options(f"{base}/r/same"), workers=1) as same,
        ):

            def playing() -> int | None:
                """The file's process while it plays."""
                rooms = server.get(f"{base}/api/rooms")["rooms"]
                live = all(room["instrument"]["state"] == "live" for room in rooms)
                return same_pid(server) if live else None

            def same_pid(server: Server) -> int | None:
                # In the order of the configuration: the tone's is the first, and never ends.
                pids = [pid for pid in instruments(server.pid) if pid != tone]
                return pids[0] if pids else None

            tone = 0
            wait_for(playing)
            tone = min(instruments(server.pid))
            fleets = {"other": other, "same": same}
            for _ in range(5):
                for fleet in fleets.values():
                    fleet.join(1, stay_s=0)
            for number in range(rounds):
                if not result.fits(10):
                    break
                for name, fleet in fleets.items():
                    for loads in (False, True) if number % 2 else (True, False):
                        pid = wait_for(playing)
                        time.sleep(0.5)
                        if loads:
                            subprocess.run(["kill", "-9", str(pid)], check=True)
                            wait_for(lambda before=pid: (new := same_pid(server)) and new != before)
                        joins = fleet.join(1, stay_s=0)
                        times.setdefault(f"{name}_{loads}", []).extend(joins.times_ms)
    return {name: median(values) for name, values in times.items()}


def wait_for(condition: Any) -> Any:
    """What it returns, once it returns something. Raises RuntimeError after a minute."""
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if found := condition():
                return found
        time.sleep(0.01)
    raise RuntimeError("the instrument does not start.")


def peak_kb(folder: Path, file: Path, seconds: float) -> int:
    """The largest resident memory of the instrument process within its first seconds."""
    port = free_port()
    words = ["serve", "--instrument", "file", "--file", str(file), "--port", str(port)]
    peak, end = 0, time.monotonic() + seconds
    with started([sys.executable, "-m", "rtcserver", *words], folder) as process:
        while time.monotonic() < end:
            time.sleep(0.1)
            for pid in instruments(process.pid):
                with contextlib.suppress(OSError, StopIteration):
                    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
                    peak = max(peak, int(next(line for line in lines if line.startswith("VmHWM")).split()[1]))
    return peak


async def music_s(folder: Path, command: list[str]) -> float:
    """Seconds from the start of a server to the first sound that a client hears."""
    port, heard = free_port(), asyncio.Event()

    def on_audio(samples: Samples) -> None:
        if np.abs(samples.astype(np.int32)).max() > AUDIBLE:
            heard.set()

    began = time.monotonic()
    words = ["--instrument", "fluidsynth", "--port", str(port), "--log-level", "error"]
    with started([*command, *words], folder):
        while time.monotonic() - began < LIMIT_S:
            try:
                _, writer = await asyncio.open_connection(ADDRESS, port)
                writer.close()
                async with Listener(f"http://{ADDRESS}:{port}/r/main", on_audio=on_audio):
                    await asyncio.wait_for(heard.wait(), LIMIT_S)
                    return time.monotonic() - began
            except (OSError, ListenError):
                await asyncio.sleep(0.01)
    raise RuntimeError(f"nothing is heard of the server in {folder}.")


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="script/bench starting", description=__doc__)
    parser.add_argument("--before", default=BEFORE, help=f"the earlier build (default {BEFORE})")
    parser.add_argument("--joins", type=int, default=24, help="joins of each kind (default 24)")
    parser.add_argument("--pairs", type=int, default=10, help="starts of each build (default 10)")
    args = parser.parse_args()
    isolate("benchmarks.starting")
    result, cpu = Result(peers=3), MachineCpu.now()
    with tempfile.TemporaryDirectory(prefix="starting-") as temporary, earlier(args.before) as folder:
        (folder / ".venv").symlink_to((ROOT / ".venv").resolve())
        measure(result, Path(temporary), folder, args)
    result.ratio("join_other_ratio", "join_other_loading_ms", "join_other_ms")
    result.ratio("join_same_ratio", "join_same_loading_ms", "join_same_ms")
    result.ratio("memory_ratio", "memory_mb", "memory_before_mb")
    result.ratio("music_ratio", "music_s", "music_before_s")
    return result.emit(benchmark="starting", machine_busy_pct=cpu.busy_pct(MachineCpu.now()))


def measure(result: Result, temporary: Path, before: Path, args: argparse.Namespace) -> None:
    """The three parts, each with its own failure."""
    keys = ("join_other_ms", "join_other_loading_ms", "join_same_ms", "join_same_loading_ms")
    with result.peer("joins", keys) as found:
        long = temporary / "long.flac"
        write_flac(long, 25)
        say("starting: joins beside a loading file")
        times = join_times(result, long, args.joins)
        for name in ("other", "same"):
            found[f"join_{name}_ms"] = round(times[f"{name}_False"], 1)
            found[f"join_{name}_loading_ms"] = round(times[f"{name}_True"], 1)
    with result.peer("memory", ("memory_mb", "memory_before_mb")) as found:
        file = temporary / "twelve.flac"
        write_flac(file, 12)
        say("starting: memory of a long file")
        found["memory_before_mb"] = round(peak_kb(before, file, 20) / 1000, 1)
        found["memory_mb"] = round(peak_kb(ROOT, file, 20) / 1000, 1)
    with result.peer("music", ("music_s", "music_before_s", "pairs")) as found:
        # With other packages the earlier build's script would install them into this environment.
        same = not git("diff", "--name-only", args.before, "--", "requirements.txt")
        command = ["bash", "script/server"] if same else [sys.executable, "-m", "rtcserver", "serve"]
        starts: dict[Path, list[float]] = {before: [], ROOT: []}
        for number in range(args.pairs):
            if number and not result.fits(20):
                break
            for folder in (before, ROOT) if number % 2 == 0 else (ROOT, before):
                starts[folder].append(asyncio.run(music_s(folder, command)))
            say(
                f"starting: music after {starts[before][-1]:.2f} s before, {starts[ROOT][-1]:.2f} s in this build"
            )
        found["music_s"], found["music_before_s"] = (round(median(starts[one]), 3) for one in (ROOT, before))
        found["pairs"] = len(starts[ROOT])


if __name__ == "__main__":
    raise SystemExit(main_of(main, LONG_S))
