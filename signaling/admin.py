"""What administrators see and do: every session, and an end to one; every token, and its revocation."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Protocol

from aiohttp import web

from rtcserver.access.door import Action, Grant
from rtcserver.channel import announce
from rtcserver.errors import ConfigError, PeerError
from rtcserver.logs import about
from rtcserver.peer.base import PeerBackend, PeerSession, public_handle
from signaling.entrance import Entrance
from signaling.respond import as_json

log = logging.getLogger(__name__)

COME_AGAIN_MS = 3_000
"""When the page of a session that was ended asks again."""


class Tokens(Protocol):
    """What has been given out, as `rtcserver.server.tokens.TokenStore` keeps it. Calls may wait for the disk."""

    def listed(self) -> Mapping[str, dict[str, Any]]:
        """By id: name, rooms, actions, expires_s, revoked. Raises ConfigError if it cannot be read."""

    def revoke(self, token_id: str) -> None:
        """It counts no more. Raises ConfigError if there is none of this id, or if that cannot be kept."""


class Admin:
    """The handlers. tokens: None where none are kept."""

    def __init__(self, backend: PeerBackend, entrance: Entrance, tokens: Tokens | None) -> None:
        self._backend = backend
        self._entrance = entrance
        self._tokens = tokens

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/api/sessions", self.sessions),
            web.delete("/api/sessions/{session}", self.end),
            web.get("/api/tokens", self.tokens),
            web.delete("/api/tokens/{token}", self.revoke),
        ]

    async def sessions(self, request: web.Request) -> web.Response:
        """All sessions, by the names that the rooms' API and the log have for them."""
        await self._entrance.check(request, Action.ADMIN)
        return as_json({"sessions": [_described(session) for session in self._backend.sessions()]})

    async def end(self, request: web.Request) -> web.Response:
        """End a session. Its client may come again: who must not needs their token revoked, or a rule."""
        handle = request.match_info["session"]
        found = next((s for s in self._backend.sessions() if public_handle(s.id) == handle), None)
        # Who administers one room ends sessions of that room.
        grant = await self._entrance.check(request, Action.ADMIN, None if found is None else found.room)
        if found is None:
            raise PeerError(404, "no_such_session", "There is no session of this name, or it has ended.")
        with about(room=found.room, session=handle):
            log.info("ended by %s", _who(grant))
        parting = announce.leaving("by_admin", "An administrator ended this session.", COME_AGAIN_MS)
        found.end("by_admin", parting)
        return as_json({"ended": handle})

    async def tokens(self, request: web.Request) -> web.Response:
        """All tokens that this server has given out; none of them as text."""
        await self._entrance.check(request, Action.ADMIN)
        try:
            listed = await asyncio.to_thread(self._kept().listed)
        except ConfigError as error:
            raise PeerError(503, "no_tokens", str(error)) from error
        return as_json({"tokens": [{"id": token_id, **entry} for token_id, entry in listed.items()]})

    async def revoke(self, request: web.Request) -> web.Response:
        """Revoke a token. What was let in by it ends within a second."""
        grant = await self._entrance.check(request, Action.ADMIN)
        token_id = request.match_info["token"]
        kept = self._kept()
        try:
            if token_id not in await asyncio.to_thread(kept.listed):
                raise PeerError(404, "no_such_token", "There is no token of this id.")
            await asyncio.to_thread(kept.revoke, token_id)
        except ConfigError as error:
            raise PeerError(503, "no_tokens", str(error)) from error
        log.info("token %s is revoked by %s", token_id, _who(grant))
        return as_json({"revoked": token_id})

    def _kept(self) -> Tokens:
        if self._tokens is None:
            raise PeerError(404, "no_tokens", "This server keeps no tokens.")
        return self._tokens


def _described(session: PeerSession) -> dict[str, Any]:
    info = session.info()
    return {
        "id": public_handle(session.id),
        "room": session.room,
        "state": info.state,
        "since_s": round(info.since_s, 3),
        "address": info.address,
        "by": session.grant.by,
        "name": session.grant.name,
        "counters": info.counters,
        **info.details,
    }


def _who(grant: Grant) -> str:
    return f"{grant.by} {grant.name}".strip()
