"""MIDI files: read as mido reads them, and refused with a reason when they are bad."""

from __future__ import annotations

import contextlib
import io
import random
import struct
import time

import mido
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtcserver.errors import PeerError
from rtcserver.midi import message as m
from rtcserver.midi import profile, smf
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
    st.builds(mido.MetaMessage, st.just("set_tempo"), tempo=st.integers(*smf.TEMPO_US)),
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
    ("empty", b"", "MThd"),
    ("text", b"<html>not found</html>", "left"),
    ("wav", b"RIFF" + struct.pack("<I", 4) + b"RMID", "left"),
    ("header only", header(), "announces 1 tracks and has 0"),
    ("format 2", header(2) + track(*NOTE), "format is 2"),
    ("no tracks", header(1, 0), "0 tracks"),
    ("many tracks", header(1, 60_000), "60000 tracks"),
    ("two tracks in format 0", header(0, 2) + track(*NOTE) * 2, "2 tracks"),
    ("division 0", header(division=0) + track(*NOTE), "division is 0"),
    ("odd time code", header(division=-(31 << 8) | 40) + track(*NOTE), "31 frames"),
    ("time code without ticks", header(division=-(25 << 8)) + track(*NOTE), "0 ticks"),
    ("2 GB track", header() + b"MTrk" + struct.pack(">I", 2**31) + b"\x00", "claims 2,147,483,648 bytes"),
    ("truncated", (header() + track(*NOTE))[:-6], "claims"),
    ("tempo 0", header() + track(tempo(0), *NOTE), "tempo of 0 µs"),
    ("negative tempo", header() + track(tempo(0xFFFFFF), *NOTE), "16,777,215 µs"),
    ("absurd tempo", header() + track(tempo(1), *NOTE), "tempo of 1 µs"),
    ("short tempo", header() + track(tempo(5, 2), *NOTE), "tempo"),
    ("long tempo", header() + track(tempo(500_000, 4), *NOTE), "tempo"),
    ("no notes", header() + track(tempo(500_000)), "no notes"),
    ("endless quantity", header() + track(b"\xff" * 1000, *NOTE), "broken length or time"),
    ("endless meta", header() + track(b"\x00\xff\x01" + LONG, *NOTE), "ends inside"),
    ("endless sysex", header() + track(b"\x00\xf0" + LONG, *NOTE), "ends inside System Exclusive"),
    ("real time", header() + track(b"\x00\xf8", *NOTE), "the byte F8"),
    ("no status", header() + track(b"\x00\x3c\x40"), "data without a status"),
    ("status in data", header() + track(b"\x00\x90\x90\x40"), "broken message"),
    ("cut note", header() + track(b"\x00\x90\x3c", end=False), "broken message"),
    ("a day long", header() + track(*NOTE, *[LONG + b"\x90\x3c\x00"] * 3), "lasts"),
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
    assert min(outcomes.values()) > 100


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
    assert arrange(song, profile.load("gm")) == song
    montage = arrange(song, profile.load("montage"))
    assert [message.hex() for _, message in montage.events] == ["b00764", "903c40", "803c40"]
    assert (montage.notes, montage.left_out) == (1, 4)
