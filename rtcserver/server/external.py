"""`auth_url`: a decision by another server, asked by HTTP as MediaMTX asks. Loop-bound, and never on the way of the sound.

It is sent ``POST`` with JSON: ``action``, ``room`` (empty for the server as a whole), ``ip`` (empty if it is not known),
``user``, ``password``, ``token`` and ``id``, the session's name in ``/api/sessions``. Any 2xx lets pass, 5xx and no answer
mean that it cannot be found out, everything else refuses.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import secrets
from collections import OrderedDict

import aiohttp

from rtcserver.access.door import Request
from rtcserver.clock import NS, monotonic_ns
from rtcserver.errors import PeerError

log = logging.getLogger(__name__)

TIMEOUT_S = 3.0
"""How long an answer may take, from the beginning of the connection."""
KEEP_ALLOWED_S = 10
"""How long the same request is let pass without asking again."""
KEEP_REFUSED_S = 2
KEPT = 1024
"""Answers that are kept; the oldest is forgotten first."""
AT_A_TIME = 16
"""Questions that are open at the same time; further ones wait."""
WAITING = 128
"""Questions that may be open or wait; one more is answered 503."""
RETRY_AFTER_S = 5

_UNKNOWN = "Whether you may is decided by another server, which does not answer just now."


class External:
    """Asks one `auth_url`. `close` it."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._http: aiohttp.ClientSession | None = None
        self._secret = secrets.token_bytes(32)
        self._kept: OrderedDict[bytes, tuple[bool, int]] = OrderedDict()
        self._asking: dict[bytes, asyncio.Task[bool]] = {}
        self._turns = asyncio.Semaphore(AT_A_TIME)
        self._answers = True

    async def allows(self, request: Request) -> bool:
        """Whether the other server lets them pass. Raises PeerError(503) if that cannot be found out in time."""
        mark = self._mark(request)
        kept = self._kept.get(mark)
        if kept is not None and monotonic_ns() < kept[1]:
            return kept[0]
        asking = self._asking.get(mark)
        if asking is None:
            if len(self._asking) >= WAITING:
                raise PeerError(503, "auth_busy", _UNKNOWN, retry_after_s=RETRY_AFTER_S)
            asking = self._asking[mark] = asyncio.create_task(self._ask(mark, request))
            asking.add_done_callback(lambda done: self._done(mark, done))
        # Who asks the same at the same time waits for the same answer, and may leave without ending it.
        return await asyncio.shield(asking)

    async def close(self) -> None:
        """End open questions and connections."""
        for asking in tuple(self._asking.values()):
            asking.cancel()
        if self._http is not None:
            await self._http.close()

    def _done(self, mark: bytes, asking: asyncio.Task[bool]) -> None:
        self._asking.pop(mark, None)
        if not asking.cancelled():
            asking.exception()  # Whoever waited has it; nobody may be left.

    async def _ask(self, mark: bytes, request: Request) -> bool:
        try:
            async with asyncio.timeout(TIMEOUT_S), self._turns:
                status = await self._post(request)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            self._failed(f"{type(error).__name__}")
            raise PeerError(503, "auth_unreachable", _UNKNOWN, retry_after_s=RETRY_AFTER_S) from None
        if status >= 500:
            self._failed(f"HTTP {status}")
            raise PeerError(503, "auth_unreachable", _UNKNOWN, retry_after_s=RETRY_AFTER_S)
        if not self._answers:
            self._answers = True
            log.warning("auth_url answers again")
        allowed = 200 <= status < 300
        keep_s = KEEP_ALLOWED_S if allowed else KEEP_REFUSED_S
        self._kept[mark] = allowed, monotonic_ns() + keep_s * NS
        self._kept.move_to_end(mark)
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return allowed

    async def _post(self, request: Request) -> int:
        if self._http is None:
            # No cookies: one listener's answer must not speak for another.
            self._http = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        body = {
            "action": request.action.value,
            "room": request.room or "",
            "ip": "" if request.doubtful else request.address,
            "user": request.user,
            "password": request.password,
            "token": request.credential,
            "id": request.session,
        }
        async with self._http.post(self._url, json=body, allow_redirects=False) as response:
            return response.status

    def _failed(self, why: str) -> None:
        if self._answers:
            self._answers = False
            log.warning(
                "auth_url does not answer (%s): who would have to be asked about is answered 503", why
            )

    def _mark(self, request: Request) -> bytes:
        """What makes two requests the same; what they show is not kept as it is."""
        parts = (
            request.action.value,
            request.room or "",
            "" if request.doubtful else request.address,
            request.user,
            request.password,
            request.credential,
        )
        text = "\0".join(f"{len(part)}:{part}" for part in parts)
        return hmac.digest(self._secret, text.encode("utf-8", "surrogatepass"), hashlib.sha256)
