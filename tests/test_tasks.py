"""How an owner ends a task."""

from __future__ import annotations

import asyncio

import pytest

from rtcserver.tasks import cancelled


async def test_a_task_has_ended_when_it_returns() -> None:
    done: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            done.append("in order")

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    await cancelled(task)
    assert done == ["in order"]
    assert task.cancelled()
    await cancelled(task)
    await cancelled(None)


async def test_what_a_task_has_raised_is_raised() -> None:
    async def fail() -> None:
        raise ValueError("a defect")

    task = asyncio.create_task(fail())
    await asyncio.sleep(0)
    with pytest.raises(ValueError, match="a defect"):
        await cancelled(task)


async def test_an_owner_that_is_cancelled_meanwhile_is_told() -> None:
    gate = asyncio.Event()

    async def linger() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await gate.wait()

    task = asyncio.create_task(linger())
    await asyncio.sleep(0)
    owner = asyncio.create_task(cancelled(task))
    await asyncio.sleep(0)
    owner.cancel()
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await owner
    await asyncio.wait([task])
