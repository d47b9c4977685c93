"""How late the broadcast process alone sends, with listeners joining, leaving and asking for repeats.

A thread writes a packet to the feed every frame; listeners note when the kernel took each datagram
(SO_TIMESTAMPNS), which on loopback is when it departed. Lateness is departure less `captured_ns`. The whole
server's pacing, from the device on, is the ``pacing`` benchmark's.

- ``p50_ms``, ``p99_ms``, ``p999_ms``, ``max_ms``: of every datagram of the listeners that stay.
- ``timer_p99_ms``: how late the feed's own timer thread woke up, in the same run.
- ``late_over_10ms``, ``missing``: datagrams; ``joins``, ``nacks``: what went on meanwhile.
- ``scheduling``: what the process was allowed to ask for. ``cpu_pct``: of one core, the process.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import selectors
import socket
import struct
import threading
import time
from typing import Any

from benchmarks.rig.common import MachineCpu, emit, percentile, process_cpu_s
from benchmarks.rig.outcome import LONG_S, main_of
from rtcserver.broadcast.listener import ListenerSpec
from rtcserver.broadcast.srtp import SrtpProfile
from rtcserver.broadcast.supervisor import BroadcastSupervisor
from rtcserver.clock import monotonic_ns, samples_to_ns, wall_ns
from rtcserver.encode.packet import EncodedPacket
from rtcserver.transport.address import Address

SO_TIMESTAMPNS = 35
NEWCOMER = 10_000


def listener_spec(listener_id: int, address: tuple[str, int]) -> ListenerSpec:
    """A listener whose RTP timestamp is the media time."""
    return ListenerSpec(
        listener_id=listener_id,
        room="main",
        destination=Address(*address),
        profile=SrtpProfile.AEAD_AES_128_GCM,
        master=os.urandom(28),
        ssrc=listener_id,
        payload_type=111,
        first_sequence=0,
        timestamp_offset=0,
        cname="bench",
    )


class Source(threading.Thread):
    """Feeds a packet a frame at absolute times; notes when each was captured and how late the timer was."""

    def __init__(self, feed: socket.socket, frame: int, payload: int, count: int) -> None:
        super().__init__()
        self._feed, self._frame, self._payload, self._count = feed, frame, payload, count
        self.captured: dict[int, int] = {}
        self.late_ns: list[int] = []

    def run(self) -> None:
        sound = os.urandom(self._payload)
        start = monotonic_ns()
        for n in range(self._count):
            due = start + samples_to_ns(n * self._frame)
            time.sleep(max(0, due - monotonic_ns()) / 1e9)
            now = monotonic_ns()
            self.late_ns.append(now - due)
            self.captured[n * self._frame] = now
            self._feed.send(EncodedPacket(n * self._frame, self._frame, now, 1, sound).pack())


class Ears(threading.Thread):
    """Receives for all listeners that stay, and notes departure times by RTP timestamp."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.socks = []
        self.departures: list[tuple[int, int]] = []
        self.stopping = threading.Event()
        self._selector = selectors.DefaultSelector()
        for _ in range(count):
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.bind(("127.0.0.1", 0))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            sock.setblocking(False)
            self._selector.register(sock, selectors.EVENT_READ)
            self.socks.append(sock)

    def run(self) -> None:
        offset = wall_ns() - monotonic_ns()
        seen: set[tuple[int, int]] = set()
        while not self.stopping.is_set():
            for key, _ in self._selector.select(0.1):
                sock = key.fileobj
                assert isinstance(sock, socket.socket)
                try:
                    while True:
                        data, ancillary, _, _ = sock.recvmsg(2048, 64)
                        if 192 <= data[1] <= 223:
                            continue
                        media = int.from_bytes(data[4:8])
                        if (key.fd, media) in seen:
                            continue  # a repeat
                        seen.add((key.fd, media))
                        seconds, nanoseconds = struct.unpack("qq", ancillary[0][2])
                        self.departures.append((media, seconds * 1_000_000_000 + nanoseconds - offset))
                except BlockingIOError:
                    continue


async def measure(
    listeners: int, frame: int, payload: int, seconds: float, joins_per_second: float
) -> dict[str, Any]:
    """One run, as the module says."""
    media_sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    media_sock.bind(("127.0.0.1", 0))
    media_sock.setblocking(False)
    nowhere = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    nowhere.bind(("127.0.0.1", 0))
    writing, reading = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ears = Ears(listeners)
    broadcast = BroadcastSupervisor([media_sock])
    await broadcast.start()
    client = broadcast.client
    assert client is not None
    assert broadcast.pid is not None
    broadcast.add_feed("main", reading, frame, lambda: (0, monotonic_ns() + 3600 * 10**9))
    for n, sock in enumerate(ears.socks):
        client.add_listener(listener_spec(n, sock.getsockname()))
    await client.fetch_stats()
    source = Source(writing, frame, payload, int(seconds * 48_000 / frame))
    busy, cpu, began = MachineCpu.now(), process_cpu_s(broadcast.pid), monotonic_ns()
    ears.start()
    source.start()
    joins = nacks = 0
    while source.is_alive():
        newest = len(source.captured)
        if joins_per_second:
            client.add_listener(listener_spec(NEWCOMER + joins, nowhere.getsockname()))
            if joins >= 20:
                client.remove_listener(NEWCOMER + joins - 20)
            joins += 1
            client.nack(joins % listeners, range(max(0, newest - 5), newest))
            nacks += min(5, newest)
        await asyncio.sleep(1 / joins_per_second if joins_per_second else 0.1)
    elapsed = (monotonic_ns() - began) / 1e9
    cpu = process_cpu_s(broadcast.pid) - cpu
    report = await client.fetch_stats()
    await asyncio.sleep(0.3)
    ears.stopping.set()
    ears.join()
    await broadcast.close()
    for sock in (media_sock, nowhere, writing, reading, *ears.socks):
        sock.close()
    late = [(at - source.captured[media]) / 1e6 for media, at in ears.departures if media in source.captured]
    return {
        "listeners": listeners,
        "frame_ms": frame / 48,
        "seconds": round(elapsed, 1),
        "p50_ms": round(percentile(late, 50), 3),
        "p99_ms": round(percentile(late, 99), 3),
        "p999_ms": round(percentile(late, 99.9), 3),
        "max_ms": round(max(late), 3),
        "timer_p99_ms": round(percentile([ns / 1e6 for ns in source.late_ns], 99), 3),
        "late_over_10ms": sum(ms > 10 for ms in late),
        "missing": listeners * len(source.captured) - len(late),
        "joins": joins,
        "nacks": nacks,
        "retransmits": report.totals.retransmits,
        "scheduling": client.ready.scheduling,
        "cpu_pct": round(100 * cpu / elapsed, 1),
        "machine_busy_pct": busy.busy_pct(MachineCpu.now()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="how late the broadcast process sends")
    parser.add_argument("--listeners", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--joins-per-second", type=float, default=20)
    parser.add_argument("--frame-ms", type=float, choices=(2.5, 5, 10, 20), default=20)
    parser.add_argument("--payload", type=int, default=400)
    arguments = parser.parse_args()
    emit(
        asyncio.run(
            measure(
                arguments.listeners,
                int(arguments.frame_ms * 48),
                arguments.payload,
                arguments.seconds,
                arguments.joins_per_second,
            )
        )
    )


if __name__ == "__main__":
    raise SystemExit(main_of(main, LONG_S))
