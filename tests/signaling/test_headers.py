"""Header parsing, pure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtcserver.peer.base import public_handle
from signaling.headers import host_of, if_match, printable, wants_html


@pytest.mark.parametrize(
    ("header", "host"),
    [
        ("localhost", "localhost"),
        ("montage.local:8080", "montage.local"),
        ("192.0.2.1:80", "192.0.2.1"),
        ("[2001:db8::1]:8080", "2001:db8::1"),
        ("[::1]", "::1"),
        ("", ""),
        ("a b", ""),
        ("host:port", ""),
        ("2001:db8::1", ""),
        ("evil\r\nx: y", ""),
        ("x" * 300, ""),
    ],
)
def test_host(header: str, host: str) -> None:
    assert host_of(header) == host


@given(st.text(max_size=60))
def test_host_is_never_more_than_a_host(header: str) -> None:
    assert all(c.isascii() and (c.isalnum() or c in "._-:") for c in host_of(header))


@pytest.mark.parametrize(
    ("header", "passes"),
    [
        (None, True),
        ("*", True),
        ('"*"', True),
        (' "*" ', True),
        ('"abc"', True),
        ("abc", True),
        ('"x", "abc"', True),
        ('"x"', False),
        ('W/"abc"', False),
        ('W/"*"', False),
        ("", False),
        ('"abc', False),
        ('"ABC"', False),
    ],
)
def test_if_match(header: str | None, passes: bool) -> None:
    assert if_match(header, "abc") is passes


def test_what_cannot_be_shown_is_replaced() -> None:
    assert printable("GStreamer/1.22 (Füße)") == "GStreamer/1.22 (Füße)"
    assert printable("a\x07b\udcffc") == "a\ufffdb\ufffdc"


def test_handle_does_not_tell_the_id() -> None:
    assert len(public_handle("secret")) == 12
    assert public_handle("secret") != public_handle("secreu")


def test_wants_html() -> None:
    assert wants_html("text/html,application/xhtml+xml,*/*;q=0.8")
    assert not wants_html("*/*")
