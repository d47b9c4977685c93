"""Standard MIDI files → timed messages, with hard bounds. Pure.

Source: *Standard MIDI Files 1.0* (RP-001), and what FluidSynth's own player makes of files that do not keep to it:
what it plays is played here, too, and a `Song` says in one line what was left out. Whatever a file claims, two
passes over its bytes are all it costs: no length is believed that lies beyond the file, and a variable-length
quantity has four bytes at most.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from rtcserver.clock import NS
from rtcserver.errors import PeerError
from rtcserver.midi import message as m
from rtcserver.midi.message import MessageKind
from rtcserver.midi.profile import Profile
from rtcserver.midi.smf_track import DEFAULT_TEMPO_US, MAX_EVENTS, TooManyError, Tracks

MAX_BYTES = 1_000_000
MAX_TRACKS = 256
MAX_DURATION_NS = 2 * 3600 * NS
MAX_TAIL_NS = 10 * NS
"""How long a song goes on behind its last note, whatever its End of Track says."""
MAX_PREFIX = 4096
"""Bytes that may stand before the header: MacBinary's 128, for one, or what a server said of a download."""

MIN_BYTES = 22
"""A header, and the head of one track."""

_DRUMS = 9
_OTHERS = (
    (b"PK\3\4", "a zip archive, or a compressed score (.mxl)"),
    (b"\x1f\x8b", "a compressed file (gzip)"),
    (b"FORM", "an XMI file, or another one of the IFF kind"),
    (b"<", "a web page, or a score in XML"),
    (b"ID3", "an MP3 file"),
    (b"MMMD", "a ring tone of Yamaha's (SMAF)"),
    (b"SMF2CLIP", "a MIDI 2.0 clip"),
)
"""What people take for MIDI files, by its first bytes."""
_FRAME_RATES = {24: (24, 1), 25: (25, 1), 29: (30_000, 1001), 30: (30, 1)}


class SongEvent(NamedTuple):
    """A channel message at a time in ns from the song's beginning."""

    at_ns: int
    message: bytes


@dataclass(frozen=True, slots=True)
class Song:
    """A file that can be played. events: in order of time; every note that begins also ends.

    name: the first track's, or empty. left_out: messages that are not played, such as System Exclusive.
    remark: one line for people about what is wrong with the file and was left out or changed; empty if nothing.
    """

    name: str
    events: tuple[SongEvent, ...]
    duration_ns: int
    tracks: int
    notes: int
    left_out: int
    remark: str = ""


def refuse(reason: str, status: int = 422) -> PeerError:
    """The error for a file that is not played."""
    return PeerError(status, "midi_file", f"This MIDI file cannot be played: {reason}.")


def read(data: bytes) -> Song:
    """The song in the bytes of a ``.mid`` or ``.rmi`` file. Raises PeerError that says what is wrong."""
    if len(data) > MAX_BYTES:
        raise refuse(f"it has {len(data):,} bytes; allowed are {MAX_BYTES:,}", 413)
    if not data:
        raise refuse("it is empty; a MIDI file begins with a header (MThd)")
    begin, end = _in_riff(data) or (data.find(b"MThd", 0, MAX_PREFIX + 4), len(data))
    if begin < 0 or begin + 14 > len(data):
        raise refuse(f"it does not begin with a MIDI file header (MThd){_what(data)}")
    data = data[:end]
    form, count = int.from_bytes(data[begin + 8 : begin + 10]), int.from_bytes(data[begin + 10 : begin + 12])
    clock = Clock(int.from_bytes(data[begin + 12 : begin + 14], signed=True))
    if form > 2:
        raise refuse(f"its format is {form}; allowed are 0, 1 and 2")
    tracks = Tracks()
    try:
        found, strange = _read_tracks(data, begin, tracks)
    except TooManyError:
        raise refuse(f"it has more than {MAX_EVENTS:,} events") from None
    if not found:
        raise refuse(f"it announces {_number(count, 'track')} and has none")
    remarks = [f"{strange:,} bytes that belong to no track were left out"] if strange else []
    if found != count:
        remarks.insert(0, f"the file announces {_number(count, 'track')} and has {found}")
    clock.set_tempos(tracks.tempos)
    return _song(tracks, clock, found, remarks + _faults(tracks))


def _in_riff(data: bytes) -> tuple[int, int] | None:
    """Where the MIDI file inside a RIFF file begins and ends (RP-029); None for a file that has none.

    Chunks before it, a list of names or a picture, may be long. A length that leaves no room for a track is not believed.
    """
    if data[:4] != b"RIFF" or data[8:12] != b"RMID":
        return None
    at = 12
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        if data[at : at + 4] == b"data":
            begin = at + 8
            if data[begin : begin + 4] != b"MThd":
                return None
            return begin, begin + size if size >= MIN_BYTES else len(data)
        # Chunks begin at even places.
        at += 8 + size + size % 2
    return None


def _what(data: bytes) -> str:
    """What a file is that is no MIDI file, as the end of a sentence; "" if its first bytes do not tell."""
    return next((f"; it looks like {name}" for begin, name in _OTHERS if data.startswith(begin)), "")


def _read_tracks(data: bytes, header: int, tracks: Tracks) -> tuple[int, int]:
    """Read all tracks; returns their number, and that of the bytes which belong to no chunk. Raises PeerError."""
    found = strange = 0
    at = header + 8 + int.from_bytes(data[header + 4 : header + 8])
    if data[at : at + 4] != b"MTrk" and data[header + 14 : header + 18] == b"MTrk":
        at = header + 14
    while 0 <= at < len(data):
        kind, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8])
        after = at + 8 + size
        if kind == b"MTrk" and at + 8 <= len(data):
            if found == MAX_TRACKS:
                raise refuse(f"it has more than {MAX_TRACKS} tracks")
            found += 1
            read_to = tracks.read(found, data, at + 8, size)
            # The place that the chunk's length claims is believed if a chunk begins there; what lies before it is padding.
            at = after if read_to <= after <= len(data) and _begins_chunk(data, after) else read_to
        elif len(kind) == 4 and kind.isalnum() and after <= len(data) and _begins_chunk(data, after):
            # Chunks of kinds that a reader does not know are to be passed over.
            at = after
        else:
            following = data.find(b"MTrk", at + 1)
            strange += (following if following >= 0 else len(data)) - at
            at = following
    return found, strange


def _begins_chunk(data: bytes, at: int) -> bool:
    return at == len(data) or data[at : at + 4].isalnum()


def _number(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def _faults(tracks: Tracks) -> list[str]:
    """What was wrong in the tracks, as clauses."""
    wrong = tracks.wrong
    said = tracks.broken[:3]
    if more := len(tracks.broken) - 3:
        said += [f"so are {_number(more, 'other track')}"] if more > 0 else []
    if wrong["value"]:
        said.append(f"{_number(wrong['value'], 'value')} above 127 became 127")
    said += [
        f"{_number(wrong[what], 'message')} with a {what} number above 127 left out"
        for what in ("key", "controller", "program")
        if wrong[what]
    ]
    if wrong["still"]:
        said.append("a tempo of 0 was taken for 120 beats a minute")
    if wrong["tempo"]:
        said.append(f"{_number(wrong['tempo'], 'tempo')} of a wrong length left out")
    return said


def _song(tracks: Tracks, clock: Clock, count: int, remarks: list[str]) -> Song:
    """All tracks together, in ns. Raises PeerError."""
    # Tracks one after the other at equal times, as the file has them.
    events = [SongEvent(clock.ns(tick), message) for tick, _, message in sorted(tracks.events)]
    notes = sum(m.is_note_on(event.message) for event in events)
    if not notes:
        raise refuse("; ".join(["it has no notes", *tracks.broken[:1]]))
    duration = clock.ns(tracks.end_tick)
    last = next(
        event.at_ns
        for event in reversed(events)
        if m.is_note_on(event.message) or m.is_note_off(event.message)
    )
    if duration > last + MAX_TAIL_NS:
        said = f"{round((duration - last) / NS):,} s behind the last note were cut to {MAX_TAIL_NS // NS}"
        duration, remarks = last + MAX_TAIL_NS, [*remarks, said]
        while events[-1].at_ns > duration:
            events.pop()
    if duration > MAX_DURATION_NS:
        hours = duration / (3600 * NS)
        raise refuse(f"it lasts {hours:,.1f} hours; allowed are {MAX_DURATION_NS // (3600 * NS)}")
    down: dict[int, None] = {}
    for _, message in events:
        if message[0] & 0xE0 != m.NOTE_OFF:
            continue
        key = (message[0] & 0x0F) << 7 | message[1]
        if message[0] & 0x10 and message[2]:
            down[key] = None
        else:
            down.pop(key, None)
    events += [SongEvent(duration, m.note_off(*divmod(key, 128))) for key in down]
    remark = "; ".join(remarks)
    remark = f"{remark[0].upper()}{remark[1:]}." if remark else ""
    return Song(tracks.name, tuple(events), duration, count, notes, tracks.left_out, remark)


def arrange(song: Song, profile: Profile) -> Song:
    """The song as it is played on an instrument of this profile: without its programs or drums if so set."""
    events = tuple(
        event
        for event in song.events
        if (profile.file_programs or not _chooses(event.message))
        and (profile.file_drums or m.channel(event.message) != _DRUMS)
    )
    return replace(
        song,
        events=events,
        notes=sum(m.is_note_on(event.message) for event in events),
        left_out=song.left_out + len(song.events) - len(events),
    )


def _chooses(message: bytes) -> bool:
    kind = m.classify(message)
    return kind is MessageKind.PROGRAM or (
        kind is MessageKind.CONTROL and message[1] in (m.BANK_MSB, m.BANK_LSB)
    )


class Clock:
    """Ticks → ns, in integers. Cheapest for ascending ticks.

    division: as in the header, signed. Raises PeerError for one that is none.
    """

    def __init__(self, division: int) -> None:
        self._per_frame: tuple[int, int] | None = None
        self._division = division
        if division < 0:
            # The high byte is minus the frames a second, the low one the ticks in a frame.
            frames, ticks = -(division >> 8), division & 0xFF
            if frames not in _FRAME_RATES or not ticks:
                raise refuse(f"its time code has {frames} frames a second and {ticks} ticks a frame")
            rate, per = _FRAME_RATES[frames]
            self._per_frame = (per * NS, rate * ticks)
        elif division == 0:
            raise refuse("its time division is 0")
        self._segments = [(0, 0, DEFAULT_TEMPO_US)]
        """(first tick, its ns, µs a beat)"""
        self._at = 0

    def set_tempos(self, tempos: list[tuple[int, int]]) -> None:
        """``(tick, µs a beat)`` in any order; at equal ticks the last one counts. Time code knows no tempo."""
        if self._per_frame is None:
            for tick, tempo in sorted(tempos, key=lambda each: each[0]):
                self._segments.append((tick, self._in(self._segments[-1], tick), tempo))

    def ns(self, tick: int) -> int:
        """Time of a tick from the song's beginning."""
        if self._per_frame is not None:
            return tick * self._per_frame[0] // self._per_frame[1]
        if tick < self._segments[self._at][0]:
            self._at = 0
        while self._at + 1 < len(self._segments) and self._segments[self._at + 1][0] <= tick:
            self._at += 1
        return self._in(self._segments[self._at], tick)

    def _in(self, segment: tuple[int, int, int], tick: int) -> int:
        first, ns, tempo = segment
        return ns + (tick - first) * tempo * 1000 // self._division
