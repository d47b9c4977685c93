"""The performer's desk: who is in a room and how they hear it, a performer muted, a listener removed.

For those who perform there, and for administrators. Listeners see how many they are, and nothing else.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any, Protocol

from aiohttp import web

from rtcserver.access.admission import Admission, ClientRates
from rtcserver.access.door import Action, Grant
from rtcserver.access.removals import KEEP_OUT_S, Removals
from rtcserver.channel import announce
from rtcserver.clock import NS, monotonic_ns
from rtcserver.errors import PeerError
from rtcserver.logs import about
from rtcserver.peer.base import PeerBackend, PeerSession, public_handle
from rtcserver.room.people import Known, rows
from signaling.body import read_text
from signaling.entrance import Entrance
from signaling.forwarded import origin_of
from signaling.limits import Limits
from signaling.respond import as_json
from signaling.rooms import RoomDirectory, existing

log = logging.getLogger(__name__)

LISTS_PER_MINUTE = 240
"""Lists that one address may ask for: a page asks once a second while its desk is open."""
DEEDS_PER_MINUTE = 60
"""People that one address may mute or remove."""
NEVER_MS = 120_000
"""The longest time that a page can be told to stay away; one that knows what "removed" means stays away by itself."""

_HEALTH = (
    "state",
    "error",
    "note",
    "device",
    "rate",
    "channels",
    "blocksize",
    "frame_ms",
    "bitrate_bps",
    "xruns",
    "lost_frames",
    "starved_frames",
    "dropped_messages",
    "frames_behind",
    "drift_ppm",
    "resting",
    "encode_ns",
    "at_ns",
)


class Desks(Protocol):
    """What the rooms' desks know, as `rtcserver.room.desks.Desks`."""

    def known(self, room: str, session_id: str) -> Known | None:
        """What is known of a session; None for one without a page of ours."""

    def mute(self, room: str, session_id: str, on: bool) -> None:
        """Take nothing more that a performer plays, or all again. Raises PeerError(409) for one who performs not."""


class People:
    """The handlers. desks: None where nobody can play."""

    def __init__(
        self,
        rooms: RoomDirectory,
        backend: PeerBackend,
        entrance: Entrance,
        admission: Admission,
        limits: Limits,
        removals: Removals,
        desks: Desks | None,
    ) -> None:
        self._rooms, self._backend, self._entrance = rooms, backend, entrance
        self._admission, self._limits = admission, limits
        self._removals = removals
        self._desks = desks
        self._lists = ClientRates(LISTS_PER_MINUTE)
        self._deeds = ClientRates(DEEDS_PER_MINUTE)

    def routes(self) -> list[web.RouteDef]:
        people = "/api/rooms/{room}/people"
        return [
            web.get(people, self.listed),
            web.post(f"{people}/{{session}}/mute", self.mute),
            web.post(f"{people}/{{session}}/remove", self.remove),
        ]

    async def listed(self, request: web.Request) -> web.Response:
        """Everybody who is there, and how the instrument does."""
        room = existing(self._rooms, request)
        self._hurry(self._lists, request)
        grant = await self._let_in(request, room)
        people = ((session.info(), session.grant, self._known(session)) for session in self._sessions(room))
        total, found = rows(people)
        return as_json(
            {
                "admin": grant.admin,
                "total": total,
                "people": found,
                "instrument": self._instrument(room),
                "keep_out_s": KEEP_OUT_S,
            }
        )

    async def mute(self, request: web.Request) -> web.Response:
        """``{"on": true}``: take nothing more that a performer plays; false: take it again."""
        session, grant = await self._meant(request)
        on = _flag(await self._body(request), "on", True)
        if self._desks is None:
            raise PeerError(409, "no_performer", "Only who performs can be muted.")
        self._desks.mute(session.room, session.id, on)
        self._note("muted" if on else "unmuted", session, grant)
        return as_json({"id": public_handle(session.id), "muted": on})

    async def remove(self, request: web.Request) -> web.Response:
        """End a session; its page does not come back by itself. ``{"keep_out": true}``: nor does anybody from there for a
        while."""
        session, grant = await self._meant(request)
        keep_out = _flag(await self._body(request), "keep_out", False)
        info = session.info()
        if keep_out:
            self._may_keep_out(request, session, info.address)
        if not self._admission.is_shared(info.address) and not getattr(session, "doubtful", False):
            agent = str(info.details.get("user_agent", ""))
            self._removals.add(
                session.room, info.address, session.grant, agent, keep_out=keep_out, now_ns=monotonic_ns()
            )
        self._note("removed, to be kept out" if keep_out else "removed", session, grant)
        session.end(
            "removed", announce.leaving("removed", "A performer removed you from this room.", NEVER_MS)
        )
        return as_json({"removed": public_handle(session.id), "keep_out_s": KEEP_OUT_S if keep_out else 0})

    async def _let_in(self, request: web.Request, room: str) -> Grant:
        """Who performs there, or administers. Raises PeerError."""
        try:
            grant = await self._entrance.check(request, Action.PERFORM, room)
        except PeerError as refusal:
            if refusal.status not in (401, 403):
                raise
            try:
                grant = await self._entrance.check(request, Action.ADMIN, room)
            except PeerError:
                raise refusal from None
        return self._entrance.marked(grant, request, room)

    async def _meant(self, request: web.Request) -> tuple[PeerSession, Grant]:
        """The session of a request's address, and who asks. Raises PeerError."""
        room = existing(self._rooms, request)
        self._hurry(self._deeds, request)
        grant = await self._let_in(request, room)
        handle = request.match_info["session"]
        found = next((one for one in self._sessions(room) if public_handle(one.id) == handle), None)
        if found is None:
            raise PeerError(404, "no_such_session", "They have left already.")
        known = self._known(found)
        if (found.grant.admin or (known is not None and known.admin)) and not grant.admin:
            raise PeerError(403, "is_admin", "They administer this room: only another administrator may.")
        return found, grant

    def _may_keep_out(self, request: web.Request, session: PeerSession, address: str) -> None:
        origin = origin_of(request)
        if getattr(session, "doubtful", False) or self._admission.is_shared(address):
            raise PeerError(
                409,
                "shared_address",
                "They cannot be kept out: others come from the same address. Remove them without that.",
            )
        if self._admission.client(address) == self._admission.client(origin.address):
            raise PeerError(
                409,
                "own_address",
                "They cannot be kept out: their address is yours, too. Remove them without that.",
            )

    def _sessions(self, room: str) -> list[PeerSession]:
        return self._backend.sessions(room)

    def _known(self, session: PeerSession) -> Known | None:
        return self._desks.known(session.room, session.id) if self._desks is not None else None

    def _instrument(self, room: str) -> dict[str, Any]:
        health = self._rooms.health()
        said = health.get("rooms", {}).get(room, {})
        process = health.get("processes", {}).get(f"instrument:{room}", {})
        return {name: said[name] for name in _HEALTH if name in said} | {
            "restarts": process.get("restarts", 0)
        }

    async def _body(self, request: web.Request) -> Mapping[str, Any]:
        return await json_body(request, self._limits)

    def _hurry(self, rates: ClientRates, request: web.Request) -> None:
        hurry(rates, self._admission, request)

    @staticmethod
    def _note(what: str, session: PeerSession, grant: Grant) -> None:
        with about(room=session.room, session=public_handle(session.id)):
            log.info("%s by %s", what, f"{grant.by} {grant.name}".strip())


def hurry(rates: ClientRates, admission: Admission, request: web.Request) -> None:
    """Count one more request of its address. Raises PeerError(429) for one too many."""
    wait_ns = rates.take(admission.client(origin_of(request).address), monotonic_ns())
    if wait_ns > 0:
        wait_s = -(-wait_ns // NS)
        raise PeerError(
            429,
            "too_often",
            f"This is asked too often from your address: {rates.per_minute} times a minute are allowed.",
            retry_after_s=wait_s,
        )


async def json_body(request: web.Request, limits: Limits) -> Mapping[str, Any]:
    """The object of a request's body, empty for none. Raises PeerError."""
    if not request.can_read_body:
        return {}
    text = await read_text(request, "application/json", limits)
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise PeerError(400, "malformed", "The body of this request is not JSON.") from None
    if not isinstance(found, dict):
        raise PeerError(400, "malformed", "The body of this request is not a JSON object.")
    return found


def _flag(body: Mapping[str, Any], name: str, otherwise: bool) -> bool:
    value = body.get(name, otherwise)
    if not isinstance(value, bool):
        raise PeerError(400, "malformed", f"{name} is true or false.")
    return value
