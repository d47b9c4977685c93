from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.signaling.served import Served, serve


@pytest.fixture(autouse=True)
def nothing_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No request may fail behind its response: a test that means to be logged clears `caplog`."""
    yield
    assert [r.getMessage() for r in caplog.get_records("call") if r.levelno >= logging.WARNING] == []


@pytest.fixture
def static(tmp_path: Path) -> Path:
    """A static folder with a page of each kind, and a secret beside it."""
    folder = tmp_path / "static"
    (folder / "js").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>Rooms</title>")
    (folder / "room.html").write_text("<!doctype html><title>Room</title>")
    (folder / "js" / "main.js").write_text("export const answer = 42;\n")
    (folder / "style.css").write_text("body{}")
    (folder / ".hidden").write_text("hidden")
    (tmp_path / "secret.txt").write_text("secret")
    return folder


@pytest.fixture
async def served(static: Path) -> AsyncIterator[Served]:
    async with serve(static) as running:
        yield running
