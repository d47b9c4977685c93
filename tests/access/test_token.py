"""Tokens: what they say is what was signed, and nothing else is taken for one."""

from __future__ import annotations

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtcserver.access.token import MAX_TOKEN, Token, read, sign

KEY = b"k" * 32
TOKEN = Token("t1", ("main",), ("listen", "perform"), 1000)


def test_a_token_says_what_was_signed_and_the_same_gives_the_same_text() -> None:
    assert read(KEY, sign(KEY, TOKEN)) == TOKEN
    assert sign(KEY, TOKEN) == sign(KEY, TOKEN)
    assert read(b"t" * 32, sign(KEY, TOKEN)) is None


def test_it_covers_its_actions_in_its_rooms() -> None:
    assert TOKEN.covers("listen", "main")
    assert not TOKEN.covers("read", "main")
    assert not TOKEN.covers("listen", "side")
    assert not TOKEN.covers("listen", None)
    assert Token("t2", ("*",), ("read",), 0).covers("read", None)


def test_an_unsigned_or_half_token_is_none() -> None:
    whole = {"jti": "a", "rooms": ["*"], "actions": ["admin"], "exp": 9}
    assert read(KEY, jwt.encode(whole, "", algorithm="none")) is None
    for missing in whole:
        claims = {name: value for name, value in whole.items() if name != missing}
        assert read(KEY, jwt.encode(claims, KEY, algorithm="HS256")) is None
    assert read(KEY, jwt.encode(whole | {"rooms": "main"}, KEY, algorithm="HS256")) is None


@pytest.mark.parametrize("end", ["1e999", "-1e999", "NaN", '"soon"', "[9]", "{}", "null"])
def test_a_token_that_ends_at_no_time_is_none(end: str) -> None:
    """Found by script/fuzz: JSON's 1e999 is a number to Python, and no time."""
    assert read(KEY, signed(f'{{"jti":"a","rooms":["*"],"actions":["admin"],"exp":{end}}}')) is None


def test_lists_in_lists_are_none() -> None:
    assert read(KEY, signed("[" * 700)) is None
    assert read(KEY, signed('{"exp":' * 100)) is None


def signed(claims: str) -> str:
    """A token of this text, whatever it is, signed as it should be."""
    text = jwt.api_jws.encode(claims.encode(), KEY, algorithm="HS256")
    assert len(text) <= MAX_TOKEN
    return text


@given(st.integers(0, 200), st.integers(1, 255))
def test_a_changed_token_says_nothing_else(at: int, change: int) -> None:
    raw = bytearray(sign(KEY, TOKEN).encode())
    raw[at % len(raw)] ^= change
    # Some changes only touch bits that base64 does not use; none of them may change what is said.
    assert read(KEY, raw.decode("latin-1")) in (None, TOKEN)


@given(st.text(max_size=2000))
def test_any_text_is_refused_without_an_error(text: str) -> None:
    assert read(KEY, text) is None
