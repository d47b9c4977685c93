"""CPU per delivered packet of the broadcast engine alone, against bare sendmmsg calls, in one process.

In turns, frame by frame, the engine sends a packet to all listeners, and a bare ``sendmmsg`` loop sends
datagrams of the same length to the same sockets, 1024 a call. Another process drains them. CPU is this
thread's own, user and system; the real-time figures of the whole server are other benchmarks'.

- ``ours_us``, ``floor_us``: µs per datagram, mean over the run. ``ratio_floor``: their ratio.
- ``python_us``: the difference.
- ``ours_median_us``, ``floor_median_us``: of the frames' figures; less moved by a busy neighbour.
- ``add_us``: CPU per listener added. ``rss_kb_per_listener``: growth of this process, history included.
- ``dropped``, ``send_errors``: what the engine counted; both must be 0 for the figures to mean anything.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import os
import resource
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.rig.common import MachineCpu, emit, say
from benchmarks.rig.outcome import LONG_S, main_of
from rtcserver.broadcast.address import route
from rtcserver.broadcast.batch import IOVEC, MMSGHDR
from rtcserver.broadcast.engine import BroadcastEngine
from rtcserver.broadcast.listener import ListenerSpec
from rtcserver.broadcast.srtp import SrtpProfile
from rtcserver.clock import monotonic_ns, samples_to_ns
from rtcserver.encode.packet import EncodedPacket
from rtcserver.transport.address import Address

DRAIN = """
import resource, select, socket, sys
count = int(sys.argv[1])
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (min(count + 64, hard), hard))
poll, socks = select.epoll(), {}
for _ in range(count):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    sock.setblocking(False)
    socks[sock.fileno()] = sock
    poll.register(sock.fileno(), select.EPOLLIN)
print(*(sock.getsockname()[1] for sock in socks.values()), flush=True)
buffer = bytearray(2048)
while True:
    for fd, _ in poll.poll(-1, 1024):
        try:
            while True:
                socks[fd].recv_into(buffer)
        except BlockingIOError:
            pass
"""


class Floor:
    """Bare sendmmsg calls: as many datagrams of `size` bytes as there are ports, prepared once."""

    def __init__(self, sock: socket.socket, ports: list[int], size: int) -> None:
        self._fd = sock.fileno()
        self._count = len(ports)
        self._rows = np.random.default_rng(1).integers(0, 256, (len(ports), size), np.uint8)
        self._names = np.frombuffer(
            b"".join(route(sock.family, Address("127.0.0.1", port), None).name for port in ports), np.uint8
        ).copy()
        slots = np.arange(len(ports), dtype=np.uint64)
        self._iovecs = np.zeros(len(ports), IOVEC)
        self._iovecs["base"] = self._rows.ctypes.data + slots * np.uint64(size)
        self._iovecs["length"] = size
        self._headers = np.zeros(len(ports), MMSGHDR)
        self._headers["name"] = self._names.ctypes.data + slots * np.uint64(16)
        self._headers["namelen"] = 16
        self._headers["iov"] = self._iovecs.ctypes.data + slots * np.uint64(IOVEC.itemsize)
        self._headers["iovlen"] = 1
        self._call = ctypes.CDLL(None, use_errno=True).sendmmsg
        self._call.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)

    def send(self) -> None:
        position, base = 0, self._headers.ctypes.data
        while position < self._count:
            sent = self._call(self._fd, base + position * 64, min(1024, self._count - position), 0)
            if sent <= 0:
                raise OSError(ctypes.get_errno(), "sendmmsg")
            position += sent


def resident_kb() -> int:
    """Resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() // 1024


def measure(
    listeners: int, profile: SrtpProfile, frame: int, payload: int, seconds: float, drains: int
) -> dict[str, Any]:
    """One run, as the module says."""
    shares = [listeners // drains + (n < listeners % drains) for n in range(drains)]
    processes = [
        subprocess.Popen([sys.executable, "-c", DRAIN, str(share)], stdout=subprocess.PIPE, text=True)
        for share in shares
    ]
    try:
        ports: list[int] = []
        for process in processes:
            assert process.stdout is not None
            ports += map(int, process.stdout.readline().split())
        return alternate(ports, profile, frame, payload, seconds)
    finally:
        for process in processes:
            process.kill()
            process.wait()


def alternate(
    ports: list[int], profile: SrtpProfile, frame: int, payload: int, seconds: float
) -> dict[str, Any]:
    count = len(ports)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        engine, floor = BroadcastEngine([sock]), Floor(sock, ports, 12 + payload + profile.tag_length)
        before_kb, before_ns = resident_kb(), time.thread_time_ns()
        for n, port in enumerate(ports):
            engine.add(
                ListenerSpec(
                    listener_id=n,
                    room="main",
                    destination=Address("127.0.0.1", port),
                    profile=profile,
                    master=os.urandom(profile.key_length),
                    ssrc=n,
                    payload_type=111,
                    first_sequence=n % 32_768,
                    timestamp_offset=n,
                    cname="bench",
                )
            )
        add_us = (time.thread_time_ns() - before_ns) / count / 1e3
        sound = os.urandom(payload)
        step_ns = samples_to_ns(frame)
        gc.collect()
        gc.freeze()
        gc.disable()
        ours: list[float] = []
        bare: list[float] = []
        media = 0

        def send_ours() -> None:
            engine.send("main", EncodedPacket(media, frame, monotonic_ns(), 1, sound))

        def timed(send: Callable[[], None], into: list[float]) -> None:
            began = time.thread_time_ns()
            send()
            into.append((time.thread_time_ns() - began) / count / 1e3)

        busy = MachineCpu.now()
        start = due = monotonic_ns()
        while due - start < seconds * 1e9:
            # Half a frame apart: both find caches that other work has used in the meantime.
            for send, into in ((send_ours, ours), (floor.send, bare)):
                due += step_ns // 2
                timed(send, into)
                time.sleep(max(0, due - monotonic_ns()) / 1e9)
                # A machine that is too slow for the pace is measured back to back.
                due = max(due, monotonic_ns() - step_ns)
            media += frame
        totals = engine.totals()
        # The first second fills the history and the caches.
        skip = min(len(ours) // 2, int(1e9 // step_ns))
        ours, bare = ours[skip:], bare[skip:]
        return {
            "listeners": count,
            "profile": profile.value,
            "frame_ms": frame / 48,
            "payload": payload,
            "frames": len(ours),
            "ours_us": round(statistics.fmean(ours), 3),
            "floor_us": round(statistics.fmean(bare), 3),
            "ratio_floor": round(statistics.fmean(ours) / statistics.fmean(bare), 3),
            "python_us": round(statistics.fmean(ours) - statistics.fmean(bare), 3),
            "ours_median_us": round(statistics.median(ours), 3),
            "floor_median_us": round(statistics.median(bare), 3),
            "add_us": round(add_us, 1),
            "rss_kb_per_listener": round((resident_kb() - before_kb) / count, 1),
            "dropped": totals.dropped,
            "send_errors": totals.errors + totals.protect_failures,
            "machine_busy_pct": busy.busy_pct(MachineCpu.now()),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description="CPU per packet of the broadcast engine")
    parser.add_argument("--listeners", type=int, nargs="+", default=[500, 2000])
    parser.add_argument(
        "--profile", choices=[profile.name for profile in SrtpProfile], default="AEAD_AES_128_GCM"
    )
    parser.add_argument("--frame-ms", type=float, choices=(2.5, 5, 10, 20), default=20)
    parser.add_argument("--payload", type=int, default=400, help="bytes; 400 is 160 kb/s in 20 ms frames")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--drains", type=int, default=1, help="receiving processes")
    arguments = parser.parse_args()
    runs = []
    for listeners in arguments.listeners:
        say(f"{listeners} listeners, {arguments.seconds:g} s")
        runs.append(
            measure(
                listeners,
                SrtpProfile[arguments.profile],
                int(arguments.frame_ms * 48),
                arguments.payload,
                arguments.seconds,
                arguments.drains,
            )
        )
    emit({"runs": runs})


if __name__ == "__main__":
    raise SystemExit(main_of(main, LONG_S))
