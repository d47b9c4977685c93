"""How an owner ends a task of its own."""

from __future__ import annotations

import asyncio
from typing import Any


async def cancelled(task: asyncio.Task[Any] | None) -> None:
    """Cancel a task and wait until it has ended; nothing happens without one. Raises what the task has raised.

    Whoever is cancelled while they wait here is told so: their own cancellation is not taken for the task's.
    """
    if task is None:
        return
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()
