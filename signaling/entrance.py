"""Where requests meet the authorizer: what they show, and which action they are."""

from __future__ import annotations

import contextlib
import logging

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from rtcserver.access.admission import Admission
from rtcserver.access.authorizer import Authorizer
from rtcserver.access.door import Action, Grant, Request
from rtcserver.access.rules import NETWORKS, lies_in
from rtcserver.clock import monotonic_ns
from rtcserver.errors import PeerError
from signaling.forwarded import local_address, origin_of
from signaling.headers import basic_of, bearer_of

log = logging.getLogger(__name__)

AUTHORIZER = web.AppKey("authorizer", Authorizer)
PROXIES_TOLD = 16
"""Proxies that are named in the log when they are not trusted, each once."""


class Entrance:
    """Asks the authorizer in the name of HTTP requests."""

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer
        self._told: set[str] = set()

    async def check(
        self,
        request: web.Request,
        action: Action,
        room: str | None = None,
        session: str = "",
        *,
        shown: bool = False,
    ) -> Grant:
        """The ground on which the request may do this in the room, or in the server as a whole. Raises PeerError.

        session: the public name of the session that is meant, or "". shown: whether only what it shows counts, and not
        the network that it comes from.
        """
        return await self._authorizer.check(self._asked(request, action, room, session, shown=shown))

    def check_now(self, request: web.Request, action: Action, room: str) -> Grant | None:
        """The same where nobody else is asked for it and no password is looked at; None if that would decide."""
        return self._authorizer.check_now(self._asked(request, action, room))

    def owns(self, request: web.Request, room: str) -> bool:
        """Whether who asks is somebody who can mend what is wrong with a room: they perform there, administer it, or sit at
        this machine. What takes time to find out is not asked."""
        origin = origin_of(request)
        # Whoever stands at the machine may reach it by any of its addresses.
        if not origin.doubtful and (
            lies_in(origin.address, NETWORKS["loopback"]) or origin.address == local_address(request)
        ):
            return True
        for action in (Action.PERFORM, Action.ADMIN):
            with contextlib.suppress(PeerError):
                if self.check_now(request, action, room) is not None:
                    return True
        return False

    def marked(self, grant: Grant, request: web.Request, room: str) -> Grant:
        """See `Authorizer.marked`."""
        return self._authorizer.marked(grant, self._asked(request, Action.ADMIN, room))

    def _asked(
        self,
        request: web.Request,
        action: Action,
        room: str | None,
        session: str = "",
        *,
        shown: bool = False,
    ) -> Request:
        origin = origin_of(request)
        if origin.doubtful:
            self._tell(origin.address)
        authorization = request.headers.get("Authorization", "")
        user, password = basic_of(authorization)
        return Request(
            action,
            room,
            bearer_of(authorization),
            origin.address,
            user,
            password,
            origin.doubtful,
            session,
            shown,
        )

    def _tell(self, proxy: str) -> None:
        # Strangers send such headers, too, and are not to be in the log.
        near = lies_in(proxy, NETWORKS["private"])
        if near and proxy not in self._told and len(self._told) < PROXIES_TOLD:
            self._told.add(proxy)
            log.warning(
                "%s forwards requests and is not in trusted_proxies, or does not say for whom: "
                "whom it asks for gets no rights of a network",
                proxy,
            )


def unhurried(admission: Admission) -> Middleware:
    """A middleware that refuses clients which send too many requests (429)."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        admission.request(origin_of(request).address, monotonic_ns())
        return await handler(request)

    return check
