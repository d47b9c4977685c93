"""One instrument process of the build in the working directory while somebody listens: what it costs, and how it sounds.

`benchmarks.rig.instrument_cost` runs the text of this module with ``python -c`` in the folder of each build, so that the
same measurement is made of both: it uses only what both have. The argument is a JSON object. With ``pieces`` (files of
``(frames, 2)`` int16 at ``rate`` Hz, and where to put what is decoded of each) sound is encoded as the process does it and
decoded again; without it a process is started with ``config`` and measured for ``seconds``. One JSON object is printed.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

SETTLE_S = 2.0


def used(pid: int) -> dict[str, tuple[int, int]]:
    """Of each thread of a process: ns on a core so far, and how often it went to sleep by itself."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        ran = int((task / "schedstat").read_text().split()[0])
        slept = next(
            int(line.split()[1])
            for line in (task / "status").read_text().splitlines()
            if line.startswith("voluntary_ctxt_switches")
        )
        found[task.name] = ran, slept
    return found


async def measure(asked: dict[str, Any]) -> dict[str, Any]:
    """CPU of the process over some seconds, by thread, the busiest first."""
    from rtcserver.config.model import InstrumentConfig
    from rtcserver.instrument.supervisor import InstrumentSupervisor

    instrument = InstrumentSupervisor("bench", InstrumentConfig(**asked["config"]))
    feed = instrument.open_feed()
    sounding = asyncio.Event()
    lengths: list[int] = []

    def read() -> None:
        try:
            while record := feed.recv(8192):
                lengths.append(len(record))
                sounding.set()
        except BlockingIOError:
            return

    asyncio.get_running_loop().add_reader(feed.fileno(), read)
    try:
        await instrument.start()
        await asyncio.wait_for(sounding.wait(), 20)
        pid = instrument.pid
        if pid is None:
            raise RuntimeError("the instrument process ended")
        await asyncio.sleep(SETTLE_S)
        before, began = used(pid), time.monotonic_ns()
        lengths.clear()
        await asyncio.sleep(asked["seconds"])
        after, elapsed = used(pid), time.monotonic_ns() - began
        packets = len(lengths)
    finally:
        asyncio.get_running_loop().remove_reader(feed.fileno())
        await instrument.close()
    threads = [
        (ran - before[name][0], slept - before[name][1])
        for name, (ran, slept) in after.items()
        if name in before
    ]
    threads.sort(reverse=True)
    return {
        "cpu_pct": 100 * sum(ran for ran, _ in threads) / elapsed,
        "wakeups_per_s": sum(slept for _, slept in threads) * 1e9 / elapsed,
        "packets_per_s": packets * 1e9 / elapsed,
        "threads_pct": [100 * ran / elapsed for ran, _ in threads],
    }


def coded(rate: int, source: str, to: str) -> None:
    """Encode a piece in blocks of 128, decode it, and write ``(samples, 2)`` float32 at 48 kHz."""
    import numpy as np
    import opuslib

    from rtcserver.capture.block import Block, StreamFormat
    from rtcserver.capture.mix import stereo_mix
    from rtcserver.config.model import InstrumentConfig
    from rtcserver.encode.encoding import own_encoding
    from rtcserver.encode.pipeline import EncodePipeline
    from rtcserver.encode.timeline import Epoch
    from rtcserver.instrument.encoders import Encoders

    config = InstrumentConfig()
    frame = config.frame_samples
    encoders = Encoders(own_encoding(config.bitrate_bps, frame))
    stream, mix = StreamFormat(rate, 2, 128, "int16"), stereo_mix("1,2", "", 2)
    pipeline = EncodePipeline(stream, mix, Epoch(1, 0, rate), encoders.runs)
    decoder, heard = opuslib.Decoder(48_000, 2), list[Any]()
    sound = np.load(source)
    for first in range(0, len(sound) - 127, 128):
        data = memoryview(sound[first : first + 128].tobytes())
        heard += [
            np.frombuffer(decoder.decode_float(packet.payload, frame), np.float32)
            for packet in pipeline.push(Block(data, 128, first, 0, 0))
        ]
    decoded = np.concatenate(heard).reshape(-1, 2)
    np.save(to, decoded)


def main() -> None:
    """The measurement that is asked for."""
    asked = json.loads(sys.argv[1])
    if "pieces" not in asked:
        print(json.dumps(asyncio.run(measure(asked))))
        return
    for source, to in asked["pieces"]:
        coded(asked["rate"], source, to)
    print("{}")


if __name__ == "__main__":
    main()
