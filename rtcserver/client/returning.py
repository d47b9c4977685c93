"""A listener that comes back: whenever its sound is gone, it connects anew, as the page does.

It leaves a session when the server says goodbye (PROTOCOL.md, "leaving"), closes the connection, or knows the session
no more. Where packets are missing it asks the server before it believes that, as a network that pauses is not a
server that is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from typing import Any, Self

from rtcserver.client.listener import Listener
from rtcserver.client.midi import MidiClient, MidiEvent
from rtcserver.client.patience import LOST_S, QUIET_S, SPREAD_S, ask_again_s, wait_s
from rtcserver.client.whep import ListenError
from rtcserver.clock import NS, monotonic_ns

_LOOK_S = 0.1
_LONGEST_AFTER_MS = 120_000
"""The longest wait that PROTOCOL.md lets a server ask for."""


def after_s(leaving: dict[str, Any]) -> float:
    """Seconds to wait before coming back, as a ``leaving`` message asks; 0 where it says nothing that can be followed."""
    asked = leaving.get("after_ms", 0)
    if isinstance(asked, bool) or not isinstance(asked, int | float) or not asked > 0:
        return 0.0
    return min(asked, _LONGEST_AFTER_MS) / 1000


class ReturningListener:
    """``async with ReturningListener(url) as ears:`` listens until its end; `ear` is the session of the moment.

    make: a listener that is not connected, with the channels that it is to open. on_event: called with each event
    that is played. Raises `ListenError` on entry if there is no first connection. Loop-bound.
    """

    def __init__(
        self,
        url: str,
        *,
        make: Callable[[str, MidiClient], Listener] = lambda url, channels: Listener(url, channels=channels),
        on_event: Callable[[MidiEvent], None] | None = None,
    ) -> None:
        self.ear: Listener | None = None
        self.latest: Listener | None = None
        """The newest session that was connected, also when it is over."""
        self.channels: MidiClient | None = None
        """Its channels."""
        self.returns = 0
        """How often it has come back."""
        self._url = url
        self._make = make
        self._on_event = on_event
        self._leaving: dict[str, Any] | None = None
        self._task: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self._connect()
        self._task = asyncio.create_task(self._run(), name=f"listens to {self._url}")
        return self

    async def __aexit__(self, *_: object) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, ListenError):
                await task
        self._leave()
        if self._closing:
            await asyncio.wait(tuple(self._closing))

    async def ended(self) -> None:
        """Until it cannot come back any more. Raises `ListenError` that says why."""
        if self._task is not None:
            await asyncio.shield(self._task)

    async def _connect(self) -> None:
        channels = MidiClient(on_said=self._hear, on_event=self._on_event)
        ear = self._make(self._url, channels)
        self._leaving = None
        try:
            await ear.connect()
        except BaseException:
            await ear.close()
            raise
        self.ear = self.latest = ear
        self.channels = channels

    def _hear(self, said: dict[str, Any]) -> None:
        if said.get("type") == "leaving":
            self._leaving = said

    async def _run(self) -> None:
        while True:
            assert self.ear is not None
            await self._stay(self.ear)
            said = self._leaving or {}
            self._leave()
            if said.get("reason") == "removed":
                raise ListenError(str(said.get("message") or "A performer removed this listener."))
            await asyncio.sleep(after_s(said))
            attempt = 0
            while True:
                try:
                    await self._connect()
                    break
                except ListenError as error:
                    if not error.again:
                        raise
                    attempt += 1
                    await asyncio.sleep(wait_s(attempt, random.random(), error.retry_after_s))
            self.returns += 1

    async def _stay(self, ear: Listener) -> None:
        """Return when this session is over."""
        spread_ns = round(random.random() * SPREAD_S * NS)
        ask_ns = 0
        while not self._over(ear):
            await ear.until(lambda: self._over(ear), _LOOK_S)
            now = monotonic_ns()
            quiet_ns = now - ear.last_ns
            if quiet_ns > LOST_S * NS:
                return
            if quiet_ns > QUIET_S * NS + spread_ns and now >= ask_ns:
                found = await ear.ask()
                if found == "gone":
                    return
                ask_ns = monotonic_ns() + round(
                    ask_again_s(there=found == "there", random=random.random()) * NS
                )

    def _over(self, ear: Listener) -> bool:
        return self._leaving is not None or ear.state != "connected"

    def _leave(self) -> None:
        """Close the session of the moment, without waiting: a server that is gone lets its client wait for seconds."""
        ear, self.ear = self.ear, None
        if ear is not None:
            task = asyncio.create_task(ear.close(), name="closes a session")
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
