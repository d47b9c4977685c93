"""Whether a room's instrument hands out PCM: while somebody in Studio gets it, and a little longer. Loop-bound."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from functools import partial
from typing import Protocol

from rtcserver.clock import NS
from rtcserver.peer.demand import KEEP_NS
from rtcserver.room.member import Member


class Exact(Protocol):
    """What hands out PCM or not: `rtcserver.instrument.supervisor.InstrumentSupervisor`."""

    def set_studio(self, on: bool) -> None: ...


class ExactDemand:
    """One room's. members: those who are there at the moment."""

    def __init__(self, instrument: Exact, members: Callable[[], Collection[Member]]) -> None:
        self._instrument = instrument
        self._members = members
        self.ends: asyncio.TimerHandle | None = None
        """When the instrument hands out no PCM any more."""
        self._on = False

    def follow(self) -> None:
        """Look who is there. Who leaves exact samples for light is sent them until light is there."""
        members = self._members()
        wanted = any(m.studio_ready and m.session.sending.place == "exact" for m in members)
        if wanted or not any(m.session.sending.light for m in members):
            self._set(wanted)
        elif self._on and self.ends is None:
            self.ends = asyncio.get_running_loop().call_later(KEEP_NS / NS, partial(self._set, False))

    def close(self) -> None:
        """Change nothing any more."""
        if self.ends is not None:
            self.ends.cancel()

    def _set(self, on: bool) -> None:
        if self.ends is not None:
            self.ends.cancel()
            self.ends = None
        self._on = on
        self._instrument.set_studio(on)
