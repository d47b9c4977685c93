"""What was let in by a token ends when the token does: at its end, or within a second of its revocation by whomever.

Whoever may listen without a token is not touched: a session knows the ground on which it was let in.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from rtcserver.access.authorizer import Authorizer
from rtcserver.channel import announce
from rtcserver.logs import about
from rtcserver.peer.base import PeerBackend, public_handle
from rtcserver.tasks import cancelled

log = logging.getLogger(__name__)

PERIOD_S = 1.0


class Lapses:
    """Looks once a second. lapse_performers: `Listening.lapse`. Loop-bound."""

    def __init__(
        self, authorizer: Authorizer, backend: PeerBackend, lapse_performers: Callable[[], None]
    ) -> None:
        self._authorizer = authorizer
        self._backend = backend
        self._lapse_performers = lapse_performers
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.get_running_loop().create_task(self._look_on())

    async def close(self) -> None:
        """Look no more."""
        await cancelled(self._task)

    def look(self) -> None:
        """End what counts no more, now."""
        for session in self._backend.sessions():
            if session.grant.by == "network":
                continue
            sentence = self._authorizer.lapsed(session.grant)
            if sentence:
                with about(room=session.room, session=public_handle(session.id)):
                    log.info("its token ends it: %s", sentence)
                # The page asks again at once: it may listen without the token, or is told why not.
                session.end("lapsed", announce.leaving("lapsed", sentence, 0))
        self._lapse_performers()

    async def _look_on(self) -> None:
        while True:
            await asyncio.sleep(PERIOD_S)
            try:
                self.look()
            except Exception:
                log.exception("looking for lapsed tokens failed")
