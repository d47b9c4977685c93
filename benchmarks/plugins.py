"""Whether a plug-in instrument in Python is in time: its calls, the interpreter lock, drift, and the sound that comes out.

On a JACK server with a dummy driver, 48 kHz in blocks of 512 frames, a supervised instrument is played by a monitor on
a PortAudio output, whose sound is recorded: ``example`` is the plucked string of ``examples/pluck``, with notes all
the time; ``sine`` is a plug-in with one sine; ``through`` is a PortAudio input. Per run, after two seconds of settling,
over ``--seconds``:

- ``block_rate_hz``: blocks of the instrument for each second of the output device's own clock (nominal 93.75).
- ``rate_error_pct``: how far that is from nominal.
- ``call_p99_ms``: time in a call of the plug-in; of ``through``: in PortAudio's input callback.
- ``lock_wait_p99_ms``: wait for the interpreter lock, of the two processes, instrument and monitor, that where it is
  longer: how much longer than asked for a thread's sleeps of 5 ms take, so the kernel's share is in it, too.
- ``drift_ms``: how far the sound that waits for the output has grown, last fifth against first fifth of the run.
- ``underruns``: under- and overruns of instrument, monitor and both devices together. ``slips``: single frames that
  the monitor left out or put in.
- ``null_test_max_abs``: the largest difference between what the output played and what the plug-in made, or, of
  ``through``, what the input carried; 0 is bit-exact. null: the recording is not what was played at all.
- ``machine_busy_pct``: use of all cores meanwhile, by anybody.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.rig.common import MachineCpu, emit, say
from rtcserver.clock import NS
from rtcserver.config.model import InstrumentConfig
from rtcserver.encode.pcm import unpack
from rtcserver.instrument.supervisor import InstrumentSupervisor
from rtcserver.monitor.supervisor import Monitor
from tests.rig.exact import noise, null_test
from tests.rig.jack import Exact, JackServer
from tests.rig.process import REPOSITORY

RATE, BLOCKSIZE = 48_000, 512
SETTLE_S = 2.0
DEVICE = "MONTAGE"
NOTES = (45, 52, 57, 60, 64, 67, 72, 76)
"""The chord that is broken up, a note every eighth of a second."""
SINE = """
import numpy as np
from rtcserver.capture.plugin import Instrument

class Sine(Instrument):
    title = "Sine"
    def __init__(self, rate, options):
        self._step = 441.0 / rate
    def render(self, frames, first_frame):
        cycles = np.mod(np.arange(first_frame, first_frame + frames) * self._step, 1.0)
        return 0.25 * np.sin(2 * np.pi * cycles)
"""
KINDS = {"example": "pluck", "sine": "sine", "through": "portaudio"}


def install(folder: Path) -> None:
    """Make both plug-ins known to child processes: modules and metadata in a folder on their path."""
    shutil.copy(REPOSITORY / "examples" / "pluck" / "rtcserver_pluck.py", folder)
    (folder / "bench_sine.py").write_text(SINE)
    for key, entry in (("pluck", "rtcserver_pluck:PluckedString"), ("sine", "bench_sine:Sine")):
        metadata = folder / f"bench_{key}-1.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: bench-{key}\nVersion: 1\n")
        (metadata / "entry_points.txt").write_text(f"[rtcserver.instruments]\n{key} = {entry}\n")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))


async def keep(instrument: InstrumentSupervisor, blocks: list[npt.NDArray[np.int32]]) -> None:
    """Collect what the instrument's process hands on."""
    with instrument.subscribe(blocks=True, limit=4096) as sound:
        async for packet in sound:
            blocks.append(  # noqa: PERF401  # what came so far is wanted when it is cancelled
                unpack(packet.payload).to_int()
            )


async def play(instrument: InstrumentSupervisor) -> None:
    """Broken chords for ever."""
    while True:
        for key in NOTES:
            instrument.midi(bytes((0x90, key, 90)))
            await asyncio.sleep(0.125)
            instrument.midi(bytes((0x80, key, 64)))


def slope(points: list[tuple[int, int]]) -> float:
    """Frames a second of the straight line through ``(ns, frames)`` points that is nearest to all of them."""
    x = np.array([at - points[0][0] for at, _ in points], np.float64)
    y = np.array([frames - points[0][1] for _, frames in points], np.float64)
    return float(np.polyfit(x, y, 1)[0]) * NS


async def measure(name: str, seconds: float, device: Exact) -> dict[str, Any]:
    """One run. The JACK server's variables must be in the environment."""
    config = InstrumentConfig(
        instrument=KINDS[name],
        device=DEVICE if name == "through" else "",
        blocksize=BLOCKSIZE,
        samplerate=RATE,
    )
    instrument = InstrumentSupervisor("bench", config)
    monitor = Monitor(instrument, DEVICE)
    blocks: list[npt.NDArray[np.int32]] = []
    await instrument.start()
    await monitor.start()
    tasks = [asyncio.create_task(keep(instrument, blocks))]
    if name == "example":
        tasks.append(asyncio.create_task(play(instrument)))
    try:
        async with asyncio.timeout(20):
            while not monitor.status.get("played"):  # noqa: ASYNC110  # the status has no event
                await asyncio.sleep(0.05)
        await asyncio.sleep(SETTLE_S)
        before, out_before = await instrument.timings(reset=True), await monitor.timings()
        machine = MachineCpu.now()
        made: list[tuple[int, int]] = []
        asked: list[tuple[int, int]] = []
        levels: list[int] = []
        for _ in range(round(seconds * 5)):
            await asyncio.sleep(0.2)
            made.append((instrument.status.at_ns, instrument.status.frames))
            asked.append((monitor.status["at_ns"], monitor.status["asked"]))
            levels.append(monitor.status["level"])
        after, out_after = await instrument.timings(), await monitor.timings()
        busy = machine.busy_pct(MachineCpu.now())
        if instrument.restarts or monitor.restarts:
            raise RuntimeError(f"the run was not one: {instrument.status}, {monitor.status}")
        recorded = device.recorded()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await monitor.close()
        await instrument.close()
    rate = slope(made) / slope(asked) * RATE
    fifth = max(1, len(levels) // 5)
    try:
        if name == "through":
            difference: float | None = null_test(recorded, noise(), loop=True)
        else:
            sound = (np.concatenate(blocks) / 2.0**23).astype(np.float32)
            difference = null_test(recorded, sound, loop=False)
    except ValueError:
        difference = None
    call = after["callback_ns" if name == "through" else "call_ns"]
    lock_p99 = max(after["lock_ns"]["p99"], out_after["lock_ns"]["p99"])
    counted = sum(after[key] - before[key] for key in ("overflows", "overruns")) + sum(
        out_after[key] - out_before[key] for key in ("underruns", "overruns", "output_underflows")
    )
    return {
        "block_rate_hz": round(rate / BLOCKSIZE, 5),
        "rate_error_pct": round(100 * (rate / RATE - 1), 5),
        "calls": call["count"],
        "call_p50_ms": round(call["p50"] / 1e6, 4),
        "call_p99_ms": round(call["p99"] / 1e6, 4),
        "lock_wait_p99_ms": round(lock_p99 / 1e6, 4),
        "lock_wait_max_ms": round(max(after["lock_ns"]["max"], out_after["lock_ns"]["max"]) / 1e6, 4),
        "output_callback_p99_ms": round(out_after["callback_ns"]["p99"] / 1e6, 4),
        "drift_ms": round(float(np.mean(levels[-fifth:]) - np.mean(levels[:fifth])) * 1000 / RATE, 4),
        "underruns": counted,
        "lost_frames": after["lost_frames"] - before["lost_frames"],
        "slips": out_after["slips"] - out_before["slips"],
        "null_test_max_abs": difference,
        "machine_busy_pct": busy,
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="length of each run (default 60)")
    parser.add_argument(
        "--runs", default=",".join(KINDS), help="which ones, with commas (default: all three)"
    )
    args = parser.parse_args()
    names = args.runs.split(",")
    if not 3 <= args.seconds <= 600:
        parser.error("--seconds: allowed are 3 to 600")
    if unknown := [name for name in names if name not in KINDS]:
        parser.error(f"--runs: there is no {unknown[0]}; allowed are {', '.join(KINDS)}")
    runs: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        install(Path(folder))
        for name in names:
            say(f"plugins: {name}, {args.seconds:g} s …")
            # The recording also holds what comes before and after the measurement.
            with JackServer(rate=RATE, blocksize=BLOCKSIZE) as jack, Exact(jack, args.seconds + 40) as device:
                os.environ.update(jack.variables)
                run = runs[name] = asyncio.run(measure(name, args.seconds, device))
            say(
                f"  {run['block_rate_hz']} blocks/s ({run['rate_error_pct']} %); call p99 {run['call_p99_ms']} ms, "
                f"lock p99 {run['lock_wait_p99_ms']} ms; drift {run['drift_ms']} ms; {run['underruns']} under- and "
                f"overruns; null test {run['null_test_max_abs']} (machine {run['machine_busy_pct']} % busy)"
            )
    emit({"benchmark": "plugins", **runs})
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
