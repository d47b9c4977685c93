"""Listeners on the one port: a transport peer here, its SRTP in the broadcast process.

`OnePortBackend` answers offers and owns the sessions (`rtcserver.peer.oneport_session`), the endpoint and
what keeps the broadcast process running.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Protocol

from aiortc import RTCDataChannel

from rtcserver.access.address import client_of
from rtcserver.access.admission import Admission
from rtcserver.broadcast.supervisor import BroadcastSupervisor
from rtcserver.clock import NS, monotonic_ns
from rtcserver.encode.encoding import Encoding
from rtcserver.errors import PeerError
from rtcserver.peer.base import Mode, PeerRequest, PeerSession, Quality
from rtcserver.peer.demand import Demand
from rtcserver.peer.ended import EndedSessions
from rtcserver.peer.fresh import FreshCounters
from rtcserver.peer.limits import SessionLimits
from rtcserver.peer.oneport_session import OnePortSession
from rtcserver.peer.reception import Reception
from rtcserver.peer.state import State
from rtcserver.peer.switching import Switches
from rtcserver.peer.way import Broadcast
from rtcserver.sdp.offer import CODECS, OPUS, OfferSummary, check_offer
from rtcserver.transport.candidates import Arrival
from rtcserver.transport.dtls import SctpParameters
from rtcserver.transport.endpoint import MediaEndpoint

CHROMIUM_OPUS = 111
RED_TYPES = 4
"""Payload types of Opus that RED is packed around. Each is packed for itself, and costs as much as several listeners."""
JOINS_WAIT_MS = 500
"""How long a join may have to wait for a place in a queue before health says that joins wait."""

log = logging.getLogger(__name__)

SERVING_S = 3.0
"""How long an offer waits for a broadcast process that is being started."""
RETURN_PACE_MS = 5
"""Sessions that end together are told to come again one after another, so far apart: about as fast as they can join."""
MAX_RETURN_MS = 10_000
STOPPING = "The server stops, and is usually back in a moment."
STOPPED_MS = 250
"""When to ask for the first time whether a server that stops is back."""
RESTARTING = "The sound is restarted; it is back in a moment."


class BroadcastOwner(Protocol):
    """What keeps the broadcast process running, as `BroadcastSupervisor` does."""

    @property
    def client(self) -> Broadcast | None:
        """The running process, or None between two of them."""

    @property
    def unread_ns(self) -> int:
        """For how long messages have been waiting for the process to read; 0 if none do."""

    def tell_anchor(self, room: str) -> None:
        """A listener will come to a room that had none."""

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def serving(self, timeout_s: float) -> bool:
        """Wait for a process that takes listeners; whether there is one."""

    def keep_spare(self, wanted: bool) -> None:
        """Have the next process waiting, as somebody listens; or no more."""

    def add_feed(
        self,
        room: str,
        sock: socket.socket,
        frame_samples: int,
        anchor: Callable[[], tuple[int, int]],
        further: Iterable[Encoding] = (),
    ) -> None: ...


def _ignore_channel(session: OnePortSession, channel: RTCDataChannel) -> None:
    """Data channels without an application are open and mute."""


def _ignore_reception(session: OnePortSession, reception: Reception) -> None:
    """Reports are kept in their session, and nowhere else."""


def _no_studio(room: str, mode: Mode, present: int, quality: Quality) -> Mapping[str, str]:
    raise PeerError(422, "studio_unavailable", "This server has no Studio mode.")


def supervised(backend: OnePortBackend, *, bursts: bool = True) -> BroadcastSupervisor:
    """A broadcast process of its own, restarted when it ends. bursts: see `BroadcastSupervisor`."""
    return BroadcastSupervisor(
        backend.endpoint.send_sockets(),
        on_lost=backend.broadcast_lost,
        on_refused=backend.on_refused,
        check_sockets=backend.endpoint.check_sockets(),
        checks=backend.endpoint,
        bursts=bursts,
    )


class OnePortBackend:
    """`PeerBackend` on one UDP port. Loop-bound.

    endpoint: started and closed by this backend. own_broadcast: makes what runs the broadcast process on the
    endpoint's sockets, and is started and closed by this backend too; feeds are added by `add_feed`.
    frame_ms: duration of a room's Opus frames. redundancy: whether listeners that lose packets get earlier frames in
    each, where they can read it (RED; up to the level `redundancy_frames`), or each twice where they know no repair.
    encodings: those of a room, between which each listener's network decides; none: all get the room's own.
    on_datachannel: called for each channel that a listener opens, on_ended: for each session that has ended.
    admission: says whether there is room for one more. admit: asked for each Studio session; returns further headers,
    or raises PeerError.
    limits: what one session may cost.
    parting: writes the last message to a page whose session this server ends (reason, sentence, when to come again in
    ms), "" for none.
    """

    def __init__(
        self,
        endpoint: MediaEndpoint,
        *,
        own_broadcast: Callable[[OnePortBackend], BroadcastOwner] = supervised,
        frame_ms: Callable[[str], float] = lambda room: 10.0,
        redundancy: bool = True,
        redundancy_frames: int = 2,
        encodings: Callable[[str], Mapping[str, Encoding]] = lambda room: {},
        on_datachannel: Callable[[OnePortSession, RTCDataChannel], None] = _ignore_channel,
        on_ended: Callable[[OnePortSession], None] = lambda session: None,
        admission: Admission | None = None,
        admit: Callable[[str, Mode, int, Quality], Mapping[str, str]] = _no_studio,
        limits: SessionLimits | None = None,
        parting: Callable[[str, str, int], str] = lambda reason, message, after_ms: "",
    ) -> None:
        self.endpoint = endpoint
        self.limits = limits or SessionLimits()
        self._own_broadcast = own_broadcast
        self._owner: BroadcastOwner | None = None
        self.on_datachannel = on_datachannel
        self.on_reception: Callable[[OnePortSession, Reception], None] = _ignore_reception
        """Called with each receiver report that can be true."""
        self.on_demand: Callable[[str, Collection[str]], None] = lambda room, encodings: None
        """Called with the names of the encodings that a room's listeners need, its own too, when they change."""
        self.beside: Callable[[str | None], int] = lambda room: 0
        """How many listeners a room, or the server (None), has beside these sessions: they take places, too."""
        self.on_joined: Callable[[OnePortSession], None] = lambda session: None
        """Called once for each session that is connected."""
        self.unconnected: Counter[str] = Counter()
        """Sessions that ended before they were connected, by reason."""
        self.cname = secrets.token_hex(8)
        self.counters: Counter[str] = Counter()
        self._frame_ms = frame_ms
        self._earlier_frames = redundancy_frames if redundancy else None
        self._red_types = {CHROMIUM_OPUS}
        self._encodings = encodings
        self._admission = admission or Admission()
        self._on_ended = on_ended
        self._admit = admit
        self._parting = parting
        self._demands: dict[str, Demand] = {}
        self._sessions: dict[str, OnePortSession] = {}
        self._in_room: Counter[str] = Counter()
        self._by_listener: dict[int, OnePortSession] = {}
        self._ended = EndedSessions()
        self._fresh = FreshCounters()
        self._next_listener = 1
        self._switches = Switches(lambda left: self._sessions[left].end("switched"))

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
            self.endpoint.handover.find_reader = lambda: self.broadcast

    def add_feed(
        self,
        room: str,
        feed: socket.socket,
        frame_samples: int,
        anchor: Callable[[], tuple[int, int]],
        further: Iterable[Encoding] = (),
    ) -> None:
        """Let the broadcast process read a room's feed; see `BroadcastSupervisor.add_feed`. After `start`."""
        assert self._owner is not None, "start() comes first"
        self._owner.add_feed(room, feed, frame_samples, anchor, further)

    async def open(self, room: str, offer: str, request: PeerRequest) -> PeerSession:
        """Answer an offer. Raises PeerError. If cancelled, nothing of the session is left behind."""
        asked_ns = monotonic_ns()
        # Studio's payloads ride on Opus.
        summary = check_offer(offer, self.limits.sdp, CODECS if request.mode == "listen" else (OPUS,))
        if summary.ice_lite:
            raise PeerError(
                422, "ice_lite", "The offer is ICE-lite, and so is this server: neither would begin."
            )
        if self._owner is None or not await self._owner.serving(SERVING_S):
            raise PeerError(503, "starting", "The sound is being (re)started.", retry_after_s=1)
        candidates = await self.endpoint.candidates(
            Arrival(request.http_host, request.local_address, request.remote_address)
        )
        if not candidates:
            raise PeerError(
                503,
                "no_address",
                "This server has no address for the sound that can be reached from there. Set public_host in its "
                "configuration to one that can, or start it without host.",
            )
        source = client_of(request.remote_address)
        left = self._sessions.get(request.instead)
        switches = left is not None and left.room == room and self._switches.may_leave(left.id)
        self._admission.listener(
            len(self._sessions) + self.beside(None) - self._switches.open() - switches,
            self._in_room[room] + self.beside(room) - self._switches.open(room) - switches,
        )
        self._admission.connecting(
            self.endpoint.half_open, self.endpoint.half_open_from(source), request.remote_address
        )
        session = OnePortSession(self, room, summary, self._next_listener, request.session_id)
        session.asked_ns = asked_ns
        session.remote_address = request.remote_address
        session.doubtful = request.doubtful
        session.grant = request.grant
        session.details["user_agent"] = request.user_agent
        if request.mode != "listen":
            if not summary.has_datachannel:
                raise PeerError(422, "no_datachannel", "Studio needs a data channel in the offer.")
            present = self.in_studio(room, request.quality)
            session.headers = self._admit(room, request.mode, present, request.quality)
            session.mode = request.mode
            session.sending.quality = request.quality
            session.details["mode"] = request.mode
        with session.about():
            peer = self.endpoint.create_peer(
                remote_ufrag=summary.ice_ufrag,
                remote_password=summary.ice_pwd,
                fingerprints=summary.fingerprints,
                listener=session,
                sctp=_sctp_of(summary, self.limits.channels),
                source=source,
            )
        self._next_listener += 1
        if not self._in_room[room]:
            self._owner.tell_anchor(room)
        session.begin(
            peer,
            candidates,
            self._frame_ms(room),
            earlier_frames=self._earlier_frames_for(summary),
            encodings=self._encodings(room),
        )
        self._sessions[session.id] = session
        self._by_listener[session.listener_id] = session
        self._in_room[room] += 1
        if switches:
            self._switches.begin(request.instead, session.id, room)
        self._owner.keep_spare(True)
        self.counters["opened"] += 1
        return session

    def _earlier_frames_for(self, offer: OfferSummary) -> int | None:
        """How many earlier frames its packets may carry: none around a payload type that would be one too many."""
        if self._earlier_frames and offer.red_payload_type is not None:
            if offer.payload_type not in self._red_types and len(self._red_types) >= RED_TYPES:
                return 0
            self._red_types.add(offer.payload_type)
        return self._earlier_frames

    def sessions(self, room: str | None = None) -> list[PeerSession]:
        return [s for s in self._sessions.values() if room is None or s.room == room]

    def connected(self) -> list[OnePortSession]:
        """Sessions that are sent sound."""
        return [session for session in self._sessions.values() if session.playing]

    def in_studio(self, room: str, quality: Quality = "exact") -> int:
        """Studio listeners of a room with this quality, whichever way they listen."""
        studio = (s for s in self._sessions.values() if s.room == room and s.mode != "listen")
        return sum(session.sending.place == quality for session in studio)

    def find(self, session_id: str) -> PeerSession | None:
        return self._sessions.get(session_id)

    async def refresh(self, room: str) -> None:
        listeners = [s.listener_id for s in self._sessions.values() if s.room == room]
        if listeners and self.broadcast is not None:
            await self._fresh.refresh(room, self.broadcast, listeners)

    def has_just_ended(self, session_id: str, room: str) -> bool:
        return self._ended.take(session_id, room, monotonic_ns())

    def health(self) -> dict[str, object]:
        """Figures of this moment. ``status`` is "degraded" while joins wait, and ``waiting`` says for what."""
        states = Counter(session.state for session in self._sessions.values())
        port_ms = self.endpoint.behind_ns // 1_000_000 if self.endpoint.started else 0
        broadcast_ms = 0 if self._owner is None else self._owner.unread_ns // 1_000_000
        waiting = [
            f"Joins wait: {what} since {ms / 1000:.1f} s."
            for what, ms in (
                ("datagrams have not been read", port_ms),
                ("the broadcast process has not read its messages", broadcast_ms),
            )
            if ms > JOINS_WAIT_MS
        ]
        return {
            "transport": "one-port",
            "status": "degraded" if waiting else "ok",
            "waiting": " ".join(waiting),
            "joins_wait_ms": max(port_ms, broadcast_ms),
            "media_port": self.endpoint.port.port if self.endpoint.started else 0,
            "sessions": len(self._sessions),
            "connecting": states[State.CONNECTING],
            "connected_now": states[State.PLAYING] + states[State.RESTARTING],
            "peers": len(self.endpoint.peers),
            "half_open": self.endpoint.half_open,
            "tasks": len(asyncio.all_tasks()),
            **self.counters,
            **{f"refused_{what}": count for what, count in self._admission.refused.items()},
            "datagrams": dict(self.endpoint.counters),
        }

    def need(self, room: str, encoding: str, *, instead_of: str = "") -> None:
        """For a session: it needs this encoding of a room, and no more the one `instead_of`; "" is none."""
        demand = self._demands.setdefault(room, Demand())
        if encoding:
            demand.take(encoding)
        if instead_of:
            demand.drop(instead_of, monotonic_ns())
        self._follow_demand(room)

    def _follow_demand(self, room: str) -> None:
        demand, now = self._demands[room], monotonic_ns()
        wanted = demand.wanted(now)
        if wanted != demand.told:
            demand.told = wanted
            self.on_demand(room, wanted)
        if (due_ns := demand.due_ns) is not None:
            asyncio.get_running_loop().call_later((due_ns - now) / NS, self._follow_demand, room)

    def on_refused(self, listener_id: int, reason: str) -> None:
        """The broadcast process did not take a listener: it would hear nothing, so it is ended."""
        self.counters["refused_by_broadcast"] += 1
        session = self._by_listener.get(listener_id)
        if session is not None:
            with session.about():
                log.warning("the broadcast process refused a listener: %s", reason)
            session.end("refused")

    def broadcast_lost(self) -> None:
        """The broadcast process ended: its keys are gone with it, so every listener must reconnect."""
        for number, session in enumerate(tuple(self._sessions.values())):
            after_ms = min(number * RETURN_PACE_MS, MAX_RETURN_MS)
            session.end("broadcast-lost", self._parting("sound_restarts", RESTARTING, after_ms))

    async def close(self) -> None:
        """Close all sessions, the broadcast process (bounded in time) and the port."""
        parting = self._parting("server_stops", STOPPING, STOPPED_MS)
        for session in tuple(self._sessions.values()):
            session.end("shutdown", parting)
        if self._owner is not None:
            await self._owner.close()
        self.endpoint.close()

    def forget(self, session: OnePortSession) -> None:
        """For a session that ends."""
        if self._sessions.pop(session.id, None) is not None:
            self._in_room[session.room] -= 1
        self._switches.ended(session.id)
        self._by_listener.pop(session.listener_id, None)
        if not self._sessions and self._owner is not None:
            self._owner.keep_spare(False)
        if session.close_reason != "deleted":
            self._ended.add(session.id, session.room, monotonic_ns())
        self._on_ended(session)
        if session.joined_s is None:
            self.unconnected[session.close_reason] += 1
        self.counters[f"ended_{session.close_reason.replace('-', '_')}"] += 1


def _sctp_of(offer: OfferSummary, max_channels: int) -> SctpParameters | None:
    if not offer.has_datachannel:
        return None
    return SctpParameters(offer.sctp_port, offer.max_message_size, max_channels=max_channels)
