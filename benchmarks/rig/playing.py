"""What a room's page costs while it plays: of its main thread, seen and hidden, and of its memory. Of several builds.

Every build plays all the time, in a window of its own, and a performer of each plays eight notes a second on the embedded
instrument, so that keys light and the roll moves. They are looked at in turns. Time of the main thread is what its tasks
ran, by the kernel's account of that thread: a busy machine adds nothing to it but cold caches.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from benchmarks.midi_fanout import perform
from benchmarks.rig.common import say
from benchmarks.rig.tabs import Tab, Tabs
from tests.rig.process import RigError

EVENTS_PER_S = 16.0
"""Eight notes a second: each begins and ends."""
SETTLING_S = 4.0
FILLING_S = 140.0
"""By then the page's rings are full: statistics of a minute, and the numbers of 2,048 events."""
LIMIT_S = 40.0
PROJECTED_S = 30 * 60.0


@dataclass
class Played:
    """One build's page while it plays."""

    tab: Tab
    browser: Tabs
    blank: Tab
    seen_pct: list[float] = field(default_factory=list)
    hidden_pct: list[float] = field(default_factory=list)
    heap: list[tuple[float, float]] = field(default_factory=list)
    """Seconds of playing, and MB after garbage collection."""

    async def busy_pct(self, seconds: float) -> float:
        """Percent of a core that the main thread's tasks take from now on."""
        before, began = await self.tab.metrics(), time.monotonic()
        await asyncio.sleep(seconds)
        after, ended = await self.tab.metrics(), time.monotonic()
        return 100 * (after["TaskDuration"] - before["TaskDuration"]) / (ended - began)

    async def hide(self, gone: bool) -> None:
        """Put another tab in front, or this one again. Raises RigError if the page does not see it."""
        await self.browser.show(self.blank if gone else self.tab)
        await until(self.tab, f"document.hidden === {str(gone).lower()}")

    async def weigh(self, at_s: float) -> None:
        """Note the heap's size."""
        await self.tab.send("HeapProfiler.collectGarbage")
        self.heap.append((at_s, (await self.tab.metrics())["JSHeapUsedSize"] / 2**20))

    def figures(self) -> dict[str, float]:
        return {
            "main_thread_pct": round(median(self.seen_pct), 2),
            "hidden_pct": round(median(self.hidden_pct), 3),
            "heap_growth_mb": round(growth_mb(self.heap), 2),
        }


def growth_mb(heap: list[tuple[float, float]], projected_s: float = PROJECTED_S) -> float:
    """How much a heap grows in half an hour, from sizes at some seconds. Pure.

    What is measured counts as it is; what is left of the half hour goes on by the line of least squares through the sizes
    after `FILLING_S`, when the page's rings are full. A line that falls is taken for a level one.
    """
    began, first = heap[0]
    ended, last = heap[-1]
    late = [(at, size) for at, size in heap if at - began >= FILLING_S]
    if len(late) < 3:
        late = heap
    mean_at = sum(at for at, _ in late) / len(late)
    mean = sum(size for _, size in late) / len(late)
    spread = sum((at - mean_at) ** 2 for at, _ in late)
    slope = sum((at - mean_at) * (size - mean) for at, size in late) / spread if spread else 0.0
    return last - first + max(0.0, slope) * max(0.0, projected_s - (ended - began))


async def until(tab: Tab, expression: str) -> Any:
    """A JavaScript expression's value, as soon as it is true. Raises RigError after a while, and says why it was not.

    A page that is being loaded has no place yet where anything could be evaluated: that is waited for, too.
    """
    deadline, why = time.monotonic() + LIMIT_S, "it was false"
    while time.monotonic() < deadline:
        try:
            if value := await tab.evaluate(expression):
                return value
        except RigError as error:
            why = str(error)
        await asyncio.sleep(0.05)
    raise RigError(f"not in {LIMIT_S:g} s: {expression}: {why}")


@contextlib.asynccontextmanager
async def opened(room: str) -> AsyncIterator[Played]:
    """A room's page that plays, in front of an empty one."""
    async with Tabs() as browser:
        blank = await browser.open("about:blank")
        tab = await browser.open(f"{room}?listen")
        await tab.send("Performance.enable", timeDomain="threadTicks")
        await tab.send("HeapProfiler.enable")
        await until(tab, "window.rtcserver?.state === 'live'")
        yield Played(tab, browser, blank)


async def play(
    rooms: dict[str, tuple[str, str]], seconds: float, minutes: float
) -> dict[str, dict[str, float]]:
    """The figures of each build, by name. rooms: of each the room's address and a performer's token.

    seconds: of each look at the main thread; there are two of each kind for each build. minutes: of playing in all.
    """
    async with contextlib.AsyncExitStack() as stack:
        played = {name: await stack.enter_async_context(opened(room)) for name, (room, _) in rooms.items()}
        ends = asyncio.get_running_loop().time() + 60 * minutes
        hands = [
            asyncio.create_task(perform(room, token, EVENTS_PER_S, 86_400)) for room, token in rooms.values()
        ]
        try:
            await _look(list(played.values()), seconds, ends, hands)
        finally:
            for hand in hands:
                hand.cancel()
            await asyncio.gather(*hands, return_exceptions=True)
        for name, page in played.items():
            say(f"  {name}: {page.figures()}; heap {[(round(at), round(size, 2)) for at, size in page.heap]}")
        return {name: page.figures() for name, page in played.items()}


async def _look(pages: list[Played], seconds: float, ends: float, hands: list[asyncio.Task[int]]) -> None:
    now = asyncio.get_running_loop().time
    for page in pages:
        await until(page.tab, "rtcserver.midi.lit().length > 0")
    await asyncio.sleep(SETTLING_S)
    began = now()
    for page in pages:
        await page.weigh(now() - began)
    turns = [*pages, *reversed(pages)]
    for page in turns:
        page.seen_pct.append(await page.busy_pct(seconds))
    for page in pages:
        await page.hide(True)
    await asyncio.sleep(SETTLING_S)
    for page in turns:
        page.hidden_pct.append(await page.busy_pct(seconds))
    for page in pages:
        await page.hide(False)
    while True:
        for page in pages:
            await page.weigh(now() - began)
        if now() >= ends:
            return
        if any(hand.done() for hand in hands):
            raise RigError("a performer has stopped")
        await asyncio.sleep(min(10, max(0.5, ends - now())))
