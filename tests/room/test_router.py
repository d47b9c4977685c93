"""Who may play what, and that nothing hangs whoever comes and goes, with files played ahead of time."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtcserver.clock import NS
from rtcserver.midi import message as m
from rtcserver.midi import profile
from rtcserver.midi.merge import LOCAL, Merger
from rtcserver.midi.schedule import Schedule
from rtcserver.room.router import (
    EVENTS_BURST,
    EVENTS_PER_S,
    FILE_PLAYER,
    GRANT_SYSEX,
    GRANT_SYSTEM,
    SILENCE_NS,
    Outcome,
    Play,
    Refusal,
    Release,
    Router,
    Selected,
    Shown,
    Silence,
)
from tests.midi.instrument import ModelInstrument

ANNA, BEN = 3, 4
GM, MONTAGE = profile.load("gm"), profile.load("montage")
ON, OFF = m.note_on(0, 60, 90), m.note_off(0, 60)


@pytest.fixture
def router() -> Router:
    """General MIDI, with Anna and Ben."""
    router = Router(GM)
    router.join(ANNA, 0)
    router.join(BEN, 0)
    return router


def codes(outcome: Outcome) -> list[str]:
    return [refusal.code for refusal in outcome.refused]


def test_what_a_performer_plays_goes_to_the_port_and_to_everyone(router: Router) -> None:
    assert router.receive(ANNA, ON, 5, 700) == Outcome([Play(ANNA, ON, None)], [Shown(ANNA, ON, 700)])
    assert router.receive(ANNA, ON, 5, 800, 99) == Outcome([Play(ANNA, ON, 99)], [Shown(ANNA, ON, 800)])
    assert router.keys(ANNA) == [(0, 60)]
    assert router.receive(BEN, OFF, 6, 900) == Outcome(), "he does not hold it"
    assert router.receive(ANNA, OFF, 6, 900).port == [Play(ANNA, OFF, None)]
    assert router.counts == {"events": 3, "nothing": 1}


def test_listeners_are_refused() -> None:
    router = Router(GM)
    assert router.receive(7, ON, 0, 0) == Outcome(
        refused=[Refusal(7, "listener", "listeners cannot play; open the performer link")]
    )
    router.join(7, 0)
    router.leave(7, 0)
    assert codes(router.receive(7, ON, 0, 0)) == ["listener"]
    with pytest.raises(ValueError, match="cannot"):
        router.select(7, "program/0/1", None, 0)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b"", "malformed"),
        (b"\x90\x3c", "malformed"),
        (b"\x90\x80\x01", "malformed"),
        (b"\xf0\x01", "malformed"),
        (b"\xf0" + bytes(5000) + b"\xf7", "malformed"),
        (b"\xf0\x43\xf7", "sysex"),
        (b"\xf3\x01", "system"),
        (b"\xfa", "system"),
        (b"\xff", "system"),
        (m.control(0, m.LOCAL_CONTROL, 0), "control"),
    ],
)
def test_what_is_no_performers_business_is_refused_with_a_reason(
    router: Router, message: bytes, code: str
) -> None:
    outcome = router.receive(ANNA, message, 0, 0)
    assert codes(outcome) == [code]
    assert outcome.refused[0].reason
    assert (outcome.port, outcome.shown) == ([], [])
    assert router.counts[code] == 1


def test_clock_and_active_sensing_are_neither_played_nor_shown(router: Router) -> None:
    for message in (b"\xf8", b"\xfe"):
        assert router.receive(ANNA, message, 0, 0) == Outcome()
        assert router.local(message, 0) == Outcome()
    assert router.counts["ignored"] == 4


def test_grants_open_system_messages_up_to_a_length() -> None:
    router = Router(GM)
    router.join(ANNA, 0, {GRANT_SYSEX, GRANT_SYSTEM})
    sysex = b"\xf0" + bytes(GM.system_exclusive - 2) + b"\xf7"
    assert router.receive(ANNA, sysex, 0, 0) == Outcome([Play(ANNA, sysex, None)])
    assert codes(router.receive(ANNA, sysex[:-1] + b"\x00\xf7", 0, 0)) == ["sysex"]
    assert router.receive(ANNA, b"\xfa", 0, 0).port == [Play(ANNA, b"\xfa", None)]


def test_rates_are_limited_but_never_what_lets_go(router: Router) -> None:
    for key in range(EVENTS_BURST):
        assert not router.receive(ANNA, m.note_on(key // 100, key % 100, 1), 0, 0).refused
    assert codes(router.receive(ANNA, m.note_on(5, 1, 1), 0, 0)) == ["rate"]
    assert not router.receive(BEN, ON, 0, 0).refused, "each has his own"
    for key in range(EVENTS_BURST):
        assert router.receive(ANNA, m.note_off(key // 100, key % 100), 0, 0).port
    # A second later it is full again; a thousand a second are a thousand.
    taken = sum(
        not router.receive(ANNA, m.control(0, 20, 1), NS + n * 100_000, 0).refused for n in range(20_000)
    )
    assert taken == EVENTS_BURST + 2 * EVENTS_PER_S - 1
    router.join(FILE_PLAYER, 0)
    assert not any(router.receive(FILE_PLAYER, ON, 0, 0).refused for _ in range(2 * EVENTS_PER_S))


def test_leaving_panic_and_two_seconds_of_silence_end_ones_own_notes(router: Router) -> None:
    def press() -> None:
        for message in (ON, m.control(0, 64, 127), m.pitch_bend(0, 0)):
            router.receive(ANNA, message, 0, 0)
        router.receive(BEN, ON, 0, 0)

    ended = [
        Shown(ANNA, OFF, 50),
        Shown(ANNA, m.control(0, 64, 0), 50),
        Shown(ANNA, m.pitch_bend(0, m.BEND_CENTRE), 50),
    ]
    press()
    assert router.release(ANNA, 50) == Outcome([Release(ANNA)], ended)
    press()
    assert router.tick(SILENCE_NS - 1, 50) == Outcome()
    router.heard(BEN, SILENCE_NS - 1)
    assert router.tick(SILENCE_NS, 50) == Outcome([Release(ANNA)], ended, silent=[ANNA])
    assert router.tick(SILENCE_NS, 50) == Outcome(), "once"
    press()
    assert router.leave(ANNA, 50) == Outcome([Release(ANNA)], ended)
    assert router.keys(BEN) == [(0, 60)]


def test_silencing_everyone_spares_the_person_at_the_keys(router: Router) -> None:
    router.local(m.note_on(0, 40, 90), 0)
    router.receive(ANNA, ON, 0, 0)
    router.receive(BEN, m.note_on(1, 70, 90), 0, 0)
    assert router.silence(9) == Outcome([Silence()], [Shown(ANNA, OFF, 9), Shown(BEN, m.note_off(1, 70), 9)])
    assert router.release(LOCAL, 9) == Outcome()
    assert router.keys(LOCAL) == [(0, 40)]


def test_a_file_played_ahead_ends_after_what_was_shown_of_it(router: Router) -> None:
    router.join(FILE_PLAYER, 0)
    router.receive(FILE_PLAYER, ON, 0, 4_800, 100)
    assert router.release(FILE_PLAYER, 1_000).shown == [Shown(FILE_PLAYER, OFF, 4_800)]


def test_one_channel_instruments_get_everything_there() -> None:
    router = Router(MONTAGE)
    router.join(ANNA, 0)
    assert router.receive(ANNA, m.note_on(9, 60, 90), 0, 0).shown == [Shown(ANNA, ON, 0)]
    assert router.receive(ANNA, m.note_off(4, 60), 0, 0).port == [Play(ANNA, OFF, None)]


def test_sounds_are_chosen_by_name_and_followed(router: Router) -> None:
    outcome = router.select(ANNA, "program/0/19", 2, 5)
    assert outcome.port == [Play(ANNA, m.program(2, 19), None)]
    assert outcome.selected == [Selected("program/0/19", 2, ANNA)]
    montage = Router(MONTAGE)
    montage.join(ANNA, 0)
    assert montage.select(ANNA, "live-set/3/4", 7, 5).selected == [Selected("live-set/3/4", 0, ANNA)]
    # Somebody turns to another sound on the instrument's own panel.
    for message in (m.control(0, m.BANK_MSB, 63), m.control(0, m.BANK_LSB, 1)):
        assert montage.local(message, 6).selected == []
    assert montage.local(m.program(0, 2), 6).selected == [Selected("performance/1/2", 0, LOCAL)]
    assert montage.receive(BEN, ON, 0, 0).refused
    with pytest.raises(ValueError, match="bank 16 does not exist in Live Set"):
        montage.select(ANNA, "live-set/16/0", None, 5)


def test_mode_messages_end_what_is_ones_own_on_that_channel(router: Router) -> None:
    for message in (ON, m.note_on(1, 60, 9), m.control(0, 64, 127), m.control(0, 1, 9)):
        router.receive(ANNA, message, 0, 0)
    router.receive(BEN, ON, 0, 0)
    assert router.receive(ANNA, m.control(0, m.ALL_NOTES_OFF, 0), 0, 3).shown == [Shown(ANNA, OFF, 3)]
    assert router.receive(ANNA, m.control(0, m.RESET_CONTROLLERS, 0), 0, 3).shown == [
        Shown(ANNA, m.control(0, 64, 0), 3),
        Shown(ANNA, m.control(0, 1, 0), 3),
    ]
    assert router.keys(ANNA) == [(1, 60)]
    router.local(m.note_on(0, 40, 9), 4)
    assert router.local(m.control(0, m.ALL_SOUND_OFF, 0), 5).shown == [Shown(LOCAL, m.note_off(0, 40), 5)]


class ModelPort:
    """A port process with its instrument, on virtual time."""

    def __init__(self) -> None:
        self.instrument = ModelInstrument()
        self._merger, self._schedule = Merger(), Schedule()

    def take(self, outcome: Outcome, now: int) -> None:
        self.until(now)
        for command in outcome.port:
            match command:
                case Play(performer, message, None):
                    self.instrument.play(self._merger.apply(performer, message))
                case Play(performer, message, int(at_ns)):
                    assert self._schedule.add(performer, message, at_ns) == []
                case Release(performer):
                    self._schedule.cancel(performer)
                    self.instrument.play(self._merger.release(performer))
                case Silence():
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
        st.tuples(st.sampled_from(["join", "leave", "panic", "heard"]), players, st.just(b"")),
        st.tuples(st.sampled_from(["tick", "silence"]), st.just(0), st.just(b"")),
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
    router, port, watcher = Router(kind), ModelPort(), Watcher()
    router.join(FILE_PLAYER, 0)
    now, last_file = 0, 0

    def take(outcome: Outcome) -> None:
        port.take(outcome, now)
        watcher.shown += outcome.shown

    for what, number, message in history:
        ns = now * NS // 10
        if what == "play":
            take(router.receive(number, message, ns, now))
        elif what == "file":
            # A player hands out what comes in order, up to some time ahead.
            last_file = max(last_file, now + number)
            take(router.receive(FILE_PLAYER, message, ns, last_file, last_file))
        elif what == "pause":
            take(router.release(FILE_PLAYER, now))
            last_file = now
        elif what == "local":
            if kind.one_channel:
                message = m.on_channel(message, 0)
            take(router.local(message, now))
            port.local(message, now)
        elif what == "join":
            router.join(number, ns)
        elif what == "leave":
            take(router.leave(number, now))
        elif what == "panic":
            take(router.release(number, now))
        elif what == "heard":
            router.heard(number, ns)
        elif what == "tick":
            take(router.tick(ns, now))
        elif what == "silence":
            take(router.silence(now))
        else:
            now += number
            port.until(now)
        for performer in (LOCAL, FILE_PLAYER, 3, 4, 5):
            assert watcher.keys(performer) == set(router.keys(performer))
    for performer in (FILE_PLAYER, 3, 4, 5):
        take(router.leave(performer, now))
        assert watcher.keys(performer) == set()
    now += 100
    port.until(now)
    assert set(port.instrument.hanging) <= set(router.keys(LOCAL))
    for number, key in router.keys(LOCAL):
        take(router.local(m.note_off(number, key), now))
        port.local(m.note_off(number, key), now)
    assert port.instrument.hanging == []
    assert port.instrument.robbed == []
