"""``python -m tests.rig.counting NAME``: a JACK client whose sound says which frames it is, until killed.

Each block begins with numbers instead of sound, one per output port, each a whole number below 2²⁴ scaled by
2⁻²⁴, which float32 holds exactly; the rest of the block is silence:

1. JACK's frame time of the cycle, modulo 2²⁴;
2. how many cycles this client has been called for, modulo 2²⁴;
3. monotonic time in µs at which it was called, modulo 2²⁴.

A recording of it shows sample by sample what went missing between JACK and the recorder.
"""

from __future__ import annotations

import gc
import signal
import sys
import threading
import time

import jack

MODULUS = 1 << 24
PORTS = 3


def main(arguments: list[str]) -> int:
    client = jack.Client(arguments[0], no_start_server=True)
    ports = [client.outports.register(f"out_{number}") for number in range(1, PORTS + 1)]
    over = threading.Event()
    calls = 0

    def process(frames: int) -> None:
        nonlocal calls
        numbers = (client.last_frame_time, calls, time.monotonic_ns() // 1000)
        for port, number in zip(ports, numbers, strict=True):
            sound = port.get_array()
            sound[:] = 0
            sound[0] = number % MODULUS / MODULUS
        calls += 1

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
