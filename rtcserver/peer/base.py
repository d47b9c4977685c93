"""The seam between signaling and the two listener transports.

`PeerBackend` is implemented by `rtcserver.stock.peer` (aiortc's RTCPeerConnection over
MontageTrack) and `rtcserver.peer.oneport` (ICE-lite on one UDP port and the broadcast process).
Signaling sees nothing else of a listener.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, get_args

from rtcserver.access.door import Grant

Mode = Literal["listen", "studio", "studio-channel"]
MODES: tuple[Mode, ...] = get_args(Mode)
"""studio-channel is Studio over a DataChannel, for browsers without Encoded Transforms."""
Quality = Literal["exact", "light"]
QUALITIES: tuple[Quality, ...] = get_args(Quality)
"""What a Studio session is sent: the instrument's samples, or Opus of short frames (`rtcserver.encode.encoding.LIGHT`)."""
Sent = Literal[Quality, "both"]
"""The same at one moment: for a change, and to try whether the network carries the samples, both come side by side."""


@dataclass(frozen=True, slots=True)
class PeerRequest:
    """What signaling knows about the client that posts an offer.

    remote_address: the client's IP address as text, for limits.
    http_host: the host part of its ``Host`` header (no port), or "": how it reached this machine.
    local_address: the address of this machine that its request arrived on, as text, or ""; a link-local IPv6 one
        with its interface index, as in ``fe80::1%2``.
    doubtful: whether a proxy that is not trusted stands between, so that the address may not be the client's.
    session_id: to be the session's id; "" lets the backend make one. grant: on what ground it may listen.
    mode: what it asks for. Listen is Opus; Studio is PCM in RTP, which only the page's own worker can
        read, so it is asked for by a header that no other client sends. quality: with which quality Studio begins.
    instead: the id of a session of the same client that this one is to take the place of, or ""; see
        `rtcserver.peer.switching`.
    """

    remote_address: str
    http_host: str = ""
    user_agent: str = ""
    doubtful: bool = False
    session_id: str = ""
    grant: Grant = field(default_factory=Grant)
    local_address: str = ""
    mode: Mode = "listen"
    quality: Quality = "exact"
    instead: str = field(default="", repr=False)


def new_session_id() -> str:
    """An id that nobody guesses, for a session's URL."""
    return secrets.token_urlsafe(24)


def public_handle(session_id: str) -> str:
    """A name for a session that may be shown and logged: the id itself would let anyone end it."""
    return hashlib.sha256(session_id.encode()).hexdigest()[:12]


@dataclass(slots=True)
class SessionInfo:
    """What ``GET /api/rooms/{room}`` tells about one session."""

    id: str
    state: str
    since_s: float
    counters: dict[str, int] = field(default_factory=dict)
    details: dict[str, object] = field(default_factory=dict)
    """What else may be shown: its mode, its role, its user agent, what it reported."""
    address: str = ""
    """Of the client that asked for it, or ""; for administrators only."""


class PeerSession(Protocol):
    """One listener. Owned by the backend that made it; loop-bound, not thread-safe."""

    @property
    def id(self) -> str:
        """Unguessable, URL-safe; names the WHEP session resource."""

    @property
    def room(self) -> str: ...

    @property
    def answer(self) -> str:
        """The SDP answer, with all candidates and end-of-candidates."""

    @property
    def etag(self) -> str:
        """Opaque; changes with each ICE restart. Without quotes."""

    @property
    def grant(self) -> Grant:
        """On what ground its client may listen."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Further headers of the answer: what a mode other than Listen got."""

    def info(self) -> SessionInfo: ...

    async def patch(self, sdpfrag: str) -> str | None:
        """Apply a trickle-ICE or ICE-restart fragment (RFC 8840; draft-ietf-wish-whep).

        Returns None for 204, or the answering fragment for 200 (ICE restart).
        Raises PeerError(422) for what is not supported.
        """

    async def close(self) -> None:
        """End the session. Idempotent, bounded in time."""

    def end(self, reason: str, parting: str = "") -> None:
        """End the session for a reason of the server's, such as ``lapsed``. Idempotent; does not wait.

        parting: what its page is told before, if it can be told anything (PROTOCOL.md, "leaving").
        """


class PeerBackend(Protocol):
    """Makes sessions. One per server process.

    beside: how many listeners a room, or the server (None), has beside these sessions: they take places, too.
    """

    beside: Callable[[str | None], int]

    async def start(self) -> None: ...

    async def open(self, room: str, offer: str, request: PeerRequest) -> PeerSession:
        """Answer an SDP offer. Raises PeerError, whose status and sentence go to the client."""

    def sessions(self, room: str | None = None) -> list[PeerSession]: ...

    def find(self, session_id: str) -> PeerSession | None: ...

    async def refresh(self, room: str) -> None:
        """Let the counters of a room's sessions be a second old at most. Bounded in time."""

    def has_just_ended(self, session_id: str, room: str) -> bool:
        """Whether the session ended by itself within the last minute. True once: it is forgotten with that."""

    def health(self) -> dict[str, object]:
        """Counters and process states for ``/healthz``; JSON-serialisable."""

    async def close(self) -> None:
        """Close all sessions, bounded in time."""
