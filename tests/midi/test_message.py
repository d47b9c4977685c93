"""Messages against the standard's tables."""

from __future__ import annotations

import pytest

from rtcserver.midi import message as m
from rtcserver.midi.message import MessageKind

# Status, data bytes, kind: tables 2, 4, 5 and 6 of the MIDI 1.0 specification.
TABLE = [
    ("80 3c 40", MessageKind.NOTE_OFF),
    ("8f 7f 00", MessageKind.NOTE_OFF),
    ("90 3c 01", MessageKind.NOTE_ON),
    ("9a 00 7f", MessageKind.NOTE_ON),
    ("90 3c 00", MessageKind.NOTE_OFF),
    ("a3 3c 40", MessageKind.POLY_PRESSURE),
    ("b0 40 7f", MessageKind.CONTROL),
    ("b0 77 7f", MessageKind.CONTROL),
    ("b0 78 00", MessageKind.MODE),
    ("b0 7a 7f", MessageKind.MODE),
    ("b0 7f 00", MessageKind.MODE),
    ("c5 00", MessageKind.PROGRAM),
    ("d5 7f", MessageKind.CHANNEL_PRESSURE),
    ("e0 00 40", MessageKind.PITCH_BEND),
    ("f0 7e 7f 06 01 f7", MessageKind.SYSEX),
    ("f0 f7", MessageKind.SYSEX),
    ("f1 35", MessageKind.SYSTEM),
    ("f2 00 01", MessageKind.SYSTEM),
    ("f3 05", MessageKind.SYSTEM),
    ("f6", MessageKind.SYSTEM),
    ("f8", MessageKind.REAL_TIME),
    ("fa", MessageKind.REAL_TIME),
    ("fb", MessageKind.REAL_TIME),
    ("fc", MessageKind.REAL_TIME),
    ("fe", MessageKind.REAL_TIME),
    ("ff", MessageKind.REAL_TIME),
]


@pytest.mark.parametrize(("text", "kind"), TABLE)
def test_every_message_of_the_tables_is_sound_and_classified(text: str, kind: MessageKind) -> None:
    message = bytes.fromhex(text)
    assert m.fault(message) is None
    assert m.classify(message) is kind
    assert m.is_channel(message) == (message[0] < 0xF0)
    if message[0] & 0xF0 in (0x80, 0x90):
        assert m.is_note_on(message) == (kind is MessageKind.NOTE_ON)
        assert m.is_note_off(message) == (kind is MessageKind.NOTE_OFF)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("3c 40", "data byte"),
        ("90 3c", "2 bytes instead of 3"),
        ("90 3c 40 00", "4 bytes instead of 3"),
        ("90 80 40", "above 7F"),
        ("c0 05 00", "3 bytes instead of 2"),
        ("f4", "undefined status F4"),
        ("f5", "undefined status F5"),
        ("f9", "undefined status F9"),
        ("fd", "undefined status FD"),
        ("f7", "undefined status F7"),
        ("f0", "without its end"),
        ("f0 01 02", "without its end"),
        ("f0 01 90 f7", "status byte inside"),
        ("f8 f8", "2 bytes instead of 1"),
    ],
)
def test_what_is_wrong_is_said(text: str, says: str) -> None:
    fault = m.fault(bytes.fromhex(text))
    assert fault is not None
    assert says in fault


def test_system_exclusive_is_limited() -> None:
    longest = b"\xf0" + bytes(m.MAX_SYSEX - 2) + b"\xf7"
    assert m.fault(longest) is None
    fault = m.fault(longest[:-1] + b"\x00\xf7")
    assert fault is not None
    assert str(m.MAX_SYSEX) in fault


def test_makers_and_readers_agree() -> None:
    assert m.note_on(3, 60, 100) == b"\x93\x3c\x64"
    assert m.note_off(3, 60) == b"\x83\x3c\x40"
    assert m.control(15, m.SUSTAIN, 127) == b"\xbf\x40\x7f"
    assert m.program(1, 5) == b"\xc1\x05"
    assert m.channel_pressure(1, 5) == b"\xd1\x05"
    # Page 19: the centre of the bend is 2000H, sent as 00H 40H.
    assert m.pitch_bend(0, m.BEND_CENTRE) == b"\xe0\x00\x40"
    assert m.on_channel(b"\x93\x3c\x64", 9) == b"\x99\x3c\x64"
    for value in (0, 1, 127, 128, 8192, 16383):
        assert m.bend_value(m.pitch_bend(4, value)) == value
        assert m.channel(m.pitch_bend(4, value)) == 4
