"""MIDI 1.0 messages as bytes: what they are and how to make them. Pure.

Source: *The Complete MIDI 1.0 Detailed Specification*, 96.1, tables 1 to 7. A message here is
always complete and starts with its status byte; running status lives in `rtcserver.midi.parser` only.
Channels and keys are counted from 0 in bytes, and channels from 1 wherever people read them.
"""

from __future__ import annotations

from enum import Enum

# Channel voice status nibbles (table 2).
NOTE_OFF = 0x80
NOTE_ON = 0x90
POLY_PRESSURE = 0xA0
CONTROL = 0xB0
PROGRAM = 0xC0
CHANNEL_PRESSURE = 0xD0
PITCH_BEND = 0xE0
# System common (table 5).
SYSEX = 0xF0
TIME_CODE = 0xF1
SONG_POSITION = 0xF2
SONG_SELECT = 0xF3
TUNE_REQUEST = 0xF6
END_OF_SYSEX = 0xF7
# System real time (table 6): from CLOCK on.
CLOCK = 0xF8
START = 0xFA
CONTINUE = 0xFB
STOP = 0xFC
ACTIVE_SENSING = 0xFE
SYSTEM_RESET = 0xFF
# Controllers (table 3), and channel mode messages (table 4) from ALL_SOUND_OFF on.
BANK_MSB = 0
MODULATION = 1
BREATH = 2
FOOT = 4
VOLUME = 7
PAN = 10
EXPRESSION = 11
BANK_LSB = 32
SUSTAIN = 64
PORTAMENTO = 65
SOSTENUTO = 66
SOFT = 67
HOLD_2 = 69
REVERB = 91
CHORUS = 93
ALL_SOUND_OFF = 120
RESET_CONTROLLERS = 121
LOCAL_CONTROL = 122
ALL_NOTES_OFF = 123

PEDALS = frozenset((SUSTAIN, SOSTENUTO, SOFT, HOLD_2))
"""Controllers that a foot presses and holds, as fingers hold keys."""
BEND_CENTRE = 8192
NEUTRAL = {MODULATION: 0, EXPRESSION: 127}
"""Controllers that a hand moves for a moment, and where they stand otherwise (RP-015)."""
RELEASE_VELOCITY = 64
"""Velocity of a note-off where it is not sensed (page 10 of the specification)."""
CHANNELS = 16
MAX_SYSEX = 4096
"""Bytes of the longest System Exclusive message that is handled, F0 and F7 included."""

_DATA_BYTES = {
    NOTE_OFF: 2,
    NOTE_ON: 2,
    POLY_PRESSURE: 2,
    CONTROL: 2,
    PROGRAM: 1,
    CHANNEL_PRESSURE: 1,
    PITCH_BEND: 2,
}
_SYSTEM_DATA_BYTES = {TIME_CODE: 1, SONG_POSITION: 2, SONG_SELECT: 1, TUNE_REQUEST: 0}
_REAL_TIME = frozenset((CLOCK, START, CONTINUE, STOP, ACTIVE_SENSING, SYSTEM_RESET))


class MessageKind(Enum):
    """What a message is. A note-on with velocity 0 is a note-off (page 10 of the specification)."""

    NOTE_OFF = "note-off"
    NOTE_ON = "note-on"
    POLY_PRESSURE = "poly-pressure"
    CONTROL = "control"
    MODE = "mode"
    PROGRAM = "program"
    CHANNEL_PRESSURE = "channel-pressure"
    PITCH_BEND = "pitch-bend"
    SYSEX = "sysex"
    SYSTEM = "system"
    REAL_TIME = "real-time"


_KINDS = {
    NOTE_OFF: MessageKind.NOTE_OFF,
    NOTE_ON: MessageKind.NOTE_ON,
    POLY_PRESSURE: MessageKind.POLY_PRESSURE,
    CONTROL: MessageKind.CONTROL,
    PROGRAM: MessageKind.PROGRAM,
    CHANNEL_PRESSURE: MessageKind.CHANNEL_PRESSURE,
    PITCH_BEND: MessageKind.PITCH_BEND,
}


def data_bytes(status: int) -> int | None:
    """Number of data bytes that follow `status`; None for SysEx and for undefined statuses."""
    if status < SYSEX:
        return _DATA_BYTES.get(status & 0xF0)
    return 0 if status in _REAL_TIME else _SYSTEM_DATA_BYTES.get(status)


def fault(message: bytes, max_sysex: int = MAX_SYSEX) -> str | None:
    """What is wrong with `message` as one complete MIDI message, for people; None if nothing is."""
    if not message:
        return "an empty message"
    status = message[0]
    if status < 0x80:
        return f"{message[:4].hex(' ')} starts with a data byte"
    if status == SYSEX:
        if len(message) > max_sysex:
            return f"System Exclusive of {len(message)} bytes; allowed are {max_sysex}"
        if len(message) < 2 or message[-1] != END_OF_SYSEX:
            return "System Exclusive without its end (F7)"
        return "a status byte inside System Exclusive" if max(message[1:-1], default=0) > 0x7F else None
    count = data_bytes(status)
    if count is None:
        return f"undefined status {status:02X}"
    if len(message) != 1 + count:
        return f"{message[:4].hex(' ')} has {len(message)} bytes instead of {1 + count}"
    if count and max(message[1:]) > 0x7F:
        return f"{message.hex(' ')} has a data byte above 7F"
    return None


def classify(message: bytes) -> MessageKind:
    """The kind of a message in which `fault` finds nothing."""
    status = message[0]
    if status >= CLOCK:
        return MessageKind.REAL_TIME
    if status >= SYSEX:
        return MessageKind.SYSEX if status == SYSEX else MessageKind.SYSTEM
    kind = _KINDS[status & 0xF0]
    if kind is MessageKind.NOTE_ON and message[2] == 0:
        return MessageKind.NOTE_OFF
    if kind is MessageKind.CONTROL and message[1] >= ALL_SOUND_OFF:
        return MessageKind.MODE
    return kind


def is_channel(message: bytes) -> bool:
    """Whether this complete message is a channel message, and `channel` may be asked."""
    return message[0] < SYSEX


def status(message: bytes) -> int:
    """Status nibble of a channel message, such as `NOTE_ON`, without its channel."""
    return message[0] & 0xF0


def channel(message: bytes) -> int:
    """Channel of a channel message, from 0."""
    return message[0] & 0x0F


def on_channel(message: bytes, number: int) -> bytes:
    """The same channel message on channel `number` (from 0)."""
    return bytes((message[0] & 0xF0 | number,)) + message[1:]


def is_note_on(message: bytes) -> bool:
    """A key goes down; velocity 0 means up."""
    return message[0] & 0xF0 == NOTE_ON and message[2] > 0


def is_note_off(message: bytes) -> bool:
    """A key goes up, in either spelling."""
    return message[0] & 0xF0 == NOTE_OFF or (message[0] & 0xF0 == NOTE_ON and message[2] == 0)


def note_on(number: int, key: int, velocity: int) -> bytes:
    """A key of channel `number` (from 0) goes down. velocity: 1–127."""
    return bytes((NOTE_ON | number, key, velocity))


def note_off(number: int, key: int, velocity: int = RELEASE_VELOCITY) -> bytes:
    """A key of channel `number` goes up."""
    return bytes((NOTE_OFF | number, key, velocity))


def control(number: int, controller: int, value: int) -> bytes:
    return bytes((CONTROL | number, controller, value))


def program(number: int, value: int) -> bytes:
    return bytes((PROGRAM | number, value))


def channel_pressure(number: int, value: int) -> bytes:
    return bytes((CHANNEL_PRESSURE | number, value))


def pitch_bend(number: int, value: int) -> bytes:
    """`value` is 0 to 16383, 8192 in the middle; the low seven bits travel first."""
    return bytes((PITCH_BEND | number, value & 0x7F, value >> 7))


def bend_value(message: bytes) -> int:
    """0 to 16383 of a pitch bend message."""
    return message[1] | message[2] << 7
