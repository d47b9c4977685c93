"""A link as a QR code on a terminal: a real decoder reads it, and nothing but a terminal gets it."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
import zxingcpp

from rtcserver.server import qr

LINK = "http://192.168.1.5:8080/r/main"


class Screen(io.StringIO):
    encoding = "UTF-8"

    def isatty(self) -> bool:
        return True


def test_a_decoder_reads_the_link_from_the_half_blocks() -> None:
    lines = [re.sub("\x1b\\[[0-9;]*m", "", line) for line in qr.code(LINK, 80).splitlines()]
    halves = {"█": (1, 1), "▀": (1, 0), "▄": (0, 1), " ": (0, 0)}
    rows = [[halves[c][half] for c in line] for line in lines for half in (0, 1)]
    picture = np.kron(np.array(rows, np.uint8) * 255, np.ones((4, 4), np.uint8))
    (found,) = zxingcpp.read_barcodes(picture)
    assert found.text == LINK


def test_a_narrow_terminal_gets_none() -> None:
    assert qr.code(LINK, 20) == ""


def test_only_a_terminal_that_shows_blocks_gets_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    assert qr.terminal(Screen())
    assert not qr.terminal(io.StringIO())
    monkeypatch.setenv("TERM", "dumb")
    assert not qr.terminal(Screen())


def test_localhost_means_the_phone_on_a_phone() -> None:
    assert qr.from_a_phone(LINK) == LINK
    near = qr.from_a_phone("http://localhost:8080/r/main#perform=a.b.c")
    assert "localhost" not in near
    assert near == "" or near.endswith(":8080/r/main#perform=a.b.c")
