"""MIDI files: read as mido reads them; what is wrong with one is said, and what cannot be played is refused."""

from __future__ import annotations

import contextlib
import io
import random
import struct
import time
from itertools import pairwise
from pathlib import Path

import mido
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtcserver.errors import PeerError
from rtcserver.midi import message as m
from rtcserver.midi import profile_file, smf
from rtcserver.midi.smf import arrange, read


def track(*events: bytes, end: bool = True) -> bytes:
    body = b"".join(events) + (b"\x00\xff\x2f\x00" if end else b"")
    return b"MTrk" + struct.pack(">I", len(body)) + body


def header(form: int = 0, tracks: int = 1, division: int = 480) -> bytes:
    return b"MThd" + struct.pack(">IHHh", 6, form, tracks, division)


NOTE = b"\x00\x90\x3c\x40", b"\x83\x60\x80\x3c\x40"
"""Middle C for one beat of 480 ticks."""


def tempo(value: int, size: int = 3) -> bytes:
    return b"\x00\xff\x51" + bytes((size,)) + value.to_bytes(size, "big")


def saved(file: mido.MidiFile) -> bytes:
    stream = io.BytesIO()
    file.save(file=stream)
    return stream.getvalue()


def test_a_note_has_its_time_and_the_song_its_length() -> None:
    song = read(header() + track(b"\x00\xff\x03\x05Etude", tempo(1_000_000), *NOTE))
    assert song.name == "Etude"
    assert song.events == ((0, b"\x90\x3c\x40"), (1_000_000_000, b"\x80\x3c\x40"))
    assert (song.duration_ns, song.tracks, song.notes, song.left_out) == (1_000_000_000, 1, 1, 0)


def test_running_status_goes_on_behind_meta_events_and_sysex_is_left_out() -> None:
    song = read(
        header()
        + track(
            b"\x00\x90\x3c\x40",
            b"\x00\xff\x01\x02hi",
            b"\x00\x3e\x40",
            b"\x00\xf0\x03\x43\x10\xf7",
            b"\x0a\x3c\x00",
        )
    )
    assert [message.hex() for _, message in song.events] == ["903c40", "903e40", "903c00", "803e40"]
    assert song.left_out == 1


def test_time_code_files_have_no_tempo() -> None:
    # 25 frames of 40 ticks: a tick is a millisecond.
    song = read(
        header(division=-(25 << 8) | 40) + track(tempo(1_000_000), b"\x00\x90\x3c\x40", b"\x07\x80\x3c\x40")
    )
    assert song.duration_ns == 7_000_000
    song = read(header(division=-(29 << 8) | 100) + track(b"\x00\x90\x3c\x40", b"\x8f\x1a\x80\x3c\x40"))
    assert song.duration_ns == 1946 * 1001 * 1_000_000_000 // (30_000 * 100)


channels, notes = st.integers(0, 2), st.integers(60, 63)
messages = st.one_of(
    st.builds(mido.Message, st.just("note_on"), channel=channels, note=notes, velocity=st.integers(0, 127)),
    st.builds(mido.Message, st.just("note_off"), channel=channels, note=notes),
    st.builds(mido.Message, st.just("pitchwheel"), channel=channels, pitch=st.integers(-8192, 8191)),
    st.builds(mido.Message, st.just("program_change"), channel=channels, program=st.integers(0, 127)),
    st.builds(mido.MetaMessage, st.just("set_tempo"), tempo=st.integers(1, 2**24 - 1)),
)


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 5000), messages), max_size=20), min_size=1, max_size=4),
    st.integers(100, 2000),
)
def test_times_and_messages_are_those_that_mido_finds(
    tracks: list[list[tuple[int, mido.Message]]], division: int
) -> None:
    file = mido.MidiFile(type=1, ticks_per_beat=division)
    for events in tracks:
        made = mido.MidiTrack(message.copy(time=delta) for delta, message in events)
        made.append(mido.Message("note_on", note=1, velocity=1))
        file.tracks.append(made)
    song = read(saved(file))
    expected, at = [], 0.0
    for message in file:
        at += message.time
        if not message.is_meta:
            expected.append((at, bytes(message.bytes())))
    assert [message for _, message in song.events][: len(expected)] == [message for _, message in expected]
    for (ns, _), (seconds, _) in zip(song.events, expected, strict=False):
        assert abs(ns / 1e9 - seconds) < 1e-6
    assert song.duration_ns / 1e9 == pytest.approx(file.length, abs=1e-6)
    # Every note that begins also ends.
    down = set()
    for _, message in song.events:
        key = (m.channel(message), message[1])
        if m.is_note_on(message):
            down.add(key)
        elif m.is_note_off(message):
            down.discard(key)
    assert not down


LONG = b"\xff\xff\xff\x7f"
BAD: list[tuple[str, bytes, str]] = [
    ("empty", b"", "it is empty"),
    ("a zip archive", b"PK\3\4" + bytes(40), "looks like a zip archive"),
    ("a score", b"<?xml version='1.0'?><score-partwise/>", "looks like a web page, or a score in XML"),
    ("RIFF with a header cut off", b"RIFF\0\0\0\0RMIDdata\xff\xff\xff\xff" + header()[:9], "MThd"),
    ("RIFF without data", b"RIFF\0\0\0\0RMIDLIST\xff\xff\xff\xff", "MThd"),
    ("text", b"<html>not found</html>", "MThd"),
    ("wav", b"RIFF" + struct.pack("<I", 4) + b"RMID", "MThd"),
    ("half a header", header()[:12], "MThd"),
    ("header only", header(), "announces 1 track and has none"),
    ("format 3", header(3) + track(*NOTE), "format is 3; allowed are 0, 1 and 2"),
    ("no tracks", header(1, 0), "0 tracks and has none"),
    ("many tracks", header(1, 300) + track(*NOTE) * 300, "more than 256 tracks"),
    ("division 0", header(division=0) + track(*NOTE), "division is 0"),
    ("odd time code", header(division=-(31 << 8) | 40) + track(*NOTE), "31 frames"),
    ("time code without ticks", header(division=-(25 << 8)) + track(*NOTE), "0 ticks"),
    ("2 GB track", header() + b"MTrk" + struct.pack(">I", 2**31) + b"\x00", "no notes; track 1 is cut off"),
    ("no notes", header() + track(tempo(500_000)), "no notes"),
    (
        "endless quantity",
        header() + track(b"\xff" * 1000, *NOTE),
        "no notes; track 1 has a broken length or time",
    ),
    ("endless meta", header() + track(b"\x00\xff\x01" + LONG, *NOTE), "no notes; track 1 is cut off"),
    ("endless sysex", header() + track(b"\x00\xf0" + LONG, *NOTE), "cut off inside System Exclusive"),
    ("real time", header() + track(b"\x00\xf8", *NOTE), "the byte F8"),
    ("no status", header() + track(b"\x00\x3c\x40"), "data without a status"),
    ("key 144", header() + track(b"\x00\x90\x90\x40"), "no notes"),
    ("cut note", header() + track(b"\x00\x90\x3c", end=False), "cut off"),
    (
        "a day long",
        header() + track(*NOTE, *[LONG + b"\x90\x3c\x00"] * 3),
        "lasts 233.0 hours; allowed are 2",
    ),
    (
        "too many events",
        header() + track(*[b"\x00\x90\x3c\x40", *[b"\x00\x3c\x40"] * 230_000]),
        "200,000 events",
    ),
]


@pytest.mark.parametrize(("data", "says"), [bad[1:] for bad in BAD], ids=[bad[0] for bad in BAD])
def test_bad_files_are_refused_with_a_reason(data: bytes, says: str) -> None:
    with pytest.raises(PeerError) as caught:
        read(data)
    assert says in str(caught.value)
    assert (caught.value.status, caught.value.code) == (422, "midi_file")


def test_a_file_beyond_the_limit_is_not_even_looked_at() -> None:
    with pytest.raises(PeerError) as caught:
        read(header() + bytes(smf.MAX_BYTES))
    assert caught.value.status == 413


FOLDER = Path(__file__).parents[1] / "vectors" / "files" / "midi"
RIGHT: dict[str, tuple[float, str]] = {
    "good.mid": (2.0, ""),
    "wrapped.rmi": (2.0, ""),
    "trailing-text.mid": (2.0, "35 bytes that belong to no track were left out."),
    "track-length-too-long.mid": (2.0, ""),
    "count-8-has-2.mid": (2.0, "The file announces 8 tracks and has 2."),
    "format0-two-tracks.mid": (2.0, ""),
    "cc-value-255.mid": (2.0, "1 value above 127 became 127."),
    "tempo-zero.mid": (2.0, "A tempo of 0 was taken for 120 beats a minute."),
    "tempo-1500bpm.mid": (0.16, ""),
    "end-of-track-90min-later.mid": (12.0, "5,400 s behind the last note were cut to 10."),
    "title-shift-jis.mid": (2.0, ""),
    "last-byte-missing.mid": (2.0, ""),
}
"""Files as people have them: seconds, and what is said of each."""


@pytest.mark.parametrize("name", RIGHT)
def test_files_as_people_have_them_are_played(name: str) -> None:
    song = read((FOLDER / name).read_bytes())
    assert (song.notes, song.duration_ns / 1e9, song.remark) == (8, *RIGHT[name])
    keys = [event.message[1] for event in song.events if m.is_note_on(event.message)]
    assert keys == [60, 62, 64, 65, 67, 69, 71, 72]
    if name == "cc-value-255.mid":
        assert song.events[0] == (0, b"\xb0\x07\x7f")
    assert song.name == ("さくら" if name == "title-shift-jis.mid" else "")


def sized(events: bytes, size: int) -> bytes:
    """A track that claims `size` bytes."""
    return b"MTrk" + struct.pack(">I", size) + events


EVENTS = b"".join(NOTE) + b"\x00\xff\x2f\x00"
SECOND = b"\x00\x91\x40\x40\x83\x60\x81\x40\x40"
"""A beat on channel 2, without End of Track."""
ODD: list[tuple[str, bytes, int, float, str]] = [
    ("a tempo of 1 µs", header() + track(tempo(1), *NOTE), 1, 1e-6, ""),
    ("5 beats a minute", header() + track(tempo(12_000_000), *NOTE), 1, 12, ""),
    ("the slowest tempo", header() + track(tempo(0xFFFFFF), *NOTE), 1, 16.777215, ""),
    ("a short tempo", header() + track(tempo(5, 2), *NOTE), 1, 0.5, "1 tempo of a wrong length left out."),
    ("a long tempo", header() + track(tempo(9, 4), *NOTE), 1, 0.5, "1 tempo of a wrong length left out."),
    ("more tracks than announced", header(1, 1) + track(*NOTE) * 3, 3, 0.5, "The file announces 1 track and has 3."),
    ("60,000 tracks announced", header(1, 60_000) + track(*NOTE), 1, 0.5, "The file announces 60,000 tracks and has 1."),
    ("no track announced", header(1, 0) + track(*NOTE), 1, 0.5, "The file announces 0 tracks and has 1."),
    ("format 2", header(2, 2) + track(*NOTE) * 2, 2, 0.5, ""),
    ("a longer header", b"MThd\0\0\0\x08\0\0\0\1\1\xe0xx" + track(*NOTE), 1, 0.5, ""),
    ("a header that claims nonsense", b"MThd\0\7\0\x08\0\0\0\1\1\xe0" + track(*NOTE), 1, 0.5, ""),
    ("a chunk of another kind", header(1, 2) + track(*NOTE) + b"XFIH\0\0\0\2hi" + track(*NOTE), 2, 0.5, ""),
    ("a tag behind", header() + track(*NOTE) + b"TAG" + bytes(125), 1, 0.5, "128 bytes that"),
    ("filler behind", header() + track(*NOTE) + bytes(512), 1, 0.5, "512 bytes that belong to no track"),
    ("three bytes behind", header() + track(*NOTE) + b"\r\n\x1a", 1, 0.5, "3 bytes that belong to no track"),
    ("padding between tracks", header(1, 2) + track(*NOTE) + b"\0" + track(*NOTE), 2, 0.5, "1 bytes that"),
    ("a first track that claims all", header(1, 2) + sized(EVENTS, 9999) + track(*NOTE), 2, 0.5, ""),
    ("a track that claims nothing", header(1, 2) + sized(EVENTS, 0) + track(*NOTE), 2, 0.5, ""),
    ("a track that claims too little", header(1, 2) + sized(EVENTS, 6) + track(*NOTE), 2, 0.5, ""),
    ("no End of Track", header() + track(*NOTE, end=False), 1, 0.5, ""),
    ("no End of Track, text behind", header() + track(*NOTE, end=False) + b"made 1998", 1, 0.5, "9 bytes that"),
    ("a download cut short", (header() + track(*NOTE, SECOND))[:-6], 2, 0.5, "Track 1 is cut off."),
    ("a track cut between events", header() + sized(b"".join(NOTE), 99), 1, 0.5, "Track 1 is cut off."),
    ("End of Track with a length", header() + track(*NOTE, b"\x00\xff\x2f\x01\x00", end=False), 1, 0.5, ""),
    ("a velocity of 200", header() + track(b"\x00\x90\x3c\xc8", NOTE[1]), 1, 0.5, "1 value above 127 became 127."),
    ("a key of 200", header() + track(*NOTE, b"\x00\x90\xc8\x40"), 1, 0.5, "1 message with a key number above 127"),
    ("a broken second track", header(1, 2) + track(*NOTE) + track(b"\x00\xf8"), 1, 0.5, "Track 2 has the byte F8"),
    ("MacBinary", bytes(128) + header() + track(*NOTE), 1, 0.5, ""),
    ("a server's answer in front", b"HTTP/1.1 200 OK\r\n" + b"x" * 900 + header() + track(*NOTE), 1, 0.5, ""),
    ("RIFF with a long list in front", b"RIFF\0\0\0\0RMIDLIST" + struct.pack("<I", 9001) + b"x" * 9002
     + b"data\xff\xff\xff\xff" + header() + track(*NOTE), 1, 0.5, ""),
    ("RIFF whose lengths are 0", b"RIFF\0\0\0\0RMIDdata\0\0\0\0" + header() + track(*NOTE), 1, 0.5, ""),
    ("RIFF with a chunk behind", b"RIFF\0\0\0\0RMIDdata" + struct.pack("<I", len(header() + track(*NOTE)))
     + header() + track(*NOTE) + b"DISP\2\0\0\0hi", 1, 0.5, ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "notes", "seconds", "says"), [odd[1:] for odd in ODD], ids=[odd[0] for odd in ODD]
)
def test_odd_files_are_played_and_their_oddity_is_said(
    data: bytes, notes: int, seconds: float, says: str
) -> None:
    song = read(data)
    assert (song.notes, song.duration_ns) == (notes, round(seconds * 1e9))
    assert song.remark.startswith(says)
    assert bool(song.remark) == bool(says)


def test_a_key_that_nobody_lets_go_is_let_go_in_the_end() -> None:
    song = read(header() + track(b"\x00\x90\x3c\x40", b"\x83\x60\xb0\x07\x64"))
    assert song.events[-1] == (500_000_000, m.note_off(0, 60))


def test_what_lies_far_behind_the_last_note_is_not_waited_for() -> None:
    # 30 s of silence, then a controller.
    song = read(header() + track(*NOTE, b"\x81\xe0\x00\xb0\x07\x64"))
    assert song.duration_ns == 10_500_000_000
    assert [event.message[0] for event in song.events] == [0x90, 0x80]
    assert song.remark == "30 s behind the last note were cut to 10."


@given(st.binary(max_size=400))
def test_arbitrary_bytes_end_in_a_song_or_our_own_error(data: bytes) -> None:
    for begin in (b"", header(1, 2), header() + b"MTrk\0\0\1\0", header() + sized(EVENTS, 3)):
        with contextlib.suppress(PeerError):
            song = read(begin + data)
            assert song.notes > 0
            assert all(early.at_ns <= late.at_ns for early, late in pairwise(song.events))
            assert all(m.fault(event.message) is None for event in song.events)


def test_mutilated_files_end_in_a_song_or_a_reason() -> None:
    rng = random.Random(4)
    good = header(1, 2) + track(tempo(400_000), *NOTE * 6) + track(*NOTE * 6)
    outcomes = {"song": 0, "refused": 0}
    for _ in range(3000):
        data = bytearray(good)
        for _ in range(rng.randint(1, 6)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            read(bytes(data))
            outcomes["song"] += 1
        except PeerError:
            outcomes["refused"] += 1
    assert min(outcomes.values()) > 100, outcomes


def test_the_worst_file_costs_a_pass_over_its_bytes() -> None:
    """Against a dense good file of the same size in the same run."""

    def seconds(data: bytes) -> float:
        begin = time.perf_counter()
        with contextlib.suppress(PeerError):
            read(data)
        return time.perf_counter() - begin

    dense = header() + track(b"\x00\x90\x3c\x40", *[b"\x01\x3c\x40"] * 199_000)
    usual = seconds(dense)
    for event in (b"\x00\xff\x01\x00", b"\x00\xf0\x00", b"\x81\x80\x80\x00\xff\x51\x03\x07\xa1\x20"):
        body = event * (900_000 // len(event))
        assert seconds(header() + track(*NOTE, body)) < 5 * usual


def test_a_song_is_arranged_for_the_instrument() -> None:
    song = read(
        header()
        + track(
            b"\x00\xb0\x00\x01", b"\x00\xc0\x05", b"\x00\xb0\x07\x64", b"\x00\x99\x24\x40",
            b"\x00\x90\x3c\x40", b"\x60\x89\x24\x40", b"\x00\x80\x3c\x40",
        )
    )  # fmt: skip
    assert arrange(song, profile_file.load("gm")) == song
    montage = arrange(song, profile_file.load("montage"))
    assert [message.hex() for _, message in montage.events] == ["b00764", "903c40", "803c40"]
    assert (montage.notes, montage.left_out) == (1, 4)
