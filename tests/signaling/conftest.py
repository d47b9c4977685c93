from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.signaling.served import Served, serve


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
