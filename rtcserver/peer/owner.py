"""What one listener's session asks of the backend that made it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from aiortc import RTCDataChannel

from rtcserver.peer.limits import SessionLimits
from rtcserver.peer.reception import Reception
from rtcserver.peer.way import Broadcast
from rtcserver.transport.endpoint import MediaEndpoint

if TYPE_CHECKING:
    from rtcserver.peer.oneport_session import OnePortSession


class SessionOwner(Protocol):
    """What a session needs of its backend."""

    cname: str
    counters: Counter[str]
    on_datachannel: Callable[[OnePortSession, RTCDataChannel], None]
    on_reception: Callable[[OnePortSession, Reception], None]
    on_joined: Callable[[OnePortSession], None]
    limits: SessionLimits

    @property
    def broadcast(self) -> Broadcast | None: ...

    @property
    def endpoint(self) -> MediaEndpoint: ...

    def on_refused(self, listener_id: int, reason: str) -> None: ...

    def need(self, room: str, encoding: str, *, instead_of: str = "") -> None:
        """A listener needs this encoding of a room, and no more the one `instead_of`; "" is none."""

    def forget(self, session: OnePortSession) -> None: ...
