"""Listeners on the one port: a transport peer here, its SRTP in the broadcast process.

`OnePortBackend` answers offers, `OnePortSession` follows one listener through the table of
`rtcserver.peer.state` and tells the broadcast process what changes. Nothing here waits for a
listener: there is no task per session.
"""

from __future__ import annotations

import logging
import secrets
import socket
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Protocol

from aiortc import RTCDataChannel

from rtcserver.broadcast.address import Address
from rtcserver.broadcast.listener import ListenerCounters, ListenerSpec
from rtcserver.broadcast.srtp import MAX_FIRST_SEQUENCE, Profile
from rtcserver.broadcast.supervisor import BroadcastSupervisor
from rtcserver.clock import NS, monotonic_ns
from rtcserver.errors import PeerError, ProcessError
from rtcserver.peer.answer import AnswerStream, AnswerTransport, build_answer, build_restart_fragment
from rtcserver.peer.base import PeerRequest, PeerSession, SessionInfo
from rtcserver.peer.sdp_offer import OfferSummary, check_offer
from rtcserver.peer.sdpfrag import parse_sdpfrag
from rtcserver.peer.state import Answered, Closed, Connected, Event, Moved, RestartAsked, State, advance
from rtcserver.transport.aiortc_internals import SrtpKeys
from rtcserver.transport.candidates import Candidate
from rtcserver.transport.dtls import SctpParameters
from rtcserver.transport.endpoint import MediaEndpoint
from rtcserver.transport.peer import MediaAddress, TransportPeer
from rtcserver.transport.rtcp import Nack, Report, RtcpPacket

_logger = logging.getLogger(__name__)


class Broadcast(Protocol):
    """One broadcast process, as `rtcserver.broadcast.client.BroadcastClient` is. No call waits."""

    def add_listener(self, spec: ListenerSpec) -> None:
        """Begin to send. Raises ProcessError if the process is gone."""

    def set_address(
        self, listener_id: int, destination: Address, source: str | None = None, fd_index: int = 0
    ) -> None:
        """Send elsewhere."""

    def remove_listener(self, listener_id: int) -> None:
        """Stop sending, with a BYE."""

    def nack(self, listener_id: int, sequences: Iterable[int]) -> None:
        """Resend what a listener misses."""

    def listener_stats(self, listener_id: int) -> ListenerCounters | None:
        """The listener's counters, a few seconds old at most."""


class BroadcastOwner(Protocol):
    """What keeps the broadcast process running, as `BroadcastSupervisor` does."""

    @property
    def client(self) -> Broadcast | None:
        """The running process, or None between two of them."""

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    def add_feed(
        self, room: str, sock: socket.socket, frame_samples: int, anchor: Callable[[], tuple[int, int]]
    ) -> None: ...


class OnePortSession:
    """One listener. Made by `OnePortBackend.open`; loop-bound."""

    def __init__(self, backend: OnePortBackend, room: str, offer: OfferSummary, listener_id: int) -> None:
        self.id = secrets.token_urlsafe(24)
        self.room = room
        self.etag = secrets.token_hex(8)
        self.answer = ""
        self.offer = offer
        self.state = State.NEW
        self.close_reason = ""
        self.channels: list[RTCDataChannel] = []
        self.counters: Counter[str] = Counter()
        self.listener_id = listener_id
        self.ssrc = secrets.randbits(32) or 1
        self._backend = backend
        self._since_ns = monotonic_ns()
        self._peer: TransportPeer | None = None
        self._candidates: list[Candidate] = []
        self._remote_ufrag = offer.ice_ufrag

    def begin(self, peer: TransportPeer, candidates: list[Candidate], frame_ms: float) -> None:
        """Make `answer`."""
        self._peer = peer
        self._candidates = candidates
        stream = AnswerStream(
            ssrc=self.ssrc,
            cname=self._backend.cname,
            stream_id=f"room-{self.listener_id}",
            track_id=f"audio-{self.listener_id}",
            frame_ms=frame_ms,
        )
        self.answer = build_answer(self.offer, self._answer_transport(), stream, secrets.randbits(62))
        self._advance(Answered())

    def info(self) -> SessionInfo:
        seconds = (monotonic_ns() - self._since_ns) / NS
        broadcast = self._backend.broadcast
        sent = None if broadcast is None else broadcast.listener_stats(self.listener_id)
        if sent is not None:
            self.counters["packets"] = sent.packets
            self.counters["retransmits"] = sent.retransmits
            self.counters["dropped"] = sent.dropped + sent.errors
        return SessionInfo(self.id, self.state.value, seconds, dict(self.counters))

    async def patch(self, sdpfrag: str) -> str | None:
        """Trickled candidates are not needed (204); other credentials restart ICE (200)."""
        fragment = parse_sdpfrag(sdpfrag)
        peer = self._peer
        if self.state is State.CLOSED or peer is None:
            raise PeerError(404, "no_such_session", "This session has ended.")
        if not fragment.ice_ufrag or fragment.ice_ufrag == self._remote_ufrag:
            return None
        if not fragment.ice_pwd:
            raise PeerError(400, "malformed_sdp", "An ICE restart needs both a=ice-ufrag and a=ice-pwd.")
        self._advance(RestartAsked())
        self._remote_ufrag = fragment.ice_ufrag
        peer.restart_ice(fragment.ice_ufrag)
        self.etag = secrets.token_hex(8)
        self.counters["ice_restarts"] += 1
        return build_restart_fragment(self.offer, self._answer_transport())

    async def close(self) -> None:
        """End the session. Idempotent; does not wait."""
        self.end("deleted")

    def end(self, reason: str) -> None:
        """End the session, for `reason`. Idempotent."""
        if self.state is State.CLOSED:
            return
        playing = self.state in (State.PLAYING, State.RESTARTING)
        self._advance(Closed(reason))
        self.close_reason = reason
        broadcast = self._backend.broadcast
        if playing and broadcast is not None:
            # Asked for first, as a client that got close_notify has no use for a BYE.
            broadcast.remove_listener(self.listener_id)
        if self._peer is not None:
            self._peer.close()
        self.channels.clear()
        self._backend.forget(self)

    # PeerListener

    def on_connected(self, address: MediaAddress, keys: SrtpKeys) -> None:
        """DTLS is done: the broadcast process takes over what is sent."""
        broadcast = self._backend.broadcast
        if broadcast is None:
            self.end("broadcast-lost")
            return
        spec = ListenerSpec(
            listener_id=self.listener_id,
            room=self.room,
            destination=Address(address.host, address.port, address.scope_id),
            profile=Profile(keys.name),
            master=keys.send,
            ssrc=self.ssrc,
            payload_type=self.offer.opus_payload_type,
            first_sequence=secrets.randbelow(MAX_FIRST_SEQUENCE),
            timestamp_offset=secrets.randbits(32),
            cname=self._backend.cname,
            source=address.local,
            fd_index=address.socket,
        )
        try:
            broadcast.add_listener(spec)
        except (ValueError, ProcessError) as error:
            self._backend.on_refused(self.listener_id, str(error))
            return
        self._advance(Connected(address))
        self._backend.counters["connected"] += 1

    def on_address_changed(self, address: MediaAddress) -> None:
        """Another pair was nominated."""
        self._advance(Moved(address))
        self.counters["moves"] += 1
        broadcast = self._backend.broadcast
        if broadcast is not None:
            destination = Address(address.host, address.port, address.scope_id)
            broadcast.set_address(self.listener_id, destination, address.local, address.socket)

    def on_rtcp(self, packets: list[RtcpPacket]) -> None:
        """Loss reports are kept for `info`, NACKs go to the broadcast process."""
        for packet in packets:
            if isinstance(packet, Nack):
                broadcast = self._backend.broadcast
                if packet.media_ssrc == self.ssrc and broadcast is not None:
                    self.counters["nacked"] += len(packet.sequences)
                    broadcast.nack(self.listener_id, packet.sequences)
            elif isinstance(packet, Report):
                for block in packet.blocks:
                    if block.ssrc == self.ssrc:
                        self.counters["lost"] = block.lost
                        self.counters["jitter_48k"] = block.jitter

    def on_datachannel(self, channel: RTCDataChannel) -> None:
        """The client opened a channel."""
        self.channels.append(channel)
        channel.on("close", lambda: self._forget_channel(channel))
        self._backend.on_datachannel(self, channel)

    def on_closed(self, reason: str) -> None:
        """The transport is gone."""
        self.end(reason)

    def _forget_channel(self, channel: RTCDataChannel) -> None:
        if channel in self.channels:
            self.channels.remove(channel)

    def _answer_transport(self) -> AnswerTransport:
        assert self._peer is not None
        return AnswerTransport(
            self._peer.local_ufrag,
            self._peer.local_password,
            self._backend.endpoint.fingerprint,
            self._candidates,
        )

    def _advance(self, event: Event) -> None:
        self.state = advance(self.state, event)


def _ignore_channel(session: OnePortSession, channel: RTCDataChannel) -> None:
    """Data channels without an application are open and mute."""


def supervised(backend: OnePortBackend) -> BroadcastSupervisor:
    """A broadcast process of its own, restarted when it ends."""
    return BroadcastSupervisor(
        backend.endpoint.send_sockets(), on_lost=backend.broadcast_lost, on_refused=backend.on_refused
    )


class OnePortBackend:
    """`PeerBackend` on one UDP port. Loop-bound.

    endpoint: started and closed by this backend. own_broadcast: makes what runs the broadcast process on the
    endpoint's sockets, and is started and closed by this backend too; feeds are added by `add_feed`.
    frame_ms: duration of a room's Opus frames. on_datachannel: called for each channel that a listener
    opens. max_listeners: sessions at the same time; one more is answered 503.
    """

    def __init__(
        self,
        endpoint: MediaEndpoint,
        *,
        own_broadcast: Callable[[OnePortBackend], BroadcastOwner] = supervised,
        frame_ms: Callable[[str], float] = lambda room: 10.0,
        on_datachannel: Callable[[OnePortSession, RTCDataChannel], None] = _ignore_channel,
        max_listeners: int = 2000,
    ) -> None:
        self.endpoint = endpoint
        self._own_broadcast = own_broadcast
        self._owner: BroadcastOwner | None = None
        self.on_datachannel = on_datachannel
        self.cname = secrets.token_hex(8)
        self.counters: Counter[str] = Counter()
        self._frame_ms = frame_ms
        self._max_listeners = max_listeners
        self._sessions: dict[str, OnePortSession] = {}
        self._by_listener: dict[int, OnePortSession] = {}
        self._next_listener = 1

    @property
    def broadcast(self) -> Broadcast | None:
        """The broadcast process, or None while there is none."""
        return None if self._owner is None else self._owner.client

    async def start(self) -> None:
        """Open the port, if `MediaEndpoint.start` has not, and start the broadcast process.

        Raises ConfigError if the port is taken, ProcessError if the process does not start.
        """
        await self.endpoint.start()
        if self._owner is None:
            owner = self._own_broadcast(self)
            await owner.start()
            self._owner = owner

    def add_feed(
        self, room: str, feed: socket.socket, frame_samples: int, anchor: Callable[[], tuple[int, int]]
    ) -> None:
        """Let the broadcast process read a room's feed; see `BroadcastSupervisor.add_feed`. After `start`."""
        assert self._owner is not None, "start() comes first"
        self._owner.add_feed(room, feed, frame_samples, anchor)

    async def open(self, room: str, offer: str, request: PeerRequest) -> PeerSession:
        """Answer an offer. Raises PeerError. If cancelled, nothing of the session is left behind."""
        summary = check_offer(offer)
        if summary.ice_lite:
            raise PeerError(
                422, "ice_lite", "The offer is ICE-lite, and so is this server: neither would begin."
            )
        if self.broadcast is None:
            raise PeerError(503, "starting", "The sound is being (re)started.", retry_after_s=1)
        candidates = await self.endpoint.candidates(request.http_host)
        if len(self._sessions) >= self._max_listeners:
            self.counters["refused_full"] += 1
            raise PeerError(503, "full", "All places of this server are taken.", retry_after_s=30)
        session = OnePortSession(self, room, summary, self._next_listener)
        peer = self.endpoint.create_peer(
            remote_ufrag=summary.ice_ufrag,
            fingerprints=summary.fingerprints,
            listener=session,
            sctp=_sctp_of(summary),
            source=request.remote_address,
        )
        self._next_listener += 1
        session.begin(peer, candidates, self._frame_ms(room))
        self._sessions[session.id] = session
        self._by_listener[session.listener_id] = session
        self.counters["opened"] += 1
        return session

    def sessions(self, room: str | None = None) -> list[PeerSession]:
        return [s for s in self._sessions.values() if room is None or s.room == room]

    def find(self, session_id: str) -> PeerSession | None:
        return self._sessions.get(session_id)

    def health(self) -> dict[str, object]:
        states = Counter(session.state for session in self._sessions.values())
        return {
            "transport": "one-port",
            "media_port": self.endpoint.port.port if self.endpoint.started else 0,
            "sessions": len(self._sessions),
            "connecting": states[State.CONNECTING],
            "connected_now": states[State.PLAYING] + states[State.RESTARTING],
            **self.counters,
            "datagrams": dict(self.endpoint.counters),
        }

    def on_refused(self, listener_id: int, reason: str) -> None:
        """The broadcast process did not take a listener: it would hear nothing, so it is ended."""
        self.counters["refused_by_broadcast"] += 1
        session = self._by_listener.get(listener_id)
        if session is not None:
            _logger.warning("the broadcast process refused a listener: %s", reason)
            session.end("refused")

    def broadcast_lost(self) -> None:
        """The broadcast process ended: its keys are gone with it, so every listener must reconnect."""
        for session in tuple(self._sessions.values()):
            session.end("broadcast-lost")

    async def close(self) -> None:
        """Close all sessions, the broadcast process (bounded in time) and the port."""
        for session in tuple(self._sessions.values()):
            session.end("shutdown")
        if self._owner is not None:
            await self._owner.close()
        self.endpoint.close()

    def forget(self, session: OnePortSession) -> None:
        """For a session that ends."""
        self._sessions.pop(session.id, None)
        self._by_listener.pop(session.listener_id, None)
        self.counters[f"ended_{session.close_reason.replace('-', '_')}"] += 1


def _sctp_of(offer: OfferSummary) -> SctpParameters | None:
    if not offer.has_datachannel:
        return None
    return SctpParameters(remote_port=offer.sctp_port, max_message_size=offer.max_message_size)
