"""A broadcast process of the test's own, and what is fed to it."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path
from typing import TypeVar

from rtcserver.broadcast import control, control_wire
from rtcserver.broadcast.control import Message
from rtcserver.clock import monotonic_ns
from rtcserver.encode.packet import EncodedPacket

M = TypeVar("M")
ROOT = Path(__file__).parents[2]
FRAME = 480


class Child:
    """A running broadcast process and the server's end of its control socket."""

    def __init__(self) -> None:
        self.sock, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "rtcserver.broadcast.process", str(theirs.fileno())],
            pass_fds=(theirs.fileno(),),
            cwd=ROOT,
            stderr=subprocess.PIPE,
        )
        theirs.close()
        self.sock.settimeout(20)
        self.token = 0
        assert isinstance(self.receive(), control.Ready)

    def receive(self) -> Message:
        return control_wire.unpack(self.sock.recv(control.MAX_MESSAGE))

    def receive_a(self, kind: type[M]) -> M:
        while True:
            message = self.receive()
            if isinstance(message, kind):
                return message

    def tell(self, message: Message, *sockets: socket.socket) -> None:
        socket.send_fds(self.sock, [control_wire.pack(message)], [sock.fileno() for sock in sockets])

    def report(self) -> control.BroadcastReport:
        """A report from after everything that it was told."""
        self.token += 1
        self.tell(control.StatsRequest(self.token))
        while (report := self.receive_a(control.BroadcastReport)).token != self.token:
            pass
        return report

    def end(self) -> int:
        self.sock.close()
        try:
            return self.process.wait(10)
        finally:
            self.process.kill()
            self.process.wait()
            assert self.process.stderr is not None
            with self.process.stderr as stream:
                self.errors = stream.read().decode()


def packet(n: int, age_ns: int = 0) -> EncodedPacket:
    return EncodedPacket(n * FRAME, FRAME, monotonic_ns() - age_ns, 1, n.to_bytes(4) + bytes(60))
