"""Cells, normal form, and what the instrument is told when several play."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtcserver.channel import cells
from rtcserver.channel.notes import NoteState, for_instrument, releases
from tests.channel import strategies as some


@given(some.channel_messages)
def test_a_cell_and_its_message_are_inverse(message: bytes) -> None:
    for event in cells.normal_form(message, {}):
        write = cells.write_of(9, event)
        if write is not None:
            assert cells.write_of(9, cells.message_of(write.cell, write.value)) == write
            assert write.value == 0 or cells.valid(*write)


@given(st.binary(max_size=5))
def test_normal_form_takes_anything(data: bytes) -> None:
    assert all(cells.is_channel_message(event) for event in cells.normal_form(data, {}))


def test_velocity_zero_is_a_note_off() -> None:
    assert cells.normal_form(b"\x93\x3c\x00", {}) == [bytes((0x83, 60, 64))]


@pytest.mark.parametrize("mode", [120, 123, 124, 125, 126, 127])
def test_all_notes_off_ends_ones_own_keys_on_that_channel(mode: int) -> None:
    held = {cells.note_cell(2, 60): 1, cells.note_cell(2, 64): 1, cells.note_cell(3, 60): 1}
    held[cells.controller_cell(2, 64)] = 127
    assert cells.normal_form(bytes((0xB2, mode, 0)), held) == [b"\x82\x3c\x40", b"\x82\x40\x40"]


def test_reset_lifts_pedals_and_centres_the_wheels() -> None:
    held = {cells.note_cell(0, 60): 1, cells.controller_cell(0, 64): 127}
    assert cells.normal_form(b"\xb0\x79\x00", held) == [
        b"\xb0\x40\x00",
        b"\xe0\x00\x40",
        b"\xb0\x01\x00",
        b"\xb0\x0b\x7f",
        b"\xd0\x00",
    ]


@pytest.mark.parametrize(
    "message", [b"\xb0\x7a\x00", b"\xf8", b"\xfe", b"\xf0\x7e\xf7", b"\xff", b"", b"\x90\x3c"]
)
def test_what_is_not_for_the_channel_is_dropped(message: bytes) -> None:
    assert cells.normal_form(message, {}) == []


def play(state: NoteState, performer: int, message: bytes) -> list[bytes]:
    out = []
    for event in state.normal_form(performer, message):
        sent = for_instrument(state.apply(performer, event), event)
        if sent is not None:
            out.append(sent)
    return out


def test_a_key_held_by_two_sounds_until_both_let_go() -> None:
    state = NoteState()
    assert play(state, 3, b"\x90\x3c\x50") == [b"\x90\x3c\x50"]
    assert play(state, 4, b"\x90\x3c\x60") == [b"\x90\x3c\x60"]
    assert state.holders(60) == (3, 4)
    assert play(state, 3, b"\x80\x3c\x40") == []
    assert play(state, 3, b"\x80\x3c\x40") == []
    assert play(state, 4, b"\x80\x3c\x40") == [b"\x80\x3c\x40"]


def test_nobody_releases_what_is_not_his() -> None:
    state = NoteState()
    state.apply(cells.LOCAL_KEYS, b"\x90\x3c\x50")
    state.apply(cells.LOCAL_KEYS, b"\xb0\x40\x7f")
    assert play(state, 3, b"\x80\x3c\x40") == []
    assert play(state, 3, b"\xb0\x40\x00") == []
    assert play(state, 3, b"\xb0\x7b\x00") == []
    assert state.releases(3) == []


def test_a_pedal_follows_the_greatest_of_its_holders() -> None:
    state = NoteState()
    assert play(state, 3, b"\xb0\x40\x50") == [b"\xb0\x40\x50"]
    assert play(state, 4, b"\xb0\x40\x40") == []
    assert play(state, 3, b"\xb0\x40\x00") == [b"\xb0\x40\x40"]
    assert play(state, 4, b"\xb0\x40\x00") == [b"\xb0\x40\x00"]


def test_a_key_let_go_once_more_is_not_released_again() -> None:
    state = NoteState()
    play(state, 3, b"\x90\x3c\x50")
    assert play(state, 3, b"\x80\x3c\x40") == [b"\x80\x3c\x40"]
    assert play(state, 3, b"\x80\x3c\x40") == []


@given(st.lists(st.tuples(st.sampled_from((1, 3, 4)), some.playing), max_size=60))
def test_the_instrument_has_down_what_anyone_holds(script: list[tuple[int, bytes]]) -> None:
    """Applying what the instrument was told gives the union of what the performers hold."""
    state, told = NoteState(), NoteState()
    for performer, message in script:
        for sent in play(state, performer, message):
            told.apply(2, sent)
    held = {cell for performer in (1, 3, 4) for cell in state.held(performer)}
    assert dict(told.held(2)) == {
        cell: told.held(2)[cell] if cells.is_note(cell) else state.merged(cell) for cell in held
    }
    assert {cell for _, cell, _ in state.cells() if cells.owned(cell)} == held


@given(st.lists(some.playing, max_size=40))
def test_releases_end_everything_keys_first(script: list[bytes]) -> None:
    state = NoteState()
    for message in script:
        for event in state.normal_form(3, message):
            state.apply(3, event)
    ends = releases(state.held(3))
    assert [end[0] & 0xF0 for end in ends] == sorted(end[0] & 0xF0 for end in ends)
    for end in ends:
        state.apply(3, end)
    assert not state.held(3)
