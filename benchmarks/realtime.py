"""Whether capture and encoding keep up with a real PortAudio device: rate, drift, xruns, callback, CPU.

A JACK dummy device with a tone on each of eight channels is captured through PortAudio by a supervised
instrument process, exactly as the server does it: once at 48 kHz in blocks of 512 frames, once at 44.1 kHz in
blocks of 128 (resampled). Per run, after two seconds of settling, over ``--seconds``:

- ``samplerate``, ``blocksize``: nominal; ``rate_hz``: frames a second that PortAudio delivered, by the
  monotonic clock; ``device_ppm``: how far that is from nominal (the device's own crystal, nothing of ours).
- ``block_rate_hz``: blocks a second that reached the encoder; ``nominal_block_rate_hz``.
- ``rate_error_pct``: media time encoded against media time delivered by PortAudio, in per cent. Frames that
  the device lost count as delivered, since the timeline goes on by them; see ``xruns`` and ``lost_frames``.
- ``drift_ms``: the same as a difference, end against start of the run (positive: encoding fell behind).
- ``content_drift_ms``: the packets are decoded, and the phases of both tones compared with the packets'
  timestamps, at the end and at the start: what a listener would notice, whatever our counters say. It means
  little when the device lost blocks in one of these two seconds.
- ``clock_drift_ms``: the device frames that were counted against the monotonic clock, the most punctual block of
  the last two seconds against that of the first two (positive: the count ran ahead). The dummy driver's crystal
  is the monotonic clock, so this is the count's own error.
- ``conditions``: ``clock`` is ok when ``clock_drift_ms``, ``content`` when ``content_drift_ms`` is at most ``allowed_ms``
  either way, one block of the device. ``ok`` at the end is all of them, of all runs. The tones follow JACK's frame
  time, which goes in whole periods: after many xruns they lag the clock by parts of a block that add up.
- ``packet_gaps``: packets that did not begin where the one before ended.
- ``queue_blocks``: blocks that waited for the encoder after its turn: mean of the first and the last third
  of the run (``start``, ``end``) and ``max``, of five reports a second.
- ``xruns``: overflow flags of the device and overruns of the ring. ``lost_frames``: as counted from them.
- ``callback_*_ms``: time spent in the PortAudio callback; ``interval_*_ms``: from one callback to the next;
  ``encode_*_ms``: mix, resample, encode and hand over, for each packet.
- ``cpu_pct``: of one core, the whole instrument process with PortAudio's and JACK's threads, from /proc.
- ``machine_busy_pct``: use of all cores meanwhile, by anybody.

With ``--before REVISION`` this build's instrument process is compared with an earlier build's instead, in turns,
``--rounds`` of ``--seconds`` each (`benchmarks.rig.instrument_cost`). ``compared`` has for ``portaudio`` (44.1 kHz in 128)
and ``fluidsynth`` the figures ``cpu_pct``, ``wakeups_per_s`` and ``packets_per_s``, the same with ``_before``,
``cpu_ratios`` of the rounds and their median ``cpu_ratio``. ``visqol`` in it has the sound of both, and
``visqol_least_gain``, the least difference of any of them.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.rig.common import MachineCpu, emit, process_cpu_s, say
from benchmarks.rig.outcome import LONG_S, main_of
from benchmarks.rig.phase import delay_s, tone_phase
from rtcserver.clock import MEDIA_RATE, NS
from rtcserver.config.model import InstrumentConfig
from rtcserver.encode.packet import MAX_RECORD, EncodedPacket
from rtcserver.instrument.supervisor import InstrumentSupervisor
from tests.rig.jack import JackServer, Tones

RUNS = ((48_000, 512), (44_100, 128))
INSTRUMENTS = ("portaudio", "fluidsynth")
"""What ``--before`` compares."""
SETTLE_S = 2.0
REPORTS_S = 5
"""The instrument process is asked for its state so many times a second."""
ENDS_S = 2.0
"""Length of the beginning and of the end of a run that are compared for drift."""
LEFT, RIGHT = 3, 4
"""The channels that are captured, by their printed numbers."""


class Feed:
    """Collects the packets of an instrument, on the event loop."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.packets: list[EncodedPacket] = []
        self.sounding = asyncio.Event()
        """Set by the first packet."""
        asyncio.get_running_loop().add_reader(sock.fileno(), self._read)

    def _read(self) -> None:
        try:
            while record := self._sock.recv(MAX_RECORD):
                self.packets.append(EncodedPacket.unpack(record))
                self.sounding.set()
        except BlockingIOError:
            return

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._sock.fileno())
        self._sock.close()


async def snapshot(instrument: InstrumentSupervisor, *, reset: bool = False) -> dict[str, Any]:
    """Timings of a moment with no block on its way: then delivered and encoded can be compared exactly.

    An encoder that never catches up is taken as it is; its queue then counts as drift.
    """
    taken = await instrument.timings()
    for _ in range(100):
        if taken["waiting_blocks"] == 0:
            break
        await asyncio.sleep(0.0003)
        taken = await instrument.timings()
    if reset:
        await instrument.timings(reset=True)
    return taken


async def measure(rate: int, blocksize: int, seconds: float) -> dict[str, Any]:
    """One run. The JACK server's variables must be in the environment."""
    config = InstrumentConfig(
        instrument="portaudio", device="MONTAGE", channels=f"{LEFT},{RIGHT}", blocksize=blocksize
    )
    instrument = InstrumentSupervisor("bench", config)
    feed = Feed(instrument.open_feed())
    try:
        await instrument.start()
        async with asyncio.timeout(20):
            await feed.sounding.wait()
        await asyncio.sleep(SETTLE_S)
        pid = instrument.pid
        if pid is None:
            raise RuntimeError("the instrument process ended")
        queue: list[int] = []
        instants: list[tuple[int, int]] = []
        counted: list[tuple[int, int]] = []
        machine, cpu = MachineCpu.now(), process_cpu_s(pid)
        start = await snapshot(instrument, reset=True)
        status = instrument.status
        first_packet = len(feed.packets)
        for _ in range(round(seconds * REPORTS_S)):
            await asyncio.sleep(1 / REPORTS_S)
            queue.append(instrument.status.behind_blocks)
            instants.append((instrument.status.at_ns, instrument.status.frames))
            counted.append((instrument.status.at_ns, instrument.status.media_time))
        end = await snapshot(instrument)
        cpu, busy = process_cpu_s(pid) - cpu, machine.busy_pct(MachineCpu.now())
        packets = feed.packets[first_packet:]
        final = instrument.status
        if instrument.restarts or final.epoch != status.epoch or final.rate != rate:
            raise RuntimeError(f"the run was not one: {instrument.restarts} restarts, {final}")
    finally:
        await instrument.close()
        feed.close()

    lost = end["lost_frames"] - start["lost_frames"]
    frames = end["delivered_frames"] - start["delivered_frames"]
    media_delivered = (frames + lost) * MEDIA_RATE / rate
    media_encoded = end["encoded_media"] - start["encoded_media"]
    measured_hz = slope(instants) * NS
    elapsed_s = (end["at_ns"] - start["at_ns"]) / NS
    thirds = max(1, len(queue) // 3)
    content_ms, clock_ms = content_drift_ms(packets), ahead_ms(counted, MEDIA_RATE)
    allowed_ms = 1000 * blocksize / rate
    return {
        "rate_hz": round(measured_hz, 3),
        "samplerate": rate,
        "blocksize": blocksize,
        "seconds": round(elapsed_s, 3),
        "block_rate_hz": round(measured_hz / blocksize, 5),
        "nominal_block_rate_hz": round(rate / blocksize, 5),
        "device_ppm": round((measured_hz / rate - 1) * 1e6, 1),
        "rate_error_pct": round(100 * (media_encoded / media_delivered - 1), 6),
        "drift_ms": round((media_delivered - media_encoded) * 1000 / MEDIA_RATE, 4),
        "content_drift_ms": round(content_ms, 4),
        "clock_drift_ms": round(clock_ms, 4),
        "conditions": {
            "clock": condition(clock_ms, allowed_ms),
            "content": condition(content_ms, allowed_ms),
        },
        "packets": len(packets),
        "packet_gaps": sum(
            after.media_time != before.media_time + before.duration for before, after in pairwise(packets)
        ),
        "queue_blocks": {
            "start": round(float(np.mean(queue[:thirds])), 2),
            "end": round(float(np.mean(queue[-thirds:])), 2),
            "max": max(queue),
        },
        "xruns": sum(end[kind] - start[kind] for kind in ("overflows", "overruns")),
        "lost_frames": lost,
        **{
            f"{kind}_{word}_ms": round(end[f"{kind}_ns"][word] / 1e6, 4)
            for kind in ("callback", "interval", "encode")
            for word in ("p50", "p99", "max")
        },
        "callbacks": end["callback_ns"]["count"],
        "cpu_pct": round(100 * cpu / elapsed_s, 2),
        "machine_busy_pct": busy,
    }


def slope(points: list[tuple[int, int]]) -> float:
    """Frames a ns: of the straight line through ``(ns, frames)`` points that is nearest to all of them."""
    x = np.array([at - points[0][0] for at, _ in points], np.float64)
    y = np.array([frames - points[0][1] for _, frames in points], np.float64)
    return float(np.polyfit(x, y, 1)[0])


def ahead_ms(points: list[tuple[int, int]], rate: int) -> float:
    """By how many ms frames of `rate` Hz ran ahead of the clock, of ``(ns, frames)`` points, from beginning to end.

    Of each end the earliest point for its frames is taken: reports are never early, only late.
    """
    start_ns, start_frames = points[0]
    late = [at - start_ns - (frames - start_frames) * NS / rate for at, frames in points]
    count = max(1, min(round(ENDS_S * REPORTS_S), len(late) // 2))
    return (min(late[:count]) - min(late[-count:])) / 1e6


def condition(drift_ms: float, allowed_ms: float) -> dict[str, Any]:
    """Whether a drift is within what is allowed either way."""
    return {
        "ok": abs(drift_ms) <= allowed_ms,
        "drift_ms": round(drift_ms, 4),
        "allowed_ms": round(allowed_ms, 4),
    }


def content_drift_ms(packets: list[EncodedPacket]) -> float:
    """By how much the tones of the last second lag their timestamps, compared with the first second."""
    tones = Tones.FIRST_HZ + Tones.STEP_HZ * (LEFT - 1), Tones.FIRST_HZ + Tones.STEP_HZ * (RIGHT - 1)
    count = MEDIA_RATE // packets[0].duration
    # The first packets wake the decoder up; they are decoded with the others, and not used.
    before, after = (
        [tone_phase(sound[:, side], first, hz) for side, hz in enumerate(tones)]
        for sound, first in (decode(packets[: count + 10]), decode(packets[-count - 10 :]))
    )
    return 1000 * delay_s(before, after, tones, longest_s=0.45)


def decode(packets: list[EncodedPacket]) -> tuple[npt.NDArray[np.float32], int]:
    """The last second of some packets as ``(48000, 2)`` float32, and the media time of its first sample."""
    import opuslib

    decoder = opuslib.Decoder(MEDIA_RATE, 2)
    parts = [
        np.frombuffer(decoder.decode_float(packet.payload, packet.duration), np.float32).reshape(-1, 2)
        for packet in packets
    ]
    sound = np.concatenate(parts)
    return sound[-MEDIA_RATE:], packets[0].media_time + len(sound) - MEDIA_RATE


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, help="length of each run (default 30; 5 with --before)")
    parser.add_argument("--before", help="an earlier build, as git names it, to be compared with")
    parser.add_argument("--rounds", type=int, default=5, help="with --before (default 5)")
    parser.add_argument("--instrument", choices=INSTRUMENTS, help="with --before: only this one")
    parser.add_argument("--no-visqol", action="store_true", help="with --before: CPU only")
    args = parser.parse_args()
    if args.seconds is None:
        args.seconds = 5.0 if args.before else 30.0
    if not 3 <= args.seconds <= 3600:
        parser.error("--seconds: allowed are 3 to 3600")
    if not 1 <= args.rounds <= 100:
        parser.error("--rounds: allowed are 1 to 100")
    if args.before:
        instruments = [args.instrument] if args.instrument else INSTRUMENTS
        machine = MachineCpu.now()
        # It needs what only benchmarks install.
        from benchmarks.rig.instrument_cost import compare

        found = compare(args.before, instruments, args.rounds, args.seconds, sound=not args.no_visqol)
        busy = machine.busy_pct(MachineCpu.now())
        emit({"benchmark": "realtime", "before": args.before, "compared": found, "machine_busy_pct": busy})
        return 0
    runs = []
    for rate, blocksize in RUNS:
        say(f"realtime: {rate} Hz, blocks of {blocksize}, {args.seconds:g} s …")
        with JackServer(rate=rate, blocksize=blocksize) as jack, Tones(jack):
            os.environ.update(jack.variables)
            run = asyncio.run(measure(rate, blocksize, args.seconds))
        runs.append(run)
        say(
            f"  {run['block_rate_hz']} blocks/s of {run['nominal_block_rate_hz']}; "
            f"drift {run['drift_ms']} ms, "
            f"of the sound {run['content_drift_ms']} ms, of the clock {run['clock_drift_ms']} ms; "
            f"{run['xruns']} xruns; p99 of the callback "
            f"{run['callback_p99_ms']} ms, of encoding {run['encode_p99_ms']} ms; "
            f"{run['cpu_pct']} % of a core (machine {run['machine_busy_pct']} % busy)"
        )
    ok = all(each["ok"] for run in runs for each in run["conditions"].values())
    emit({"benchmark": "realtime", "ok": ok, "runs": runs})
    return 0


if __name__ == "__main__":
    raise SystemExit(main_of(main, LONG_S))
