"""The links that are printed at the start."""

from __future__ import annotations

import pytest

from rtcserver.config.load import load
from rtcserver.server.serve import Server, announce


async def test_the_listeners_link_comes_before_the_secret_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tables = {"rooms": {"hall": {"instrument": "tone"}, "stage": {"instrument": "tone"}}}
    server = Server(load({"host": "127.0.0.1", "port": "8181"}, {}, tables))
    monkeypatch.setattr(server.listening, "playable", lambda room: room == "stage")
    announce(server)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [
        "Listen at  http://127.0.0.1:8181/r/hall",
        "Listen at  http://127.0.0.1:8181/r/stage",
    ]
    assert lines[2].startswith("Play at    http://127.0.0.1:8181/r/stage#perform=")
    assert len(lines) == 3
