"""One peer on the port: its ICE agent and its secure side, and what its owner is told.

Made by `MediaEndpoint.create_peer`. Loop-bound; nothing here waits.
"""

from __future__ import annotations

from collections import Counter
from contextvars import copy_context
from typing import Protocol

from aiortc import RTCDataChannel

from rtcserver.transport.address import Path
from rtcserver.transport.aiortc_internals import SharedCertificate, SrtpKeys
from rtcserver.transport.budget import MEDIA
from rtcserver.transport.consent import Credentials
from rtcserver.transport.demux import DatagramKind
from rtcserver.transport.dtls import SctpParameters, SecurePeer
from rtcserver.transport.ice import IceRegistry
from rtcserver.transport.ice_agent import IceAgent
from rtcserver.transport.rtcp import RtcpPacket


class PeerListener(Protocol):
    """What the owner of a `TransportPeer` is told, on the event loop, from within the datagram's handling."""

    def on_connected(self, path: Path, keys: SrtpKeys) -> None:
        """DTLS is complete, and a pair is nominated or DTLS came by it, whose other end gets what is sent there. Once."""

    def on_path_changed(self, path: Path) -> None:
        """Another pair was nominated, and its other end has answered there."""

    def on_rtcp(self, packets: list[RtcpPacket]) -> None:
        """Authenticated RTCP from the peer."""

    def on_datachannel(self, channel: RTCDataChannel) -> None:
        """The peer opened a data channel."""

    def on_closed(self, reason: str) -> None:
        """The peer is gone, not by `close`: no-ice, no-dtls, vanished, bye, dtls, sctp or error. Once."""


class PeerOwner(Protocol):
    """What a peer needs of the endpoint that made it."""

    @property
    def registry(self) -> IceRegistry: ...

    @property
    def certificate(self) -> SharedCertificate: ...

    @property
    def counters(self) -> Counter[str]: ...

    def send(self, data: bytes, path: Path) -> bool:
        """Send a datagram along a path."""

    def settled(self, peer: TransportPeer) -> None:
        """The peer is no longer half-open."""

    def restarting(self, peer: TransportPeer) -> None:
        """The peer gets new credentials."""

    def forget(self, peer: TransportPeer) -> None:
        """The peer is closed."""


class TransportPeer:
    """One peer on the port. Made by `MediaEndpoint.create_peer`."""

    def __init__(
        self,
        owner: PeerOwner,
        remote_ufrag: str,
        remote_password: str,
        fingerprints: list[tuple[str, str]],
        sctp: SctpParameters | None,
        source: str,
        listener: PeerListener,
        now_ns: int,
    ) -> None:
        self._owner = owner
        self._listener = listener
        self.source = source
        self.created_ns = now_ns
        self.context = copy_context()
        """Where all that concerns this peer runs: what is logged there is about whom the peer was made for."""
        self.connected = False
        self.closed = False
        self._heard_ns = now_ns
        self.agent: IceAgent = owner.registry.create(remote_ufrag, self, now_ns, remote_password)
        self.secure = SecurePeer(
            owner.certificate, fingerprints, sctp, self._send, self, owner.counters, self.agent.budget
        )
        self._dtls_path: Path | None = None
        self._answered: Path | None = None
        """Where all flights of the handshake were sent; None before the first, or if they went different ways."""
        self._scattered = False

    @property
    def local_ufrag(self) -> str:
        """For the answer; of the newest generation."""
        return (self.agent.pending or self.agent.current).ufrag

    @property
    def local_password(self) -> str:
        """For the answer; of the newest generation."""
        return (self.agent.pending or self.agent.current).password

    @property
    def path(self) -> Path | None:
        """Where media goes now, or None before a pair is selected."""
        return self.agent.selected

    @property
    def over_budget(self) -> int:
        """Datagrams, or parts of them, that were dropped because the peer had asked for too much."""
        return self.agent.budget.over

    @property
    def buffered(self) -> int:
        """Bytes on data channels that wait to be sent or acknowledged."""
        return self.secure.buffered

    def restart_ice(self, remote_ufrag: str, remote_password: str) -> Credentials:
        """New local credentials (RFC 8445, section 2.4). Media stays where it is until they nominate."""
        self._owner.restarting(self)
        return self._owner.registry.restart(self.agent, remote_ufrag, remote_password)

    def close(self) -> None:
        """End the peer: SCTP ABORT, close_notify, forget it. Idempotent; does not call `on_closed`."""
        if self.closed:
            return
        self.closed = True
        self.secure.close()
        self._owner.forget(self)

    # What the endpoint calls

    @property
    def heard_ns(self) -> int:
        """When anything authentic came last: a check, SRTCP or DTLS."""
        return max(self._heard_ns, self.agent.last_check_ns)

    def take(self, kind: DatagramKind, data: bytes, path: Path, now_ns: int) -> None:
        """Handle a datagram from a path that this peer bound."""
        authenticated = self.secure.authenticated
        self._take(kind, data, path, now_ns)
        if self.secure.authenticated != authenticated:
            self._heard_ns = now_ns

    def _take(self, kind: DatagramKind, data: bytes, path: Path, now_ns: int) -> None:
        if kind is DatagramKind.DTLS:
            self._dtls_path = path
            self.secure.receive_dtls(data, now_ns)
        elif kind is DatagramKind.RTCP:
            packets = self.secure.receive_rtcp(data, now_ns)
            if packets and self.connected:
                self._listener.on_rtcp(packets)
        elif self.agent.budget.take(MEDIA, now_ns):
            self._owner.counters["rtp_received" if kind is DatagramKind.RTP else "unknown_protocol"] += 1

    def moved(self) -> None:
        """Another path was selected."""
        if self.connected:
            path = self.path
            assert path is not None
            self._listener.on_path_changed(path)
        else:
            self._maybe_connected()

    def check_deadlines(self, now_ns: int, half_open_ns: int, vanished_ns: int) -> None:
        """Close the peer if it never connected or has vanished; let DTLS retransmit."""
        if self.connected:
            if now_ns - self.heard_ns > vanished_ns:
                self.end("vanished")
                return
        elif now_ns - self.created_ns > half_open_ns:
            self.end("no-dtls" if self.agent.bound else "no-ice")
            return
        self.secure.tick(now_ns)

    def end(self, reason: str) -> None:
        """Close and tell the listener why."""
        if self.closed:
            return
        self._owner.counters[f"closed_{reason.replace('-', '_')}"] += 1
        self.close()
        self._listener.on_closed(reason)

    # SecureEvents

    def on_keys(self, keys: SrtpKeys) -> None:
        """The handshake is complete: whoever got its flights has answered them."""
        self.agent.secured = True
        if self._answered is not None:
            self.agent.prove(self._answered)
        if self._dtls_path is not None:
            self._owner.registry.carried(self.agent, self._dtls_path)
        self._maybe_connected()

    def on_datachannel(self, channel: RTCDataChannel) -> None:
        """Hand the channel on."""
        self._listener.on_datachannel(channel)

    def on_secure_closed(self, reason: str) -> None:
        """DTLS or SCTP ended."""
        self.end(reason)

    def _maybe_connected(self) -> None:
        path, keys = self.path, self.secure.keys
        if self.connected or self.closed or path is None or keys is None:
            return
        if not self.agent.is_proven(path):
            self._owner.send(self._owner.registry.challenge(self.agent, path), path)
            return
        self.connected = True
        self._owner.settled(self)
        self._listener.on_connected(path, keys)

    def _send(self, data: bytes) -> None:
        """DTLS goes to the selected pair, and before there is one, back to where it came from."""
        path = self.agent.selected or self._dtls_path
        if path is None:
            return
        if self.secure.keys is None:
            self._scattered = self._scattered or self._answered not in (None, path)
            self._answered = None if self._scattered else path
        self._owner.send(data, path)
