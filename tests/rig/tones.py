"""``python -m tests.rig.tones NAME AMPLITUDE HZ...``: a JACK client, a sine per output port, until killed.

A process of its own, so that it goes on while the process under test is busy, stopped or killed.
"""

from __future__ import annotations

import gc
import signal
import sys
import threading

import jack
import numpy as np


def main(arguments: list[str]) -> int:
    name, amplitude, frequencies = arguments[0], float(arguments[1]), [int(hz) for hz in arguments[2:]]
    client = jack.Client(name, no_start_server=True)
    rate, block = client.samplerate, client.blocksize
    # One second holds whole periods of every frequency: playing is copying, from any frame of it.
    time = np.arange(rate + block, dtype=np.float64) % rate / rate
    table = [(amplitude * np.sin(2 * np.pi * hz * time)).astype(np.float32) for hz in frequencies]
    ports = [client.outports.register(f"out_{number}") for number in range(1, len(table) + 1)]
    over = threading.Event()

    def process(frames: int) -> None:
        begin = client.last_frame_time % rate
        for port, wave in zip(ports, table, strict=True):
            port.get_array()[:] = wave[begin : begin + frames]

    def shutdown(status: jack.Status, reason: str) -> None:
        over.set()

    client.set_process_callback(process)
    client.set_shutdown_callback(shutdown)
    signal.signal(signal.SIGTERM, lambda number, frame: over.set())
    gc.disable()
    client.activate()
    over.wait()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
