"""What does a packet of a telephone's codec cost: ours, NumPy's table look-up, and PyAV, side by side?

All in one thread, on 20 ms of noise at the codec's own rate: 160 samples of G.711, 320 of G.722. Every way takes turns with
the others, round by round, so that a busy machine is busy for all of them; each figure is the median of the rounds, in CPU
time of this thread.

- ``pcmu``, ``pcma``, ``g722``: for each way (``ours``, ``numpy``, ``pyav``; G.722 has no table, and ours is PyAV's)
  ``decode_us`` and ``encode_us`` of a packet, ``samples_per_s`` that decoding packet by packet makes of it, ``frame_us`` to
  put it into what is handed on (ours: `EncodedPacket`, PyAV: `av.AudioFrame`, NumPy: a view), and ``decode_frame_us``.
- ``rtp_us``: a listener's RTP packet from the one that was encoded: its own sequence number, timestamp, SSRC and payload
  type before the shared payload, by columns for ``queues`` listeners at a time, before encryption.
- ``room_us``: all that the instrument process does for one more codec and 20 ms, from the room's stereo at 48 kHz on:
  averaging, resampling, encoding. ``opus`` is the room's own codec at 160 kb/s, to compare with.
- ``relay_ms``: one packet to ``queues`` full queues that drop their oldest: ``ours`` (`Subscription`), and ``asyncio`` (a
  `Queue` of the same length, whose oldest is taken out first).
- ``allocations``: objects that exist afterwards for one packet of 20 ms to ``sharers`` listeners: ``shared``, as here,
  where it is encoded once; ``each``, where every listener has an encoder. ``fewer_pct``: how many fewer.
- ``decode_ratio_numpy``, ``encode_ratio_numpy``, ``decode_ratio_pyav``, ``encode_ratio_pyav``, ``decode_frame_ratio_pyav``
  (µ-law), ``relay_ratio_asyncio``: ours by theirs, in this run.
- ``published``: the figures of a published profile of a telephony stack in Python, on another machine: only their order of
  magnitude compares.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import socket
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from benchmarks.rig.common import MachineCpu, emit, say
from benchmarks.rig.outcome import main_of
from rtcserver.broadcast.address import route
from rtcserver.broadcast.arena import SlotBlock, SlotState
from rtcserver.broadcast.bench import BLOCK, Bench
from rtcserver.encode import g711, g722
from rtcserver.encode.codec import CODECS
from rtcserver.encode.g711 import Law
from rtcserver.encode.packet import EncodedPacket
from rtcserver.encode.subscription import Subscription
from rtcserver.transport.address import Address

PUBLISHED = {
    "decode_us": 8.67,
    "frame_us": 0.17,
    "decode_frame_us": 25.5,
    "relay_ms": 1.01,
    "samples_per_s": 18_800_000,
    "fewer_allocations_pct": 99.5,
}
LAWS: Mapping[str, Law] = {"pcmu": "mulaw", "pcma": "alaw"}
FRAME = 960
"""Samples at 48 kHz in 20 ms."""
QUEUES = 1000
QUEUE_LENGTH = 64
SHARERS = 200

Samples = npt.NDArray[np.int16]
Way = dict[str, Callable[[], object]]


def context(name: str, rate: int, mode: str) -> av.AudioCodecContext:
    """PyAV's en- or decoder of one channel."""
    made = av.CodecContext.create(name, mode)  # type: ignore[call-overload]
    assert isinstance(made, av.AudioCodecContext)
    made.sample_rate, made.layout, made.format = rate, "mono", "s16"
    return made


def noise(rate: int) -> Samples:
    """20 ms, 20 dB below full scale."""
    return (np.random.default_rng(1).normal(0, 3_000, rate // 50)).astype(np.int16)


def pyav_encoder(name: str, rate: int) -> Callable[[Samples], bytes]:
    """A packet from samples, with an encoder of its own."""
    encoder = context(name, rate, "w")

    def encode(samples: Samples) -> bytes:
        frame = av.AudioFrame.from_ndarray(samples[None], "s16", "mono")
        frame.sample_rate = rate
        return b"".join(map(bytes, encoder.encode(frame)))

    return encode


def pyav_decoder(name: str, rate: int) -> Callable[[bytes], av.AudioFrame]:
    """A frame from a packet, with a decoder of its own."""
    decoder = context(name, rate, "r")
    return lambda data: decoder.decode(av.Packet(data))[0]


def framed(samples: Samples, rate: int, at: int) -> av.AudioFrame:
    """What PyAV hands on."""
    frame = av.AudioFrame.from_ndarray(samples[None], "s16", "mono")
    frame.sample_rate, frame.pts = rate, at
    return frame


def law_ways(law: Law) -> dict[str, Way]:
    """What is timed for one law of G.711."""
    samples = noise(g711.RATE)
    packet = g711.encode(samples, law)
    # The tables that whoever writes this down in NumPy makes.
    levels = g711.decode(bytes(range(256)), law)
    codes = np.frombuffer(g711.encode(np.arange(-32_768, 32_768, dtype=np.int16), law), np.uint8)
    encode, decode = pyav_encoder(f"pcm_{law}", g711.RATE), pyav_decoder(f"pcm_{law}", g711.RATE)

    def looked_up() -> Samples:
        found: Samples = levels[np.frombuffer(packet, np.uint8)]
        return found

    return {
        "ours": {
            "decode": lambda: g711.decode(packet, law),
            "encode": lambda: g711.encode(samples, law),
            "frame": lambda: EncodedPacket(0, FRAME, 0, 0, packet),
            "decode_frame": lambda: EncodedPacket(0, FRAME, 0, 0, g711.decode(packet, law).tobytes()),
        },
        "numpy": {
            "decode": looked_up,
            "encode": lambda: codes[samples.astype(np.int32) + 32_768].tobytes(),
            "frame": lambda: samples.reshape(1, -1),
            "decode_frame": lambda: looked_up().reshape(1, -1),
        },
        "pyav": {
            "decode": lambda: decode(packet).to_ndarray(),
            "encode": lambda: encode(samples),
            "frame": lambda: framed(samples, g711.RATE, 0),
            "decode_frame": lambda: decode(packet),
        },
    }


def g722_ways() -> dict[str, Way]:
    """What is timed for G.722: FFmpeg's code in any case, so that only PyAV's way of calling it is left."""
    samples = noise(g722.SAMPLE_RATE)
    encode, decode = pyav_encoder("g722", g722.SAMPLE_RATE), pyav_decoder("g722", g722.SAMPLE_RATE)
    packet = encode(samples)
    return {
        "pyav": {
            "decode": lambda: decode(packet).to_ndarray(),
            "encode": lambda: encode(samples),
            "frame": lambda: framed(samples, g722.SAMPLE_RATE, 0),
            "decode_frame": lambda: decode(packet),
        }
    }


def room_ways() -> Way:
    """The whole way of a room's frame to a packet, by codec."""
    pcm = (np.random.default_rng(2).normal(0, 0.1, (FRAME, 2))).astype(np.float32).tobytes()
    encoders = {name: codec.encoder(FRAME, 160_000) for name, codec in CODECS.items()}
    deadline = time.monotonic() + 30
    while encoders["g722"].encode_bytes(pcm) == CODECS["g722"].silence(FRAME):
        # FFmpeg is still being loaded.
        if time.monotonic() > deadline:
            raise RuntimeError("G.722's encoder was not loaded within 30 s")
        time.sleep(0.01)
    return {
        name: (lambda encode=encoder.encode_bytes: encode(pcm))  # type: ignore[misc]
        for name, encoder in encoders.items()
    }


def relay_ways(queues: int) -> Way:
    """One packet to full queues."""
    packet = EncodedPacket(0, FRAME, 0, 0, bytes(160))
    ours = [Subscription[EncodedPacket](QUEUE_LENGTH) for _ in range(queues)]
    theirs: list[asyncio.Queue[EncodedPacket]] = [asyncio.Queue(QUEUE_LENGTH) for _ in range(queues)]
    for _ in range(QUEUE_LENGTH):
        for subscription in ours:
            subscription.offer(packet)
        for queue in theirs:
            queue.put_nowait(packet)

    def offer() -> None:
        for subscription in ours:
            subscription.offer(packet)

    def put() -> None:
        for queue in theirs:
            try:
                queue.put_nowait(packet)
            except asyncio.QueueFull:
                queue.get_nowait()
                queue.put_nowait(packet)

    return {"ours": offer, "asyncio": put}


def rtp_us(listeners: int, rounds: int, calls: int) -> float:
    """One listener's share of the RTP packets of as many as fit into a block."""
    count = min(listeners, BLOCK)
    block = SlotBlock(Bench())
    way = route(socket.AF_INET, Address("127.0.0.1", 9), None)
    for number in range(count):
        block.place(
            SlotState(
                context=None,
                tag=16,
                route=way,
                payload_type=0,
                ssrc=number,
                sequence=number,
                timestamp_offset=number,
            )
        )
    payload = np.frombuffer(bytes(160), np.uint8)
    return timed({"fill": lambda: block.fill(payload, 160)}, rounds, calls)["fill"] / count


def timed(ways: Mapping[str, Callable[[], object]], rounds: int, calls: int) -> dict[str, float]:
    """µs of one call, the median of the rounds, in which all ways take turns."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for call in ways.values():
        call()
    for _ in range(rounds):
        for name, call in ways.items():
            began = time.thread_time_ns()
            for _ in range(calls):
                call()
            found[name].append((time.thread_time_ns() - began) / calls / 1e3)
    return {name: statistics.median(values) for name, values in found.items()}


def codec_figures(
    ways: Mapping[str, Way], samples: int, rounds: int, calls: int
) -> dict[str, dict[str, float]]:
    """Of one codec, by way."""
    flat = {(way, what): call for way, calls_of in ways.items() for what, call in calls_of.items()}
    found = timed({f"{way} {what}": call for (way, what), call in flat.items()}, rounds, calls)
    return {
        way: {f"{what}_us": round(found[f"{way} {what}"], 3) for what in calls_of}
        | {"samples_per_s": round(samples / found[f"{way} decode"] * 1e6)}
        for way, calls_of in ways.items()
    }


def kept_objects(make: Callable[[], object], times: int) -> float:
    """Objects that exist for one call of `make` once its result is kept, on average."""
    kept: list[object] = [None] * times
    make()
    gc.collect()
    gc.disable()
    try:
        before = sys.getallocatedblocks()
        for number in range(times):
            kept[number] = make()
        return (sys.getallocatedblocks() - before) / times
    finally:
        gc.enable()


def allocations(sharers: int, times: int) -> dict[str, float]:
    """Objects for a packet to so many listeners."""
    samples = noise(g711.RATE)

    def encoded() -> EncodedPacket:
        return EncodedPacket(0, FRAME, 0, 0, g711.encode(samples, "mulaw"))

    shared = kept_objects(encoded, times * sharers)
    each = kept_objects(lambda: [encoded() for _ in range(sharers)], times)
    return {
        "shared": round(shared, 2),
        "each": round(each, 1),
        "fewer_pct": round(100 * (1 - shared / each), 2),
    }


def measure(rounds: int, calls: int, queues: int = QUEUES, sharers: int = SHARERS) -> dict[str, Any]:
    """All figures. rounds: turns of all ways. calls: in each turn."""
    laws = {name: codec_figures(law_ways(law), g711.RATE // 50, rounds, calls) for name, law in LAWS.items()}
    wide = codec_figures(g722_ways(), g722.SAMPLE_RATE // 50, rounds, calls)
    room = timed(room_ways(), rounds, max(1, calls // 10))
    relay = timed(relay_ways(queues), rounds, max(1, calls // 100))
    ours, numpy, pyav = (laws["pcmu"][way] for way in ("ours", "numpy", "pyav"))

    def ratio(key: str, other: Mapping[str, float]) -> float:
        return round(ours[key] / other[key], 3)

    return {
        **laws,
        "g722": wide,
        "room_us": {name: round(us, 1) for name, us in room.items()},
        "rtp_us": round(rtp_us(queues, rounds, max(1, calls // 10)), 4),
        "relay_ms": {name: round(us / 1000, 4) for name, us in relay.items()},
        "allocations": allocations(sharers, max(2, rounds)),
        "decode_ratio_numpy": ratio("decode_us", numpy),
        "encode_ratio_numpy": ratio("encode_us", numpy),
        "decode_ratio_pyav": ratio("decode_us", pyav),
        "encode_ratio_pyav": ratio("encode_us", pyav),
        "decode_frame_ratio_pyav": ratio("decode_frame_us", pyav),
        "relay_ratio_asyncio": round(relay["ours"] / relay["asyncio"], 3),
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=60, help="turns that each way gets (default 60)")
    parser.add_argument("--calls", type=int, default=500, help="calls in each turn (default 500)")
    args = parser.parse_args()
    if args.rounds < 1 or args.calls < 1:
        parser.error("--rounds and --calls are at least 1")
    busy = MachineCpu.now()
    figures = measure(args.rounds, args.calls)
    for name in ("pcmu", "pcma", "g722"):
        for way, values in figures[name].items():
            say(f"{name} {way:6} " + "  ".join(f"{key} {value:g}" for key, value in values.items()))
    for name in ("room_us", "relay_ms", "allocations"):
        say(f"{name} " + "  ".join(f"{key} {value:g}" for key, value in figures[name].items()))
    say(f"rtp_us {figures['rtp_us']:g}")
    say("published " + "  ".join(f"{key} {value:g}" for key, value in PUBLISHED.items()))
    emit(
        {
            "benchmark": "codecs",
            **figures,
            "published": PUBLISHED,
            "queues": QUEUES,
            "sharers": SHARERS,
            "machine_busy_pct": busy.busy_pct(MachineCpu.now()),
        }
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main_of(main))
