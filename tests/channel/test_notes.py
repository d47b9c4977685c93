"""Cells, normal form, and who holds what when several play."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtcserver.channel import cells
from rtcserver.channel.notes import NoteState
from rtcserver.midi import message as m
from rtcserver.midi.performers import LOCAL, ROOM
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


def play(state: NoteState, performer: int, message: bytes) -> None:
    for event in state.normal_form(performer, message):
        state.apply(performer, event)


def test_nobody_releases_what_another_holds() -> None:
    state = NoteState()
    for message in (b"\x90\x3c\x50", b"\xb0\x40\x7f"):
        play(state, LOCAL, message)
    for message in (b"\x80\x3c\x40", b"\xb0\x40\x00", b"\xb0\x7b\x00"):
        play(state, 3, message)
    assert dict(state.held(LOCAL)) == {cells.note_cell(0, 60): 0x50, cells.controller_cell(0, 64): 127}
    assert state.releases(3) == []


def test_wheels_return_when_the_last_to_move_them_leaves() -> None:
    state = NoteState()
    play(state, 3, m.pitch_bend(0, 100))
    play(state, 4, m.control(2, m.MODULATION, 9))
    play(state, 3, m.control(2, m.EXPRESSION, 9))
    play(state, 3, m.channel_pressure(5, 7))
    assert state.returns(3) == [
        m.pitch_bend(0, m.BEND_CENTRE),
        m.control(2, m.EXPRESSION, 127),
        m.channel_pressure(5, 0),
    ]
    play(state, 4, m.pitch_bend(0, 200))
    play(state, 3, m.control(2, m.EXPRESSION, 127))
    assert state.returns(3) == [m.channel_pressure(5, 0)]
    assert state.returns(4) == [m.pitch_bend(0, m.BEND_CENTRE), m.control(2, m.MODULATION, 0)]


@given(st.lists(st.tuples(st.sampled_from((1, 3, 4)), some.playing), max_size=60))
def test_what_leaves_with_each_performer_is_all_there_is(script: list[tuple[int, bytes]]) -> None:
    """After everybody's releases and returns nothing is held, and every wheel is where nobody moves it."""
    state = NoteState()
    for performer, message in script:
        play(state, performer, message)
    for performer in (1, 3, 4):
        for end in (*state.releases(performer), *state.returns(performer)):
            state.apply(performer, end)
        assert not state.held(performer)
        assert state.returns(performer) == []
    neutral = {
        cells.BEND: m.BEND_CENTRE,
        cells.PRESSURE: 0,
        cells.CONTROLLER | m.MODULATION: 0,
        cells.CONTROLLER | m.EXPRESSION: 127,
    }
    for performer, cell, value in state.cells():
        assert performer == ROOM
        assert value == neutral.get(cell & 0xFFF, value)


@given(st.lists(some.playing, max_size=40))
def test_releases_end_everything_keys_first(script: list[bytes]) -> None:
    state = NoteState()
    for message in script:
        for event in state.normal_form(3, message):
            state.apply(3, event)
    ends = state.releases(3)
    assert [end[0] & 0xF0 for end in ends] == sorted(end[0] & 0xF0 for end in ends)
    for end in ends:
        state.apply(3, end)
    assert not state.held(3)
