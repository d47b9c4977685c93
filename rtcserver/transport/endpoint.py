"""The media endpoint: all peers of a server process on one UDP port, and on TCP where no UDP gets through.

It owns the sockets, the ICE registry, the certificate and one timer, and routes each datagram, and each packet of a TCP
stream (`rtcserver.transport.streams`) likewise::

    socket ─ empty, oversized: dropped ─► first byte ─┬─ STUN ► registry ► reply, binding, selection
                                                      ├─ DTLS, RTCP ► the peer that bound the path
                                                      └─ RTP, anything else, strangers: dropped

Before any work is done, the peer's budget says whether it may be (`rtcserver.transport.budget`); from a source that goes
far beyond it, nothing is read for a while (`rtcserver.transport.gate`).

Everything runs on one event loop and nothing waits: there are no tasks, and `close` returns at once.
Whatever goes wrong while a peer's datagram is handled ends that peer only. `counters` tells
what was dropped and why.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import socket
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from rtcserver.clock import NS, monotonic_ns, next_beat
from rtcserver.transport.address import Path
from rtcserver.transport.aiortc_internals import SharedCertificate
from rtcserver.transport.candidates import (
    Arrival,
    HostCandidate,
    InterfaceAddress,
    Reach,
    by_tcp,
    choose,
    machine_addresses,
)
from rtcserver.transport.check_socket import open_check_socket
from rtcserver.transport.demux import DatagramKind, classify
from rtcserver.transport.drops import DropLog
from rtcserver.transport.dtls import SctpParameters
from rtcserver.transport.gate import Gate
from rtcserver.transport.handover import OVERFLOW_NS, RESTART_NS, AnsweredChecks, CheckHandover
from rtcserver.transport.ice import IceRegistry
from rtcserver.transport.ice_agent import IceAgent
from rtcserver.transport.peer import PeerListener, TransportPeer
from rtcserver.transport.resolver import Resolver
from rtcserver.transport.streams import Standing, StreamDoor, StreamPort
from rtcserver.transport.tcp import open_listening
from rtcserver.transport.udp import UdpPort, open_sockets

TICK_S = 0.25
ROUND_TICKS = 4
"""Ticks in which each connected peer has its turn once; half-open ones have it in every tick."""
HALF_OPEN_NS = 15_000_000_000
"""A peer that is not connected this long after its creation is closed."""
VANISHED_NS = 30_000_000_000
"""A peer from which nothing authentic has come for so long is closed: no check, no SRTCP, no DTLS. RFC 7675, section 5.1
lets consent expire after 30 s. Browsers check every 2.5 s; libnice (GStreamer) sends no check after the start, but SRTCP."""
MAX_BEHIND_NS = 30_000_000_000
"""How much longer than that a peer may stay while the port cannot be read as fast as it fills."""
STRANGERS_PER_TICK = 250
"""Datagrams from a source that nobody knows, in a tick, beyond which it is not read for a while."""
_MAX_STRANGERS = 1024
_MACHINE_NS = 3_000_000_000
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EndpointConfig:
    """How the port is opened, advertised and protected.

    host: bind to this address only; "" is all. port: UDP; 0 takes a free one.
    public_hosts (`public_host`, split), public_media_port: see `candidates`. bridges: offer container bridges'
    addresses too. tcp: whether media may come by TCP, and tcp_port: where; 0 takes the number of the UDP port.
    public_tcp_port: what is offered instead; 0 is `public_media_port`, or else the same.
    """

    host: str = ""
    port: int = 0
    public_hosts: tuple[str, ...] = ()
    public_media_port: int = 0
    bridges: bool = False
    tcp: bool = False
    tcp_port: int = 0
    public_tcp_port: int = 0
    half_open_ns: int = HALF_OPEN_NS
    vanished_ns: int = VANISHED_NS


class MediaEndpoint:
    """The one port. Use: `start`, `create_peer` for each offer, `close`.

    It counts the half-open peers, those under way to being connected; its user bounds them.
    """

    def __init__(self, config: EndpointConfig, door: StreamDoor | None = None) -> None:
        """door: says how many TCP connections there may be."""
        self.config = config
        self.counters: Counter[str] = Counter()
        self.registry = IceRegistry(self.counters)
        self.certificate = SharedCertificate.generateCertificate()
        self.fingerprint: str = self.certificate.sha256_fingerprint()
        self.peers: set[TransportPeer] = set()
        self._half_open: set[TransportPeer] = set()
        self._half_open_from: Counter[str] = Counter()
        self._resolver = Resolver()
        self._public = Resolver()
        """Of its own: the names that clients send push none of `public_host` out of the cache."""
        self._rota: list[list[TransportPeer]] = []
        self._timer: asyncio.TimerHandle | None = None
        self.streams = StreamPort(self, self.counters, door)
        self.tcp_port = 0
        """Where TCP connections come in; 0 if they do not."""
        self._port: UdpPort | None = None
        self._gate: Gate | None = None
        self._strangers: Counter[Path] = Counter()
        """Datagrams by unknown source since the last tick."""
        self._ticked_ns = 0
        self._behind_ns = 0
        """How far the port was behind at the last tick."""
        self._reach: Reach | None = None
        """Known once the port is open."""
        self._machine_addresses: list[InterfaceAddress] = []
        self._machine_ns = 0
        self._drop_log = DropLog(self.counters)
        self.handover = CheckHandover(self.counters)

    @property
    def port(self) -> UdpPort:
        """The sockets; only after `start`."""
        assert self._port is not None, "start() comes first"
        return self._port

    @property
    def started(self) -> bool:
        """Whether the port is open."""
        return self._port is not None

    async def start(self, port: int | None = None, http_port: int = 0) -> None:
        """Open the port (by default the configured one) and read from it. Idempotent.

        http_port: the TCP port that somebody else listens on, who hands media connections over (`StreamPort.adopt`); it is
        shared where its number is the one for media. Raises ConfigError if a port is taken, or if there is no such
        name as one of the public hosts.
        """
        if self._port is None:
            await self._public.check("public_host", self.config.public_hosts, monotonic_ns())
            number = self.config.port if port is None else port
            sockets = open_sockets(self.config.host, number)
            checks = open_check_socket(sockets[0])
            self._port = UdpPort(sockets, self.counters, checks)
            self._gate = Gate(sockets, self.counters, checks)
            if self.config.tcp:
                self._start_tcp(self.config.tcp_port or self._port.port, http_port)
            self._port.start(self.receive)
            self._ticked_ns = monotonic_ns()
            self._arm()

    def _start_tcp(self, number: int, http_port: int) -> None:
        if number != http_port:
            sockets = open_listening(self.config.host, number, wanted=self.config.tcp_port > 0)
            if not sockets:
                return
            self.streams.listen(sockets)
        self.tcp_port = number

    def send_sockets(self) -> list[socket.socket]:
        """The sockets that the broadcast process gets duplicates of; `Path.socket` indexes them."""
        return list(self.port.sockets)

    def check_sockets(self) -> list[socket.socket]:
        """The socket for checks, if there is one, that the broadcast process gets a duplicate of."""
        return [] if self.port.checks is None else [self.port.checks]

    async def candidates(self, arrival: Arrival) -> list[HostCandidate]:
        """What to offer a client that reached signaling like this; none if it can reach no address of ours."""
        now = monotonic_ns()
        signaling = await self._resolver.resolve(arrival.host, now)
        public = await asyncio.gather(*(self._public.resolve(h, now) for h in self.config.public_hosts))
        if self._reach is None:
            self._reach = Reach.of(self.port.sockets, self.config.public_media_port)
        found = choose(
            self._reach,
            arrival=arrival,
            signaling=signaling,
            public=itertools.chain(*public),
            machine=self._machine(now),
            bridges=self.config.bridges,
        )
        if not self.tcp_port:
            return found
        public_port = self.config.public_tcp_port or self.config.public_media_port
        return [*found, *by_tcp(found, public_port or self.tcp_port)]

    def _machine(self, now_ns: int) -> list[InterfaceAddress]:
        """This machine's addresses, read again after a few seconds: they change, but not with every join."""
        if self._machine_ns == 0 or now_ns - self._machine_ns > _MACHINE_NS:
            self._machine_addresses = machine_addresses()
            self._machine_ns = now_ns
        return self._machine_addresses

    def create_peer(
        self,
        *,
        remote_ufrag: str,
        remote_password: str,
        fingerprints: Iterable[tuple[str, str]],
        listener: PeerListener,
        sctp: SctpParameters | None = None,
        source: str = "",
    ) -> TransportPeer:
        """A peer that waits for its first check.

        fingerprints: (algorithm, value) of the offer. sctp: None if no data channel is offered.
        source: the client's address as signaling saw it, for `half_open_from`.
        """
        peer = TransportPeer(
            self, remote_ufrag, remote_password, list(fingerprints), sctp, source, listener, monotonic_ns()
        )
        self.peers.add(peer)
        self._half_open.add(peer)
        if self._port is not None:
            self.handover.hurry(self._port)
        self._half_open_from[source] += 1
        return peer

    @property
    def half_open(self) -> int:
        """Peers under way to being connected."""
        return len(self._half_open)

    def half_open_from(self, source: str) -> int:
        """Those of a client address, as signaling saw it."""
        return self._half_open_from[source]

    def receive(self, data: bytes, path: Path, now_ns: int) -> None:
        """Route one datagram. Never raises."""
        kind = classify(data)
        if kind is DatagramKind.STUN:
            over = self.counters["over_checks"]
            checked = self.registry.receive(data, path, now_ns)
            if checked is None:
                self._dropped(
                    self.registry.owner_of(path), kind, path, now_ns, self.counters["over_checks"] != over
                )
                return
            for answer in (checked.reply, checked.challenge):
                if answer:
                    self.send(answer, path)
            if checked.moved:
                self._guarded(checked.agent, kind, data, path, now_ns)
            self.handover.consider(checked.agent, now_ns)
            return
        agent = self.registry.owner_of(path)
        if agent is None:
            self.counters["unknown_protocol" if kind is DatagramKind.UNKNOWN else "stranger"] += 1
            self._dropped(None, kind, path, now_ns, True)
            return
        over = agent.budget.over
        self._guarded(agent, kind, data, path, now_ns)
        if agent.budget.over != over:
            self._dropped(agent, kind, path, now_ns, True)

    def _dropped(
        self, agent: IceAgent | None, kind: DatagramKind, path: Path, now_ns: int, is_over: bool
    ) -> None:
        """A datagram came to nothing: one of a source that sends many more than it may is not to be read at all."""
        if self._gate is None:
            return
        if agent is not None:
            if is_over and agent.budget.floods(now_ns):
                if path.stream:
                    self.streams.pause(path, now_ns)
                else:
                    self._gate.shut(path, now_ns, stun_passes=kind is not DatagramKind.STUN)
            return
        if path.stream:
            return  # who is no peer's may not say much on a stream
        if len(self._strangers) >= _MAX_STRANGERS:
            self._strangers.clear()
        self._strangers[path] += 1
        if self._strangers[path] > STRANGERS_PER_TICK:
            self._gate.shut(path, now_ns, stun_passes=False)

    @property
    def behind_ns(self) -> int:
        """For how long what arrives at the port has been waiting to be read: now, or a moment ago."""
        now = monotonic_ns()
        late = now - self._ticked_ns - round(TICK_S * NS)
        return max(late, self._behind_ns, now - self.port.heard_until(now), 0)

    def send(self, data: bytes, path: Path) -> bool:
        """Send a datagram along a path. False if the kernel did not take it; counted."""
        return self.streams.send(data, path) if path.stream else self.port.send(data, path)

    # StreamUser

    def standing(self, path: Path) -> Standing:
        """What a stream's path is to the peers."""
        agent = self.registry.owner_of(path)
        if agent is None:
            return Standing.UNBOUND
        return Standing.SELECTED if agent.selected == path else Standing.BOUND

    def lost(self, path: Path) -> None:
        """A stream is closed: its path leads nowhere. Its peer may come by another one."""
        self.registry.unbind(path)

    def forget(self, peer: TransportPeer) -> None:
        """For `TransportPeer.close`."""
        self.settled(peer)
        self.peers.discard(peer)
        streams = [path for path in peer.agent.bound if path.stream]
        self.handover.withdraw(peer.agent)
        self.registry.remove(peer.agent)
        for path in streams:
            self.streams.drop(path)

    def restarting(self, peer: TransportPeer) -> None:
        """For `TransportPeer`: its checks may mean something else from now on."""
        self.handover.withdraw(peer.agent)
        self.handover.hurry(self.port, monotonic_ns() + RESTART_NS)

    def overflowed(self) -> None:
        """Whoever reads the checks has more of them than it takes: a flood is for those who can shut it out."""
        self.counters["checks_overflowed"] += 1
        self.handover.hurry(self.port, monotonic_ns() + OVERFLOW_NS)

    def answered(self, rows: Iterable[AnsweredChecks], over: int, unsent: int) -> None:
        """Whoever reads the checks has answered these, not answered `over` as too many, and failed to send `unsent`."""
        self.handover.answered(rows)
        self.counters["over_checks"] += over
        self.counters["udp_send_full"] += unsent

    def stray(self, data: bytes, remote: tuple[str, int], local: bytes) -> None:
        """A check that whoever reads them does not know."""
        self.receive(data, Path(0, local, 0, remote), monotonic_ns())

    def settled(self, peer: TransportPeer) -> None:
        """For `TransportPeer`: it is no longer half-open."""
        if peer in self._half_open:
            self._half_open.discard(peer)
            self._half_open_from[peer.source] -= 1
            if self._half_open_from[peer.source] <= 0:
                del self._half_open_from[peer.source]

    def close(self) -> None:
        """Close all peers, the timer and the sockets. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for peer in list(self.peers):
            peer.close()
        self.streams.close()
        if self._port is not None:
            self._port.close()

    def _guarded(self, agent: IceAgent, kind: DatagramKind, data: bytes, path: Path, now_ns: int) -> None:
        """Hand a datagram to its peer; what escapes ends that peer, and nobody else."""
        peer = agent.owner
        assert isinstance(peer, TransportPeer)
        try:
            if kind is DatagramKind.STUN:
                peer.context.run(peer.moved)
            else:
                peer.context.run(peer.take, kind, data, path, now_ns)
        except Exception:
            peer.context.run(self._contain, peer)

    def _contain(self, peer: TransportPeer) -> None:
        self.counters["peer_errors"] += 1
        if self.counters["peer_errors"] == 1:
            log.exception("an error while handling a peer's datagram ended that peer; more are counted")
        try:
            peer.end("error")
        except Exception:
            self.counters["listener_errors"] += 1

    def _arm(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_at(next_beat(loop.time(), TICK_S), self._tick)

    def _tick(self) -> None:
        self._arm()
        now = monotonic_ns()
        # Nobody is late whose checks may lie in the socket, unread by a server that is busy. A flood does not put
        # the deadlines off for good.
        heard = self.port.heard_until(now)
        self._ticked_ns, self._behind_ns = now, now - heard
        heard = max(heard, now - MAX_BEHIND_NS)
        assert self._gate is not None
        self._gate.tick(now)
        self.streams.tick(now)
        for agent in self.registry.doubts.settle(heard, self.send):
            if agent.selected is not None:
                self._guarded(agent, DatagramKind.STUN, b"", agent.selected, now)
        self._strangers.clear()
        if not self._rota:
            peers = list(self.peers)
            share = -(-len(peers) // ROUND_TICKS)
            self._rota = [peers[at : at + share] for at in range(0, len(peers), share or 1)]
        turn = self._rota.pop() if self._rota else []
        for peer in {*turn, *self._half_open}:
            try:
                peer.context.run(
                    peer.check_deadlines, heard, self.config.half_open_ns, self.config.vanished_ns
                )
            except Exception:
                peer.context.run(self._contain, peer)
        self._drop_log.tick(now)
        self.handover.tick(self.port, now, len(self._half_open))
