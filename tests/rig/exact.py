"""``python -m tests.rig.exact NAME FILE SECONDS``: a JACK client that plays known noise and records, until ended.

PortAudio sees one device NAME with two inputs, which carry `noise`, and two outputs, what is played on which is
written to FILE (NumPy, ``(frames, 2)`` float32, SECONDS at most) at SIGTERM. Every sample is a whole number of steps
of 24 bits: where nothing is changed on the way from the one to the other, the difference is zero.
"""

from __future__ import annotations

import gc
import signal
import sys
import threading

import numpy as np
import numpy.typing as npt

LENGTH = 131_072
"""Frames after which the noise repeats."""


def noise() -> npt.NDArray[np.float32]:
    """``(LENGTH, 2)`` float32: full-scale noise in steps of 24 bits, the same in every run."""
    steps = np.random.default_rng(7).integers(-(2**23), 2**23, (LENGTH, 2))
    return (steps / 2.0**23).astype(np.float32)


def null_test(recorded: npt.NDArray[np.float32], played: npt.NDArray[np.float32], *, loop: bool) -> float:
    """The largest difference between a recording and what was played, from the first sound that is in both.

    loop: `played` repeats for ever. Raises ValueError if no stretch of the recording is in what was played.
    """
    sounding = np.flatnonzero(np.abs(recorded).max(axis=1) > 0)
    if not len(sounding):
        raise ValueError("nothing was recorded")
    begin = int(sounding[0])
    probe = recorded[begin + 4800 : begin + 4800 + 64]
    for place in np.flatnonzero((played == probe[0]).all(axis=1)):
        found = played[(place + np.arange(64)) % len(played)] if loop else played[place : place + 64]
        if len(found) == 64 and (found == probe).all():
            offset = int(place) - 4800 - begin
            frames = np.arange(begin, len(recorded)) + offset
            if not loop:
                frames = frames[(frames >= 0) & (frames < len(played))]
            expected = played[frames % len(played)]
            return float(np.abs(recorded[frames - offset].astype(np.float64) - expected).max())
    raise ValueError("the recording is not what was played")


def main(arguments: list[str]) -> int:
    import jack

    name, file, seconds = arguments[0], arguments[1], float(arguments[2])
    client = jack.Client(name, no_start_server=True)
    outs = [client.outports.register(f"out_{number}") for number in (1, 2)]
    ins = [client.inports.register(f"in_{number}") for number in (1, 2)]
    table = np.concatenate([noise(), noise()[: client.blocksize]])
    sides = [np.ascontiguousarray(table[:, side]) for side in range(2)]
    recorded = np.zeros((round(seconds * client.samplerate), 2), np.float32)
    filled = 0
    over = threading.Event()

    def process(frames: int) -> None:
        nonlocal filled
        begin = client.last_frame_time % LENGTH
        for port, side in zip(outs, sides, strict=True):
            port.get_array()[:] = side[begin : begin + frames]
        if filled + frames <= len(recorded):
            for number, port in enumerate(ins):
                recorded[filled : filled + frames, number] = port.get_array()
            filled += frames

    client.set_process_callback(process)
    client.set_shutdown_callback(lambda status, reason: over.set())
    signal.signal(signal.SIGTERM, lambda number, frame: over.set())
    gc.disable()
    client.activate()
    over.wait()
    client.deactivate()
    np.save(file, recorded[:filled])
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
