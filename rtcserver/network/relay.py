"""The relay's process: a bad network in user space, between clients and one upstream address, over UDP.

``python -m rtcserver.network.relay SETTINGS`` (JSON: host, port, seed, spare) is told and asked one JSON object a line
on its standard input, answers each with one on its standard output, and ends with its input. `rtcserver.network.control`
is the other end. Each client address gets an upstream socket of its own, so the server tells clients apart as it would
without the relay. It is a process of its own, so that neither its clients nor the server delay it.
"""

from __future__ import annotations

import heapq
import itertools
import json
import select
import socket
import sys
from dataclasses import asdict, dataclass
from typing import IO, Any

from rtcserver.clock import NS, monotonic_ns
from rtcserver.network.impair import CLEAN, Counters, Impairment, Path

Address = tuple[Any, ...]
MAX_WAITING = 200_000
MAX_CLIENTS = 4096
_BATCH = 64
_SO_RCVBUFFORCE = 33


@dataclass(slots=True)
class _Client:
    address: Address
    socket: socket.socket
    up: Path
    down: Path
    up_number: int = 0
    down_number: int = 0


class _Relay:
    """The process's loop. Every wait ends at the next delivery, to the microsecond.

    Of clients beyond `MAX_CLIENTS` nothing is forwarded; datagrams beyond `MAX_WAITING` count as ``queue_full``.
    """

    def __init__(self, host: str, port: int, seed: int, spare: list[str]) -> None:
        self.listen = _udp(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.listen.bind((host, port))
        self.seed, self.spare = seed, frozenset(spare)
        self.impairments = {"up": CLEAN, "down": CLEAN}
        self.upstream: Address | None = None
        self.clients: dict[Address, _Client] = {}
        self.by_fd: dict[int, _Client] = {}
        self.poller = select.epoll()
        self.poller.register(self.listen, select.EPOLLIN)
        self.waiting: list[tuple[int, int, bool, _Client, bytes]] = []
        self.order = itertools.count()

    def run(self, commands: IO[bytes], answers: IO[bytes]) -> None:
        """Until the commands end."""
        while True:
            self.deliver(monotonic_ns())
            # epoll itself rounds up to whole milliseconds; select on its descriptor does not.
            wait = max(0.0, (self.waiting[0][0] - monotonic_ns()) / NS) if self.waiting else None
            ready, _, _ = select.select([self.poller.fileno(), commands.fileno()], [], [], wait)
            if self.poller.fileno() in ready:
                for fd, _ in self.poller.poll(0):
                    self.receive(fd)
            if commands.fileno() in ready:
                line = commands.readline()
                if not line:
                    return
                answers.write(json.dumps(self.obey(json.loads(line))).encode() + b"\n")
                answers.flush()

    def receive(self, fd: int) -> None:
        down = self.by_fd.get(fd)
        for _ in range(_BATCH):
            try:
                data, source = (down.socket if down else self.listen).recvfrom(65_535)
            except BlockingIOError:
                return
            except ConnectionError:
                continue  # an ICMP error for an earlier datagram: the network's, not ours
            now = monotonic_ns()
            client = down or self.client(source)
            if client is not None:
                self.plan(client, down is not None, data, now)

    def client(self, source: Address) -> _Client | None:
        client = self.clients.get(source)
        if client is None and self.upstream is not None and len(self.clients) < MAX_CLIENTS:
            upstream = self.towards(self.upstream)
            name = f"{self.seed}/{len(self.clients)}"
            up, down = (Path(self.impairments[way], f"{name}/{way}") for way in ("up", "down"))
            client = self.clients[source] = self.by_fd[upstream.fileno()] = _Client(
                source, upstream, up, down
            )
        return client

    def towards(self, upstream: Address) -> socket.socket:
        made = _udp(socket.AF_INET6 if ":" in upstream[0] else socket.AF_INET)
        made.connect(upstream)
        self.poller.register(made, select.EPOLLIN)
        return made

    def rebind(self) -> None:
        for client in self.clients.values():
            former = client.socket
            client.socket = self.towards(former.getpeername())
            self.by_fd[client.socket.fileno()] = client
            self.poller.unregister(former)
            del self.by_fd[former.fileno()]
            former.close()

    def plan(self, client: _Client, is_down: bool, data: bytes, now: int) -> None:
        path = client.down if is_down else client.up
        if kind_of(data) in self.spare:
            times = path.spare(now)
        elif is_down:
            times = path.decide(client.down_number, now, len(data))
            client.down_number += 1
        else:
            times = path.decide(client.up_number, now, len(data))
            client.up_number += 1
        for due in times:
            if len(self.waiting) >= MAX_WAITING:
                path.counters.queue_full += 1
            else:
                heapq.heappush(self.waiting, (due, next(self.order), is_down, client, data))

    def deliver(self, now: int) -> None:
        while self.waiting and self.waiting[0][0] <= now:
            due, _, is_down, client, data = heapq.heappop(self.waiting)
            count = (client.down if is_down else client.up).counters
            try:
                if is_down:
                    self.listen.sendto(data, client.address)
                else:
                    client.socket.send(data)
            except OSError:
                count.queue_full += 1
                continue
            count.delivered += 1
            now = monotonic_ns()
            late_us = (now - due) // 1000
            count.late_max_us = max(count.late_max_us, late_us)
            count.late_over_1ms += late_us > 1000

    def obey(self, command: dict[str, Any]) -> dict[str, Any]:
        if "upstream" in command:
            self.upstream = tuple(command["upstream"])
        for way, values in command.get("impair", {}).items():
            self.impairments[way] = Impairment(**values)
            for client in self.clients.values():
                (client.up if way == "up" else client.down).impairment = self.impairments[way]
        if command.get("rebind"):
            self.rebind()
        answer: dict[str, Any] = {"address": self.listen.getsockname(), "clients": len(self.clients)}
        if command.get("counters"):
            up, down = Counters(), Counters()
            for client in self.clients.values():
                up.add(client.up.counters)
                down.add(client.down.counters)
            answer |= {"up": asdict(up), "down": asdict(down)}
        return answer


def kind_of(data: bytes) -> str:
    """``stun``, ``dtls``, ``rtp``, ``rtcp`` or ``other`` (RFC 7983, section 7; RFC 5761, section 4)."""
    first = data[0] if data else 255
    if first < 4:
        return "stun"
    if 20 <= first < 64:
        return "dtls"
    if 128 <= first < 192:
        return "rtcp" if len(data) > 1 and 192 <= data[1] < 224 else "rtp"
    return "other"


def _udp(family: socket.AddressFamily) -> socket.socket:
    made = socket.socket(family, socket.SOCK_DGRAM)
    made.setblocking(False)
    try:
        made.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 4 << 20)
    except PermissionError:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    return made


if __name__ == "__main__":
    with open(0, "rb", buffering=0) as commands, open(1, "wb") as answers:  # descriptors, not paths
        _Relay(**json.loads(sys.argv[1])).run(commands, answers)
