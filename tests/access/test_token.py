"""Performer tokens: valid for their room until they expire, and for nobody else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rtcserver.access.token import sign, verify

SECRET = b"s" * 32


def test_a_token_is_valid_for_its_room_until_it_expires() -> None:
    token = sign(SECRET, "main", 1000)
    assert verify(SECRET, token, "main", 999.9)
    assert not verify(SECRET, token, "main", 1000)
    assert not verify(SECRET, token, "other", 0)
    assert not verify(b"t" * 32, token, "main", 0)


@given(st.integers(0, 200), st.integers(1, 255))
def test_a_changed_token_is_not_valid(at: int, change: int) -> None:
    token = sign(SECRET, "main", 1000)
    raw = bytearray(token.encode())
    raw[at % len(raw)] ^= change
    forged = raw.decode("latin-1")
    # Some changes only touch bits that base64 does not use; none of them may change what is said.
    assert not verify(SECRET, forged, "other", 0)
    assert not verify(SECRET, forged, "main", 1001)


@given(st.text(max_size=2000))
def test_any_text_is_refused_without_an_error(text: str) -> None:
    assert not verify(SECRET, text, "main", 0)
