"""``python -m tests.rig.callbacks FILE``: record what a PortAudio device tells its callback, with the truth beside it.

A client of JACK's dummy driver says in its sound which frames it is (`tests.rig.counting`); PortAudio records it in
this process, while ``--busy`` workers of stress-ng load the machine. FILE (.npz) then holds one element a block:

- ``callback_ns``: monotonic ns at which the callback was called, as int64;
- ``adc_age_ns``: PortAudio's current time less the block's conversion time, as int64;
- ``overflow``: whether PortAudio said that input was lost before this block;
- ``frame``, ``cycle``, ``written_us``: what the client wrote into it, as int64, without their modulus;
- ``rate``, ``blocksize``: Hz and frames, of the whole recording.

``tests/capture/test_traces.py`` replays such recordings.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rtcserver.clock import NS, monotonic_ns
from tests.rig.counting import MODULUS, PORTS
from tests.rig.jack import JackClient, JackServer
from tests.rig.process import REPOSITORY, RigError

DEVICE = "COUNTING"


class Counting(JackClient):
    """The PortAudio device whose blocks say which they are."""

    def __init__(self, server: JackServer) -> None:
        super().__init__(server, DEVICE, PORTS)

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.rig.counting", self.name]
        self._spawn(command, self.server.env, cwd=REPOSITORY, hardware=True)
        self._wait_ports()


def whole(numbers: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Numbers that only ever grow, by less than half the modulus a block, without the modulus."""
    wrapped = np.round(numbers.astype(np.float64) * MODULUS).astype(np.int64)
    steps = (np.diff(wrapped) + MODULUS // 2) % MODULUS - MODULUS // 2
    return np.concatenate([wrapped[:1], wrapped[0] + np.cumsum(steps)])


def record(blocksize: int, rate: int, seconds: float) -> dict[str, Any]:
    """One recording of the counting device. Call it inside ``server.portaudio()``."""
    import sounddevice

    rows: list[tuple[int, float, bool, float, float, float]] = []
    count = round(seconds * rate / blocksize)
    done = threading.Event()
    block_bytes = 4 * PORTS

    def callback(data: Any, frames: int, time: Any, status: Any) -> None:
        now = monotonic_ns()
        age = time.currentTime - time.inputBufferAdcTime
        first = np.frombuffer(memoryview(data)[:block_bytes], np.float32)
        rows.append((now, age, bool(status.input_overflow), *first.tolist()))
        if len(rows) == count:
            done.set()

    with sounddevice.RawInputStream(
        device=DEVICE,
        channels=PORTS,
        samplerate=rate,
        blocksize=blocksize,
        dtype="float32",
        latency="low",
        dither_off=True,
        clip_off=True,
        callback=callback,
    ):
        if not done.wait(10 + 3 * seconds):
            raise RigError(f"{DEVICE} delivered {len(rows)} blocks of {count} only")
    at, age, overflow, frame, cycle, written = zip(*rows[:count], strict=True)
    return {
        "callback_ns": np.array(at, np.int64),
        "adc_age_ns": np.round(np.array(age) * NS).astype(np.int64),
        "overflow": np.array(overflow),
        "frame": whole(np.array(frame, np.float32)),
        "cycle": whole(np.array(cycle, np.float32)),
        "written_us": whole(np.array(written, np.float32)),
        "rate": np.int64(rate),
        "blocksize": np.int64(blocksize),
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--rate", type=int, default=44_100)
    parser.add_argument("--blocksize", type=int, default=128)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--busy", type=int, default=0, help="workers of stress-ng --cpu (default 0)")
    parser.add_argument(
        "--ordinary", action="store_true", help="no real-time priority, as without the right to it"
    )
    args = parser.parse_args()
    stress = None
    realtime = False if args.ordinary else None
    with (
        JackServer(rate=args.rate, blocksize=args.blocksize, realtime=realtime) as server,
        Counting(server),
        server.portaudio(),
    ):
        if args.busy:
            program = shutil.which("stress-ng")
            if program is None:
                raise RigError("stress-ng is not installed: apt-get install stress-ng")
            seconds = f"{args.seconds + 5:.0f}s"
            stress = subprocess.Popen([program, "--cpu", str(args.busy), "--timeout", seconds, "--quiet"])
        try:
            recording = record(args.blocksize, args.rate, args.seconds)
        finally:
            if stress is not None:
                stress.terminate()
                stress.wait()
    np.savez_compressed(args.file, **recording)
    steps = np.diff(recording["frame"]) // args.blocksize - 1
    print(
        f"{args.file}: {len(recording['frame'])} blocks, {int(recording['overflow'].sum())} flagged, "
        f"frame steps {dict(zip(*np.unique(steps, return_counts=True), strict=True))}",
        file=sys.stderr,
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
