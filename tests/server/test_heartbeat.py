"""The sign of life for health checks: it is written while the loop turns, and gone afterwards."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from rtcserver.errors import ConfigError
from rtcserver.server import heartbeat
from rtcserver.server.heartbeat import Heartbeat


async def test_it_is_written_anew_while_the_loop_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "INTERVAL_S", 0.01)
    file, words = tmp_path / "health", iter(["degraded", *["ok"] * 10_000])
    beat = Heartbeat(file, lambda: next(words))
    beat.start()
    assert file.read_text() == "degraded\n"
    async with asyncio.timeout(5):
        while file.read_text() != "ok\n":  # noqa: ASYNC110 (a file gives no event)
            await asyncio.sleep(0.01)
    await beat.close()
    await beat.close()
    assert not file.exists()


async def test_a_loop_that_stands_still_lets_it_age(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "INTERVAL_S", 0.01)
    file = tmp_path / "health"
    beat = Heartbeat(file, lambda: "ok")
    beat.start()
    written = file.stat().st_mtime_ns
    time.sleep(0.2)  # noqa: ASYNC251 (the loop stands still, on purpose)
    assert file.stat().st_mtime_ns == written
    await beat.close()


async def test_a_place_that_cannot_be_written_is_named_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"health_file: cannot write .*missing"):
        Heartbeat(tmp_path / "missing" / "health", lambda: "ok").start()


async def test_a_status_that_cannot_be_told_is_logged_once_and_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(heartbeat, "INTERVAL_S", 0.01)
    asked = 0

    def status() -> str:
        nonlocal asked
        asked += 1
        if 1 < asked < 5:
            raise KeyError("a room that is gone")
        return "ok" if asked == 1 else "well again"

    file = tmp_path / "health"
    beat = Heartbeat(file, status)
    beat.start()
    async with asyncio.timeout(5):
        while file.read_text() != "well again\n":  # noqa: ASYNC110 (a file gives no event)
            await asyncio.sleep(0.01)
    await beat.close()
    assert [record.message for record in caplog.records] == [
        "no sign of life could be made; the health file grows old"
    ]
