"""The kernel's own price: bare ``sendmmsg`` of the datagrams that the server sends, to the same sockets.

A process of its own, on the server's core. It joins as one more listener, and each packet that reaches it says
that the server has just served everybody: half a frame later, when the server sleeps, it sends the captured
datagrams of all listeners once, from an unconnected socket with a send buffer like the server's. So the two take
turns within each frame, with the same bytes, the same destinations and the same receivers draining them. Its
price is the CPU time of its thread around that one call, which being preempted does not touch.
Receivers tell the copies by their source port and drop them.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import multiprocessing
import os
import socket
import time
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from rtcserver.broadcast.address import route
from rtcserver.broadcast.batch import IOVEC, MMSGHDR
from rtcserver.load.dtls import ClientContext
from rtcserver.load.peer import LoadPeer
from rtcserver.load.signaling import make
from rtcserver.transport.address import Address

CHECK_S = 2.0
SEND_BUFFER = 4 * 1024 * 1024
_SO_SNDBUFFORCE = 32


class Burst:
    """The datagrams of all listeners, ready for one ``sendmmsg`` after another."""

    def __init__(self, datagrams: list[tuple[tuple[str, int], bytes]]) -> None:
        self.count = len(datagrams)
        self._sendmmsg: Any = ctypes.CDLL(None, use_errno=True).sendmmsg
        self._sendmmsg.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)
        stride = max(len(packet) for _, packet in datagrams) + 63 & ~63
        self._rows = np.zeros((self.count, stride), np.uint8)
        self._names = np.zeros((self.count, 16), np.uint8)
        self._iovecs = np.zeros(self.count, IOVEC)
        self._headers = np.zeros(self.count, MMSGHDR)
        for slot, ((host, port), packet) in enumerate(datagrams):
            self._rows[slot, : len(packet)] = np.frombuffer(packet, np.uint8)
            name = route(socket.AF_INET, Address(host, port), None).name
            self._names[slot] = np.frombuffer(name, np.uint8)
            self._iovecs[slot] = (self._rows.ctypes.data + slot * stride, len(packet))
        slots = np.arange(self.count, dtype=np.uint64)
        self._headers["name"] = self._names.ctypes.data + slots * np.uint64(16)
        self._headers["namelen"] = 16
        self._headers["iov"] = self._iovecs.ctypes.data + slots * np.uint64(IOVEC.itemsize)
        self._headers["iovlen"] = 1

    def send(self, sock: socket.socket) -> int:
        """Send them all; returns how many the kernel took."""
        sent, fd, base = 0, sock.fileno(), self._headers.ctypes.data
        while sent < self.count:
            taken = self._sendmmsg(fd, base + sent * 64, min(1024, self.count - sent), socket.MSG_DONTWAIT)
            if taken <= 0:
                break
            sent += taken
        return sent


class Floor:
    """The process. Use as a context manager."""

    def __init__(self, signaling: str, url: str, frame_s: float, cpu: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(
            target=_main, args=(signaling, url, frame_s, cpu, theirs), daemon=True
        )
        self._process.start()
        theirs.close()

    def __enter__(self) -> Floor:
        self._connection.recv()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._connection.send(None)
        self._process.join(5)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._connection.close()

    def begin(self, datagrams: list[tuple[tuple[str, int], bytes]]) -> None:
        """Take these datagrams and begin to send them once a frame."""
        self._connection.send(datagrams)
        self._connection.recv()

    def end(self) -> tuple[int, float]:
        """Stop sending: packets sent since `begin`, and their CPU seconds, user and system."""
        self._connection.send([])
        sent, seconds = self._connection.recv()
        return sent, seconds


def _main(signaling: str, url: str, frame_s: float, cpu: int, connection: Connection) -> None:
    if cpu in os.sched_getaffinity(0):
        os.sched_setaffinity(0, {cpu})
    asyncio.run(_serve(signaling, url, frame_s, connection))


async def _serve(signaling_name: str, url: str, frame_s: float, connection: Connection) -> None:
    signaling = make(signaling_name, url)
    probe = LoadPeer(ClientContext())
    await probe.join(signaling)
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.setblocking(False)
    try:
        sender.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, SEND_BUFFER)
    except OSError:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    connection.send("ready")
    _send_until_told(probe, sender, frame_s, connection)
    sender.close()
    await probe.leave()
    await signaling.shut_down()


def _send_until_told(probe: LoadPeer, sender: socket.socket, frame_s: float, connection: Connection) -> None:
    burst: Burst | None = None
    sent, spent_ns, checked = 0, 0, 0.0
    assert probe.sock is not None
    probe.sock.settimeout(frame_s * 5)
    while True:
        if connection.poll():
            try:
                datagrams = connection.recv()
            except EOFError:
                return
            if datagrams is None:
                return
            if datagrams:
                burst = Burst(datagrams)
                connection.send("begun")
            else:
                burst = None
                connection.send((sent, spent_ns / 1e9))
            sent, spent_ns = 0, 0
        now = time.monotonic()
        if now - checked > CHECK_S:
            checked = now
            probe.check()
        # What has piled up is no beginning of a frame.
        probe.sock.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                probe.sock.recv(2048)
        probe.sock.settimeout(frame_s * 5)
        try:
            if probe.sock.recv(2048)[0] & 0xC0 != 0x80:
                continue
        except TimeoutError:
            continue
        if burst is not None:
            time.sleep(frame_s / 2)
            began = time.thread_time_ns()
            sent += burst.send(sender)
            spent_ns += time.thread_time_ns() - began
