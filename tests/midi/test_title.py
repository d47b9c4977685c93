"""Titles of MIDI files, in the encodings that files have."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtcserver.midi.title import MAX_TITLE, decode


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Etude", "ascii"),
        ("Für Elise", "utf-8"),
        ("さくら", "utf-8"),
        ("さくら", "cp932"),
        ("交響曲第9番", "cp932"),
        ("トッカータとフーガ ニ短調 BWV 565", "cp932"),
        ("ﾄﾞﾗｺﾞﾝ", "cp932"),
        ("Piano (ピアノ)", "cp932"),
        ("Für Elise", "latin-1"),
        ("Gymnopédie n° 1", "latin-1"),
        ("été", "latin-1"),
        ("Ångström", "latin-1"),
        ("ÄÖÜ", "latin-1"),
        ("Señor Peñaloza", "latin-1"),
        ("Don’t stop – “live”", "cp1252"),
        ("It’s", "cp1252"),
        ("Dvořák", "utf-8"),
    ],
)
def test_a_title_is_readable(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)) == text


def test_a_long_title_is_cut_between_characters() -> None:
    for encoding in ("utf-8", "cp932"):
        assert decode(("さくら" * 100).encode(encoding)) == ("さくら" * 27)[:MAX_TITLE]


def test_what_is_not_for_eyes_is_left_out() -> None:
    assert decode(b"\x00\x00") == ""
    assert decode(b" one\r\n\x07two \x00rest") == "onetwo"


@given(st.binary(max_size=600))
def test_whatever_the_bytes_are_a_title_is_short_and_printable(data: bytes) -> None:
    title = decode(data)
    assert len(title) <= MAX_TITLE
    assert title == title.strip()
    assert title.isprintable()


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
def test_a_title_in_utf16_or_with_a_mark_is_read(encoding: str) -> None:
    assert decode("Für Élise".encode(encoding)) == "Für Élise"
    assert decode(("x" * 400).encode(encoding)) == "x" * MAX_TITLE
    if encoding == "utf-16":
        assert decode("月光".encode(encoding)) == "月光"
        assert decode(b"\xff\xfe\x00\xd8") == "\ufffd"
        assert decode(b"\xff\xfe") == ""


def test_zeros_behind_a_short_title_end_it() -> None:
    assert decode(b"Ave\0\0\0\0\0") == "Ave"
    assert decode(b"A\0") == "A"
    assert decode(b"\0\0\0\0") == ""
