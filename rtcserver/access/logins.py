"""Checks of passwords that cannot be made to cost more than a fixed share of the machine. Loop-bound.

Each check takes a tenth of a second of a core (`rtcserver.access.users`). It runs in one thread of the lowest priority,
one at a time; few may wait for it, and who fails often waits for longer. A password that was right is remembered as a
keyed hash, so that a player pays for its first request only.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import os
import secrets
import threading
from collections import OrderedDict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from rtcserver.access.address import client_of
from rtcserver.access.users import MAX_PASSWORD, NOBODY, User, matches
from rtcserver.clock import NS, monotonic_ns
from rtcserver.errors import PeerError

FAILURES = 10
"""Wrong passwords from one address (IPv6: one /64) within `WINDOW_S`; one more is answered 429."""
WINDOW_S = 60
WAITING = 8
"""Checks that may wait or run at the same time; one more is answered 503."""
REMEMBERED = 256
"""Right passwords that are remembered; the one that was used longest ago is forgotten first."""
ADDRESSES = 4096
"""Addresses whose failures are counted; the one that failed longest ago is forgotten first."""


class Logins:
    """Checks the passwords of these users."""

    def __init__(self, users: Iterable[User]) -> None:
        self._hashes = {user.name: user.password for user in users}
        self._secret = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, None] = OrderedDict()
        self._failures: OrderedDict[str, list[int]] = OrderedDict()
        self._running = 0
        self._thread = ThreadPoolExecutor(1, "passwords", _step_back)

    async def right(self, user: str, password: str, address: str) -> bool:
        """Whether the password is the user's; a user that there is not costs as much. Raises PeerError(429, 503)."""
        kept = self._hashes.get(user, NOBODY)
        mark = self._mark(password, kept)
        if mark in self._right:
            self._right.move_to_end(mark)
            return True
        source = client_of(address)
        self._admit(source, monotonic_ns())
        # Counted before the answer is known, or many at a time would all be first.
        self._failures.setdefault(source, []).append(monotonic_ns())
        self._running += 1
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._thread, matches, password, kept)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # `close` has cancelled it: other users apply from now on.
            raise PeerError(
                503, "busy", "The users of this server are being changed.", retry_after_s=1
            ) from None
        finally:
            self._running -= 1
        if not found or user not in self._hashes:
            return False
        counted = self._failures.get(source)
        if counted:
            counted.pop()
        self._right[mark] = None
        if len(self._right) > REMEMBERED:
            self._right.popitem(last=False)
        return True

    def close(self) -> None:
        """End the thread; who waits for it is told to come again."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _mark(self, password: str, kept: str) -> bytes:
        text = f"{kept}\0{password[: MAX_PASSWORD + 1]}"
        return hmac.digest(self._secret, text.encode("utf-8", "surrogatepass"), hashlib.sha256)

    def _admit(self, source: str, now_ns: int) -> None:
        recent = [at for at in self._failures.pop(source, ()) if now_ns - at < WINDOW_S * NS]
        if recent:
            self._failures[source] = recent
        while len(self._failures) > ADDRESSES:
            self._failures.popitem(last=False)
        if len(recent) >= FAILURES:
            wait_s = WINDOW_S - (now_ns - recent[0]) // NS
            raise PeerError(
                429,
                "too_many_failures",
                "Too many wrong passwords came from your address.",
                retry_after_s=max(1, wait_s),
            )
        if self._running >= WAITING:
            raise PeerError(
                503, "busy", "Too many passwords are being checked at this moment.", retry_after_s=2
            )


def _step_back() -> None:
    """Let the thread have what others leave; only Linux has priorities of threads."""
    with contextlib.suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
