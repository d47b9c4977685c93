"""A bad network in user space: a UDP relay between clients and one upstream address.

The server is told to advertise the relay (``public_host``, ``public_media_port``). Each client address
gets an upstream socket of its own, so the server tells clients apart as it would without the relay.
It runs in a process of its own, so that neither the tests nor the server delay it.
"""

from __future__ import annotations

import heapq
import itertools
import json
import re
import select
import socket
import subprocess
import sys
import time
from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import IO, Any

from tests.rig.impair import CLEAN, Counters, Impairment, Path
from tests.rig.process import REPOSITORY, RigError, RigProcess

Address = tuple[Any, ...]
MAX_WAITING = 200_000
MAX_CLIENTS = 4096
_BATCH = 64
_SO_RCVBUFFORCE = 33


class UdpRelay(RigProcess):
    """``with UdpRelay(("127.0.0.1", port), down=Impairment(loss=0.05), seed=1) as relay: relay.address``.

    upstream: where clients' datagrams go (the server); may be set later by `route`. up: towards it, down:
    from it to the clients. spare: kinds (of "stun", "dtls", "rtp", "rtcp") that no accident befalls, only
    the delay, so that joins do not depend on luck, and the numbers that the seed goes by count RTP.
    """

    def __init__(
        self,
        upstream: tuple[str, int] | None = None,
        *,
        up: Impairment = CLEAN,
        down: Impairment = CLEAN,
        seed: int = 1,
        host: str = "127.0.0.1",
        port: int = 0,
        spare: Collection[str] = ("stun", "dtls", "rtcp"),
    ) -> None:
        super().__init__("relay")
        self._settings = {"host": host, "port": port, "seed": seed, "spare": list(spare)}
        self._upstream, self._up, self._down = upstream, up, down
        self.address: tuple[str, int] = (host, port)

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.rig.relay", json.dumps(self._settings)]
        self._spawn(
            command, env={}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=REPOSITORY, hardware=True
        )
        host, port = self._ask({})["address"][:2]
        self.address = (host, port)
        self.impair(up=self._up, down=self._down)
        if self._upstream is not None:
            self.route(self._upstream)

    def route(self, upstream: tuple[str, int]) -> None:
        """Send new clients' datagrams to this address; those who are known keep theirs."""
        self._ask({"upstream": upstream})

    def offer(self, sdp: str) -> str:
        """An offer whose candidates lead nowhere, so that no server finds a way around the relay."""
        return re.sub(r"(?m)^(a=candidate:\S+ \d+ udp \d+) \S+ \d+", r"\1 127.0.0.1 9", sdp)

    def answer(self, sdp: str) -> str:
        """An answer with the relay as its only candidate; the relay is routed to the server's first one.

        For a server that does not know the relay. Raises `RigError` if no candidate is an IPv4 address.
        """
        found = re.search(r"(?m)^a=candidate:\S+ 1 udp \d+ (\d+\.\d+\.\d+\.\d+) (\d+) typ host", sdp)
        if found is None:
            raise RigError(f"no IPv4 host candidate in the answer:\n{sdp}")
        self.route((found[1], int(found[2])))
        host, port = self.address
        line = found[0].replace(f" {found[1]} {found[2]} ", f" {host} {port} ")
        lines = [line if text == found[0] else text for text in sdp.splitlines()]
        kept = [text for text in lines if text == line or not text.startswith("a=candidate:")]
        return "\r\n".join(kept) + "\r\n"

    def rebind(self) -> None:
        """Give every client another source port towards the server, as a NAT does that lost its table."""
        self._ask({"rebind": True})

    def impair(self, *, up: Impairment | None = None, down: Impairment | None = None) -> None:
        """Change a direction for all clients at once. Numbers go on, so the rest stays reproducible."""
        paths = {"up": up, "down": down}
        self._ask({"impair": {name: path.to_json() for name, path in paths.items() if path is not None}})

    def counters(self) -> tuple[Counters, Counters]:
        """Totals over all clients: (up, down). ``late_…`` is what the relay itself added to the plan."""
        answer = self._ask({"counters": True})
        return Counters(**answer["up"]), Counters(**answer["down"])

    def clients(self) -> int:
        """How many client addresses it has seen."""
        return int(self._ask({})["clients"])

    def _ask(self, command: dict[str, Any]) -> dict[str, Any]:
        child = self._child
        if child is None or child.stdin is None or child.stdout is None:
            raise RigError("the relay is not started")
        try:
            child.stdin.write(json.dumps(command).encode() + b"\n")
            child.stdin.flush()
            answer: dict[str, Any] = json.loads(child.stdout.readline())
        except (OSError, ValueError) as error:
            raise RigError(f"the relay does not answer ({error}):\n{self.log()}") from error
        return answer


@dataclass(slots=True)
class _Client:
    address: Address
    socket: socket.socket
    up: Path
    down: Path
    up_number: int = 0
    down_number: int = 0


class _Relay:
    """The process's loop. Every wait ends at the next delivery, to the microsecond."""

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
            self.deliver(time.monotonic_ns())
            # epoll itself rounds up to whole milliseconds; select on its descriptor does not.
            wait = max(0.0, (self.waiting[0][0] - time.monotonic_ns()) / 1e9) if self.waiting else None
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
            now = time.monotonic_ns()
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
            path.counters.spared += 1
            times = [now + round(path.impairment.delay_ms * 1e6)]
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
            now = time.monotonic_ns()
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
