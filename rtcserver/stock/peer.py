"""The literal path: one stock aiortc `RTCPeerConnection` per listener, over a MontageTrack of its own.

The reference that the one-port transport is checked and measured against. It opens a UDP port per
listener and encrypts each packet in Python, but sends the same packets.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from aiortc import RTCConfiguration, RTCIceCandidate, RTCPeerConnection, RTCSessionDescription

from rtcserver.access.admission import Admission
from rtcserver.clock import NS, monotonic_ns
from rtcserver.errors import PeerError, ProcessError
from rtcserver.logs import about
from rtcserver.peer.base import PeerRequest, PeerSession, SessionInfo, new_session_id, public_handle
from rtcserver.peer.ended import EndedSessions
from rtcserver.peer.limits import SessionLimits
from rtcserver.sdp.answer import served_lines
from rtcserver.sdp.fragment import parse_sdpfrag
from rtcserver.sdp.offer import OPUS, OfferSummary, check_offer
from rtcserver.stock.answer import (
    MAX_REMOTE_CANDIDATES,
    answer_for_client,
    mid_for_aiortc,
    offer_for_aiortc,
    usable_candidates,
)
from rtcserver.stock.track import MontageTrack

HALF_OPEN_S = 15.0
CLOSE_S = 5.0
MAX_HALF_OPEN = 200
"""Most that may be connecting: each holds a UDP socket and checks addresses that its client named."""

log = logging.getLogger(__name__)


class StockSession:
    """One listener. States: connecting → connected → closed. Made by `StockBackend.open`."""

    def __init__(
        self, backend: StockBackend, room: str, track: MontageTrack, offer: OfferSummary, request: PeerRequest
    ) -> None:
        self.id = request.session_id
        self.grant = request.grant
        self.etag = secrets.token_hex(8)
        self.room = room
        self.answer = ""
        self.headers: dict[str, str] = {}
        self.state = "connecting"
        self.since_ns = monotonic_ns()
        self._backend = backend
        self._track = track
        self._offer = offer
        self._request = request
        self._remote_candidates = len(usable_candidates(offer.candidates))
        self._closing: asyncio.Task[None] | None = None
        self._pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._pc.on("connectionstatechange", self._on_connection_state)
        self._deadline = asyncio.get_running_loop().call_later(backend.half_open_s, self._on_deadline)

    async def negotiate(self, frame_ms: float) -> None:
        """Make `answer`."""
        self._pc.addTrack(self._track)
        await self._pc.setRemoteDescription(RTCSessionDescription(offer_for_aiortc(self._offer), "offer"))
        description = await self._pc.createAnswer()
        assert description is not None, "aiortc answers the offer that was just set"
        await self._pc.setLocalDescription(description)
        self.answer = answer_for_client(self._pc.localDescription.sdp, self._offer, frame_ms)

    def info(self) -> SessionInfo:
        return SessionInfo(
            self.id,
            self.state,
            (monotonic_ns() - self.since_ns) / NS,
            {"packets": self._track.pushed, "dropped": self._track.dropped},
            {"user_agent": self._request.user_agent},
            self._request.remote_address,
        )

    async def patch(self, sdpfrag: str) -> str | None:
        """Add trickled candidates. An ICE restart is beyond aiortc: PeerError(422)."""
        fragment = parse_sdpfrag(sdpfrag, self._backend.limits.sdp)
        if self.state == "closed":
            raise PeerError(404, "no_such_session", "This session has ended.")
        if fragment.ice_ufrag not in ("", self._offer.ice_ufrag):
            raise PeerError(
                422, "no_ice_restart", "This server cannot restart ICE; begin a new session instead."
            )
        mid = mid_for_aiortc(served_lines(self._offer)[0])
        for candidate in usable_candidates(fragment.candidates):
            if self._remote_candidates >= MAX_REMOTE_CANDIDATES:
                break
            self._remote_candidates += 1
            await self._pc.addIceCandidate(
                RTCIceCandidate(
                    component=1,
                    foundation=candidate.foundation,
                    ip=candidate.address,
                    port=candidate.port,
                    priority=candidate.priority,
                    protocol="udp",
                    type=candidate.type,
                    sdpMid=mid,
                )
            )
        return None

    async def close(self) -> None:
        """End the session within `StockBackend.close_s`. Idempotent; goes on if its caller is cancelled."""
        await asyncio.shield(self.begin_close())

    def begin_close(self) -> asyncio.Task[None]:
        """Start to close, without waiting. From here on the backend no longer knows the session."""
        if self._closing is None:
            self.state = "closed"
            self._deadline.cancel()
            self._backend.forget(self)
            self._track.stop()
            with about(room=self.room, session=public_handle(self.id)):
                log.info("ended after %.1f s", (monotonic_ns() - self.since_ns) / NS)
                self._closing = self._backend.spawn(self._close_connection())
        return self._closing

    async def _close_connection(self) -> None:
        closing = self._backend.spawn(self._pc.close())
        done, _ = await asyncio.wait({closing}, timeout=self._backend.close_s)
        if not done:
            self._backend.counters["close_timeouts"] += 1
            closing.cancel()

    def _on_connection_state(self) -> None:
        state = self._pc.connectionState
        if state == "connected" and self.state == "connecting":
            self.state = "connected"
            self._deadline.cancel()
            self._backend.counters["connected"] += 1
            self._track.flush()
            log.info("connected after %.3f s", (monotonic_ns() - self.since_ns) / NS)
        elif state in ("failed", "closed") and self._closing is None:
            self._backend.counters[f"ended_{state}"] += 1
            self._end_by_itself()

    def _on_deadline(self) -> None:
        self._backend.counters["half_open_reaped"] += 1
        self._end_by_itself()

    def end(self, reason: str, parting: str = "") -> None:
        """End the session, for `reason`. Idempotent; does not wait. It has no channel to say `parting` on."""
        if self._closing is None:
            self._backend.counters[f"ended_{reason}"] += 1
            self._end_by_itself()

    def _end_by_itself(self) -> None:
        self._backend.ended.add(self.id, self.room, monotonic_ns())
        self.begin_close()


class StockBackend:
    """`PeerBackend` over stock aiortc. Loop-bound.

    subscribe: makes a track of a room's packets (`PacketHub.subscribe`); raises `ProcessError` when
        the room has none, which a client sees as 503.
    frame_ms: duration of a room's Opus frames, for ``a=ptime``.
    half_open_s: how long a listener may take to connect. close_s: bound of one connection's close.
    admission: says whether there is room for one more. limits: of what one session may cost, those of its descriptions.
    """

    def __init__(
        self,
        subscribe: Callable[[str], MontageTrack],
        *,
        frame_ms: Callable[[str], float] = lambda room: 10.0,
        half_open_s: float = HALF_OPEN_S,
        close_s: float = CLOSE_S,
        admission: Admission | None = None,
        limits: SessionLimits | None = None,
    ) -> None:
        self.limits = limits or SessionLimits()
        self._admission = admission or Admission()
        self.half_open_s = half_open_s
        self.close_s = close_s
        self.counters: Counter[str] = Counter()
        self._subscribe = subscribe
        self._frame_ms = frame_ms
        self.ended = EndedSessions()
        self.beside: Callable[[str | None], int] = lambda room: 0
        """How many listeners a room, or the server (None), has beside these sessions: they take places, too."""
        self._sessions: dict[str, StockSession] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    async def start(self) -> None:
        """Nothing to prepare: each connection opens its own port."""

    async def open(self, room: str, offer: str, request: PeerRequest) -> PeerSession:
        """Answer an offer. Raises PeerError. If cancelled, nothing of the session is left behind."""
        # Its tracks have packets of Opus only.
        summary = check_offer(offer, self.limits.sdp, (OPUS,))
        if request.mode != "listen":
            raise PeerError(422, "studio_unavailable", "Studio needs transport = one-port on this server.")
        self._admission.listener(
            len(self._sessions) + self.beside(None),
            sum(s.room == room for s in self._sessions.values()) + self.beside(room),
        )
        self._admission.connecting(sum(s.state == "connecting" for s in self._sessions.values()))
        try:
            track = self._subscribe(room)
        except ProcessError as error:
            raise PeerError(503, "no_instrument", str(error), retry_after_s=5) from error
        request = replace(request, session_id=request.session_id or new_session_id())
        # What aiortc makes for it in here, tasks and timers, logs about it.
        with about(room=room, session=public_handle(request.session_id)):
            session = StockSession(self, room, track, summary, request)
            self._sessions[session.id] = session
            try:
                await session.negotiate(self._frame_ms(room))
            except BaseException:
                session.begin_close()
                raise
        self.counters["opened"] += 1
        return session

    def sessions(self, room: str | None = None) -> list[PeerSession]:
        return [s for s in self._sessions.values() if room is None or s.room == room]

    def find(self, session_id: str) -> PeerSession | None:
        return self._sessions.get(session_id)

    async def refresh(self, room: str) -> None:
        """Counters are this process's own: always fresh."""

    def has_just_ended(self, session_id: str, room: str) -> bool:
        return self.ended.take(session_id, room, monotonic_ns())

    def health(self) -> dict[str, object]:
        states = Counter(session.state for session in self._sessions.values())
        return {
            "transport": "aiortc",
            "sessions": len(self._sessions),
            "connecting": states["connecting"],
            "connected_now": states["connected"],
            **self.counters,
        }

    async def close(self) -> None:
        """Close all sessions at once, within `close_s` and a little."""
        closing = [session.begin_close() for session in tuple(self._sessions.values())]
        if closing:
            await asyncio.wait(closing)
        leftover = tuple(self._tasks)
        if leftover:
            await asyncio.wait(leftover, timeout=1.0)

    def forget(self, session: StockSession) -> None:
        """Called by a session that begins to close."""
        self._sessions.pop(session.id, None)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `work` to its end; an exception is logged and ends there."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._on_task_done)
        return task

    def _on_task_done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.counters["close_errors"] += 1
            log.warning("Closing a connection failed: %s: %s", type(error).__name__, error)
