"""Hearing for a while, with word of how far it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

EVERY_S = 0.25


class Ear(Protocol):
    """A connected listener of either mode."""

    @property
    def heard_s(self) -> float: ...

    async def hear(self, seconds: float, *, stall_s: float) -> bool: ...


async def hear_telling(
    ear: Ear, seconds: float, stall_s: float, on_progress: Callable[[float], None] | None
) -> None:
    """`ear.hear`, while `on_progress` is told each `EVERY_S` how many of the `seconds` have been heard.

    Raises what `hear` raises.
    """
    hearing = asyncio.ensure_future(ear.hear(seconds, stall_s=stall_s))
    try:
        while not hearing.done():
            await asyncio.wait([hearing], timeout=EVERY_S)
            if on_progress is not None:
                on_progress(min(seconds, ear.heard_s))
        hearing.result()
    finally:
        hearing.cancel()
