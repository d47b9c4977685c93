"""Who may play what, and that nothing hangs whoever comes and goes, with files played ahead of time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtcserver.channel.notes import NoteState
from rtcserver.midi import message as m
from rtcserver.midi import profile, profile_file
from rtcserver.midi.merge import Merger
from rtcserver.midi.performers import FILE_PLAYER, LOCAL
from rtcserver.midi.schedule import Schedule
from rtcserver.room.router import (
    Outcome,
    PortPlay,
    PortRelease,
    PortSilence,
    Router,
    Selected,
    Shown,
)
from tests.midi.instrument import ModelInstrument

ANNA, BEN = 3, 4
GM, MONTAGE = profile_file.load("gm"), profile_file.load("montage")
ON, OFF = m.note_on(0, 60, 90), m.note_off(0, 60)


class Routed:
    """A router, and the notes that everyone sees: what it shows is put into them, as its stage does."""

    def __init__(self, kind: profile.Profile, *performers: int) -> None:
        self.notes = NoteState()
        self.router = Router(kind, self.notes)
        self.counts = self.router.counts
        for performer in performers:
            self.router.join(performer)

    def play(self, performer: int, message: bytes, media_time: int = 0, at_ns: int | None = None) -> Outcome:
        return self._shown(self.router.receive(performer, message, media_time, at_ns))

    def local(self, message: bytes, media_time: int = 0) -> Outcome:
        return self._shown(self.router.local(message, media_time))

    def release(self, performer: int, media_time: int) -> Outcome:
        return self._shown(self.router.release(performer, media_time))

    def leave(self, performer: int, media_time: int) -> Outcome:
        return self._shown(self.router.leave(performer, media_time))

    def silence(self, media_time: int) -> Outcome:
        return self._shown(self.router.silence(media_time))

    def select(self, performer: int, sound: str, channel: int | None, media_time: int) -> Outcome:
        return self._shown(self.router.select(performer, sound, channel, media_time))

    def keys(self, performer: int) -> list[tuple[int, int]]:
        """(channel, key) that a performer holds, ascending."""
        return [
            (cell >> 12, cell & 0xFFF) for cell in sorted(self.notes.held(performer)) if cell & 0xFFF < 128
        ]

    def _shown(self, outcome: Outcome) -> Outcome:
        for shown in outcome.shown:
            self.notes.apply(shown.performer, shown.message)
        return outcome


@pytest.fixture
def room() -> Routed:
    """General MIDI, with Anna and Ben."""
    return Routed(GM, ANNA, BEN)


def test_what_a_performer_plays_goes_to_the_port_and_to_everyone(room: Routed) -> None:
    assert room.play(ANNA, ON, 700) == Outcome([PortPlay(ANNA, ON, None)], [Shown(ANNA, ON, 700)])
    assert room.play(ANNA, ON, 800, 99) == Outcome([PortPlay(ANNA, ON, 99)], [Shown(ANNA, ON, 800)])
    assert room.keys(ANNA) == [(0, 60)]
    assert room.play(BEN, OFF, 900) == Outcome(), "Ben does not hold it"
    assert room.play(ANNA, OFF, 900).port == [PortPlay(ANNA, OFF, None)]
    assert room.counts == {"events": 3, "nothing": 1}


def test_listeners_are_refused() -> None:
    room = Routed(GM)
    assert room.play(7, ON) == Outcome()
    room.router.join(7)
    assert room.play(7, ON).port == [PortPlay(7, ON, None)]
    room.leave(7, 0)
    assert room.play(7, ON) == Outcome()
    assert room.counts == {"listener": 2, "events": 1}
    with pytest.raises(ValueError, match="cannot"):
        room.select(7, "program/0/1", None, 0)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b"", "malformed"),
        (b"\x90\x3c", "malformed"),
        (b"\x90\x80\x01", "malformed"),
        (b"\xf0\x01", "malformed"),
        (b"\xf0" + bytes(5000) + b"\xf7", "malformed"),
        (b"\xf0\x43\xf7", "system"),
        (b"\xf3\x01", "system"),
        (b"\xfa", "system"),
        (b"\xff", "system"),
        (m.control(0, m.LOCAL_CONTROL, 0), "control"),
    ],
)
def test_what_is_no_performers_business_is_not_played_and_counted(
    room: Routed, message: bytes, code: str
) -> None:
    assert room.play(ANNA, message) == Outcome()
    assert room.counts == {code: 1}


def test_programs_are_not_played_where_performers_may_not_choose_sounds() -> None:
    room = Routed(replace(GM, programs=False), ANNA)
    for message in (m.program(0, 3), m.control(0, m.BANK_MSB, 1), m.control(0, m.BANK_LSB, 1)):
        assert room.play(ANNA, message) == Outcome()
    assert room.counts == {"program": 3}
    with pytest.raises(ValueError, match="cannot"):
        room.select(ANNA, "program/0/1", None, 0)


def test_clock_and_active_sensing_are_neither_played_nor_shown(room: Routed) -> None:
    for message in (b"\xf8", b"\xfe"):
        assert room.play(ANNA, message) == Outcome()
        assert room.local(message, 0) == Outcome()
    assert room.counts["ignored"] == 4


def test_leaving_and_panic_end_ones_own_notes(room: Routed) -> None:
    def press() -> None:
        for message in (ON, m.control(0, 64, 127), m.pitch_bend(0, 0)):
            room.play(ANNA, message)
        room.play(BEN, ON)

    ended = [
        Shown(ANNA, OFF, 50),
        Shown(ANNA, m.control(0, 64, 0), 50),
        Shown(ANNA, m.pitch_bend(0, m.BEND_CENTRE), 50),
    ]
    press()
    assert room.release(ANNA, 50) == Outcome([PortRelease(ANNA)], ended)
    assert room.release(ANNA, 50) == Outcome([PortRelease(ANNA)]), "once"
    press()
    assert room.leave(ANNA, 50) == Outcome([PortRelease(ANNA)], ended)
    assert room.keys(BEN) == [(0, 60)]


def test_silencing_everyone_spares_the_person_at_the_keys(room: Routed) -> None:
    room.local(m.note_on(0, 40, 90), 0)
    room.play(ANNA, ON)
    room.play(BEN, m.note_on(1, 70, 90))
    assert room.silence(9) == Outcome(
        [PortSilence()], [Shown(ANNA, OFF, 9), Shown(BEN, m.note_off(1, 70), 9)]
    )
    assert room.release(LOCAL, 9) == Outcome()
    assert room.keys(LOCAL) == [(0, 40)]


def test_a_file_played_ahead_ends_after_what_was_shown_of_it(room: Routed) -> None:
    room.router.join(FILE_PLAYER)
    room.play(FILE_PLAYER, ON, 4_800, 100)
    assert room.release(FILE_PLAYER, 1_000).shown == [Shown(FILE_PLAYER, OFF, 4_800)]


def test_one_channel_instruments_get_everything_there() -> None:
    room = Routed(MONTAGE, ANNA)
    assert room.play(ANNA, m.note_on(9, 60, 90)).shown == [Shown(ANNA, ON, 0)]
    assert room.play(ANNA, m.note_off(4, 60)).port == [PortPlay(ANNA, OFF, None)]


def test_sounds_are_chosen_by_name_and_followed(room: Routed) -> None:
    outcome = room.select(ANNA, "program/0/19", 2, 5)
    assert outcome.port == [PortPlay(ANNA, m.program(2, 19), None)]
    assert outcome.selected == [Selected("program/0/19", 2, ANNA)]
    montage = Routed(MONTAGE, ANNA)
    assert montage.select(ANNA, "live-set/3/4", 7, 5).selected == [Selected("live-set/3/4", 0, ANNA)]
    # Somebody turns to another sound on the instrument's own panel.
    for message in (m.control(0, m.BANK_MSB, 63), m.control(0, m.BANK_LSB, 1)):
        assert montage.local(message, 6).selected == []
    assert montage.local(m.program(0, 2), 6).selected == [Selected("performance/1/2", 0, LOCAL)]
    assert montage.play(BEN, ON) == Outcome()
    with pytest.raises(ValueError, match="bank 16 does not exist in Live Set"):
        montage.select(ANNA, "live-set/16/0", None, 5)


def test_mode_messages_end_what_is_ones_own_on_that_channel(room: Routed) -> None:
    for message in (ON, m.note_on(1, 60, 9), m.control(0, 64, 127), m.control(0, 1, 9)):
        room.play(ANNA, message)
    room.play(BEN, ON)
    assert room.play(ANNA, m.control(0, m.ALL_NOTES_OFF, 0), 3).shown == [Shown(ANNA, OFF, 3)]
    assert room.play(ANNA, m.control(0, m.RESET_CONTROLLERS, 0), 3).shown == [
        Shown(ANNA, m.control(0, 64, 0), 3),
        Shown(ANNA, m.control(0, 1, 0), 3),
    ]
    assert room.keys(ANNA) == [(1, 60)]
    room.local(m.note_on(0, 40, 9), 4)
    assert room.local(m.control(0, m.ALL_SOUND_OFF, 0), 5).shown == [Shown(LOCAL, m.note_off(0, 40), 5)]


class ModelPort:
    """A port process with its instrument, on virtual time."""

    def __init__(self) -> None:
        self.instrument = ModelInstrument()
        self._merger, self._schedule = Merger(), Schedule()

    def take(self, outcome: Outcome, now: int) -> None:
        self.until(now)
        for command in outcome.port:
            match command:
                case PortPlay(performer, message, None):
                    self.instrument.play(self._merger.apply(performer, message))
                case PortPlay(performer, message, int(at_ns)):
                    assert self._schedule.add(performer, message, at_ns) == []
                case PortRelease(performer):
                    self._schedule.cancel(performer)
                    self.instrument.play(self._merger.release(performer))
                case PortSilence():
                    self._schedule.clear()
                    self.instrument.play(self._merger.silence())
        self.until(now)

    def local(self, message: bytes, now: int) -> None:
        self.until(now)
        self.instrument.local(message)
        self.instrument.play(self._merger.local(message))

    def until(self, now: int) -> None:
        for _, performer, message in self._schedule.due(now):
            self.instrument.play(self._merger.apply(performer, message))


class Watcher:
    """What everyone sees: keys by performer, from the shown events in the order of their media times."""

    def __init__(self) -> None:
        self.shown: list[Shown] = []

    def keys(self, performer: int) -> set[tuple[int, int]]:
        held: set[tuple[int, int]] = set()
        for shown in sorted(self.shown, key=lambda shown: shown.media_time):
            if shown.performer == performer and shown.message[0] & 0xF0 in (m.NOTE_ON, m.NOTE_OFF):
                key = (m.channel(shown.message), shown.message[1])
                (held.add if m.is_note_on(shown.message) else held.discard)(key)
        return held


keys, values = st.integers(60, 62), st.sampled_from([0, 1, 127])
messages = st.one_of(
    st.builds(m.note_on, st.integers(0, 1), keys, values),
    st.builds(m.note_off, st.integers(0, 1), keys),
    st.builds(m.control, st.integers(0, 1), st.sampled_from([1, 64, 66]), values),
    st.builds(m.control, st.integers(0, 1), st.sampled_from([121, 123]), st.just(0)),
    st.builds(m.pitch_bend, st.integers(0, 1), st.sampled_from([0, 8192])),
)
own = messages.filter(lambda message: message[0] & 0xF0 != m.CONTROL or message[1] < 120)
players = st.integers(3, 5)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("play"), players, messages),
        st.tuples(st.just("file"), st.integers(0, 30), messages),
        st.tuples(st.just("pause"), st.just(0), st.just(b"")),
        st.tuples(st.just("local"), st.just(0), own),
        st.tuples(st.sampled_from(["join", "leave", "panic"]), players, st.just(b"")),
        st.tuples(st.just("silence"), st.just(0), st.just(b"")),
        st.tuples(st.just("wait"), st.integers(1, 30), st.just(b"")),
    ),
    max_size=60,
)


@settings(max_examples=300)
@given(steps, st.sampled_from([GM, MONTAGE]))
def test_after_everyone_left_only_the_keys_are_heard(
    history: list[tuple[str, int, bytes]], kind: profile.Profile
) -> None:
    """Virtual time in units of 0.1 s, which is both monotonic and media time here."""
    room, port, watcher = Routed(kind, FILE_PLAYER), ModelPort(), Watcher()
    now, last_file = 0, 0

    def take(outcome: Outcome) -> None:
        port.take(outcome, now)
        watcher.shown += outcome.shown

    for what, number, message in history:
        if what == "play":
            take(room.play(number, message, now))
        elif what == "file":
            # A player hands out what comes in order, up to some time ahead.
            last_file = max(last_file, now + number)
            take(room.play(FILE_PLAYER, message, last_file, last_file))
        elif what == "pause":
            take(room.release(FILE_PLAYER, now))
            last_file = now
        elif what == "local":
            if kind.one_channel:
                message = m.on_channel(message, 0)
            take(room.local(message, now))
            port.local(message, now)
        elif what == "join":
            room.router.join(number)
        elif what == "leave":
            take(room.leave(number, now))
        elif what == "panic":
            take(room.release(number, now))
        elif what == "silence":
            take(room.silence(now))
        else:
            now += number
            port.until(now)
        for performer in (LOCAL, FILE_PLAYER, 3, 4, 5):
            assert watcher.keys(performer) == set(room.keys(performer))
    for performer in (FILE_PLAYER, 3, 4, 5):
        take(room.leave(performer, now))
        assert watcher.keys(performer) == set()
    now += 100
    port.until(now)
    assert set(port.instrument.hanging) <= set(room.keys(LOCAL))
    for number, key in room.keys(LOCAL):
        take(room.local(m.note_off(number, key), now))
        port.local(m.note_off(number, key), now)
    assert port.instrument.hanging == []
    assert port.instrument.robbed == []
