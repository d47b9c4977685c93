"""The bytes of the midi channel: what is packed comes back, and nothing else gets in."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtcserver.channel import cells, wire
from rtcserver.channel.down import messages as down_messages
from rtcserver.channel.down.messages import unpack_down
from rtcserver.channel.up import messages as up_messages
from rtcserver.channel.up.messages import unpack_up
from rtcserver.channel.wire import ProtocolError
from tests.channel import strategies as some


@given(some.notes() | some.replies)
def test_what_a_server_packs_comes_back(message: down_messages.Notes | down_messages.Reply) -> None:
    assert unpack_down(message.pack()) == message


@given(some.plays | some.pings)
def test_what_a_client_packs_comes_back(message: up_messages.Play | up_messages.Ping) -> None:
    assert unpack_up(message.pack()) == message


@given(st.binary(max_size=1200))
def test_bytes_raise_protocol_errors_only(data: bytes) -> None:
    for unpack in (unpack_up, unpack_down):
        with contextlib.suppress(ProtocolError):
            assert unpack(data).pack() == data


@given(
    (some.notes() | some.replies | some.plays | some.pings).map(lambda message: message.pack()),
    st.lists(st.tuples(st.integers(0, 1199), st.integers(0, 255)), max_size=3),
    st.integers(0, 1200),
)
def test_mutated_messages_are_refused_or_are_what_they_say(
    data: bytes, changes: list[tuple[int, int]], length: int
) -> None:
    mutated = bytearray(data[:length])
    for place, value in changes:
        if place < len(mutated):
            mutated[place] = value
    for unpack in (unpack_up, unpack_down):
        with contextlib.suppress(ProtocolError):
            assert unpack(bytes(mutated)).pack() == bytes(mutated)


def test_the_largest_messages_fit() -> None:
    on = bytes((0x90, 60, 100))
    events = tuple(down_messages.NoteEvent(3, on, 0) for _ in range(down_messages.MAX_NOTES_EVENTS))
    assert len(down_messages.Notes(0, 0, events).pack()) == 16 + 8 * down_messages.MAX_NOTES_EVENTS
    held = tuple((cells.note_cell(channel, note), 1) for channel in range(2) for note in range(64))
    play = up_messages.Play(
        0, 0, 0, tuple(up_messages.PlayEvent(on, 0) for _ in range(up_messages.MAX_PLAY_EVENTS)), held
    )
    assert (
        len(play.pack())
        == 20 + 8 * up_messages.MAX_PLAY_EVENTS + 3 * up_messages.MAX_HELD
        <= wire.MAX_MESSAGE
    )


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "length"),
        (b"\x01", "length"),
        (bytes((1, up_messages.KIND_PING)) + bytes(wire.MAX_MESSAGE), "length"),
        (up_messages.Ping(0).pack()[:-1], "malformed"),
        (b"\x02" + up_messages.Ping(0).pack()[1:], "unknown_version"),
        (b"\x01\x7f" + bytes(10), "unknown_kind"),
        (down_messages.Reply(False, 0, 0, 0, 0).pack(), "unknown_kind"),
        ("text", "malformed"),
    ],
)
def test_refusals_have_a_code(data: bytes | str, code: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        unpack_up(data)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "message",
    [
        down_messages.Notes(0, 0, (down_messages.NoteEvent(3, b"\xf8", 0),)),
        down_messages.Notes(0, 0, (down_messages.NoteEvent(3, b"\xf0\x01\xf7", 0),)),
        down_messages.Notes(0, 0, (down_messages.NoteEvent(0, b"\x90\x3c\x40", 0),)),
        down_messages.Notes(0, 0, (down_messages.NoteEvent(255, b"\x90\x3c\x40", 0),)),
        down_messages.Notes(0, 0, (down_messages.NoteEvent(3, b"\x90\x3c\x80", 0),)),
        down_messages.Notes(0, 0, (down_messages.NoteEvent(3, b"\x90\x3c\x40", 1 << 32),)),
        down_messages.Notes(0, 1 << 53),
        down_messages.Notes(0, 0, (), down_messages.StatePart(5, 4)),
        down_messages.Notes(
            0, 0, (), down_messages.StatePart(0, cells.LAST_KEY, (down_messages.OwnedCell(3, 60, 0),))
        ),
        down_messages.Notes(
            0, 0, (), down_messages.StatePart(0, cells.LAST_KEY, (down_messages.OwnedCell(0, 60, 1),))
        ),
        down_messages.Notes(
            0, 0, (), down_messages.StatePart(0, 3 << 16, (down_messages.OwnedCell(3, 60, 1),))
        ),
        down_messages.Notes(0, 0, tuple(down_messages.NoteEvent(3, b"\x90\x3c\x40", 0) for _ in range(97))),
        down_messages.Reply(False, 1, 0, 0, 0),
        up_messages.Play(0, 0, 0, (), ((cells.controller_cell(0, 7), 1),)),
        up_messages.Play(0, 0, 0, (), ((61, 1), (60, 1))),
        up_messages.Play(256, 0, 0),
        up_messages.Play(0, 0, 0, (up_messages.PlayEvent(b"\xff\x02", 0),)),
        up_messages.Ping(1 << 53),
    ],
)
def test_what_breaks_a_rule_cannot_be_packed(
    message: down_messages.Notes | down_messages.Reply | up_messages.Play | up_messages.Ping,
) -> None:
    with pytest.raises(ProtocolError):
        message.pack()


@given(st.integers(-(1 << 40), 1 << 40), st.integers(-(2**31), 2**31 - 1))
def test_unwrapping_finds_the_closest(near: int, away: int) -> None:
    assert wire.unwrap((near + away) & 0xFFFF_FFFF, near) == near + away
