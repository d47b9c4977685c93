"""Several people on one instrument: nothing hangs, and nobody takes anything from the person at the keys."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from rtcserver.midi import message as m
from rtcserver.midi.merge import Merger, release_everything
from rtcserver.midi.performers import LOCAL
from tests.midi.instrument import ModelInstrument

ANNA, BEN = 3, 4
ON, OFF = m.note_on(0, 60, 90), m.note_off(0, 60)


def test_a_key_held_by_two_ends_with_the_last() -> None:
    merger = Merger()
    assert merger.apply(ANNA, ON) == [ON]
    # Struck again: off first, so that no instrument stacks two voices.
    assert merger.apply(BEN, m.note_on(0, 60, 40)) == [OFF, m.note_on(0, 60, 40)]
    assert merger.apply(ANNA, OFF) == []
    assert merger.keys(ANNA) == []
    assert merger.keys(BEN) == [(0, 60)]
    assert merger.apply(BEN, m.note_on(0, 60, 0)) == [m.note_on(0, 60, 0)]
    assert merger.sounding == frozenset()
    assert merger.apply(BEN, OFF) == [], "nobody holds it"


def test_strikes_on_his_key_outlast_his_until_the_last_of_the_others_lets_go() -> None:
    merger, instrument = Merger(), ModelInstrument()
    instrument.local(ON)
    assert merger.local(ON) == []
    instrument.play(merger.apply(ANNA, ON))
    instrument.play(merger.apply(BEN, ON))
    instrument.local(OFF)
    # One note-off ends both strikes on many an instrument, and both others still hold the key.
    assert merger.local(OFF) == []
    assert merger.apply(ANNA, OFF) == []
    instrument.play(merger.apply(BEN, OFF))
    assert instrument.hanging == []


def test_the_person_at_the_keys_keeps_his_note_and_his_pedal() -> None:
    merger = Merger()
    assert merger.local(ON) == []
    assert merger.local(m.control(0, 64, 127)) == []
    assert merger.apply(ANNA, ON) == [ON]
    assert merger.apply(ANNA, m.control(0, 64, 127)) == []
    assert merger.release(ANNA) == [], "the key and the pedal are down at the instrument"
    assert merger.local(OFF) == [OFF], "our strike of the same key ends with the one at the instrument"
    merger.apply(ANNA, m.control(0, 64, 90))
    # The pedal at the instrument goes up, Anna's is down: the instrument is told again.
    assert merger.local(m.control(0, 64, 0)) == [m.control(0, 64, 90)]
    assert merger.release(ANNA) == [m.control(0, 64, 0)]


def test_pedals_are_as_deep_as_the_deepest() -> None:
    merger = Merger()
    assert merger.apply(ANNA, m.control(2, 64, 40)) == [m.control(2, 64, 40)]
    assert merger.apply(BEN, m.control(2, 64, 100)) == [m.control(2, 64, 100)]
    assert merger.apply(ANNA, m.control(2, 64, 0)) == []
    assert merger.apply(BEN, m.control(2, 64, 30)) == [m.control(2, 64, 30)]
    assert merger.apply(BEN, m.control(2, 64, 30)) == []
    assert merger.pedals(BEN) == [(2, 64, 30)]
    assert merger.release(BEN) == [m.control(2, 64, 0)]


def test_bends_return_when_the_one_who_bent_leaves() -> None:
    bend, centre = m.pitch_bend(0, 9000), m.pitch_bend(0, m.BEND_CENTRE)
    merger = Merger()
    moved = [bend, m.control(0, 1, 50), m.control(0, 11, 10), m.channel_pressure(0, 9), m.control(0, 7, 80)]
    for message in moved:
        assert merger.apply(ANNA, message) == [message]
    assert sorted(merger.release(ANNA)) == sorted(
        [centre, m.control(0, 1, 0), m.control(0, 11, 127), m.channel_pressure(0, 0)]
    ), "the volume stays: it is the instrument's"
    merger.apply(ANNA, bend)
    merger.apply(BEN, m.pitch_bend(0, 7000))
    assert merger.release(ANNA) == [], "Ben has the bend now"
    merger.local(m.pitch_bend(0, 100))
    assert merger.release(BEN) == []
    merger.apply(BEN, bend)
    merger.apply(BEN, centre)
    assert merger.release(BEN) == []
    assert merger.silence(()) == []


def test_mode_messages_are_never_sent() -> None:
    merger = Merger()
    merger.local(ON)
    for key in (60, 62):
        merger.apply(ANNA, m.note_on(0, key, 90))
    merger.apply(ANNA, m.note_on(1, 62, 90))
    merger.apply(BEN, m.note_on(0, 64, 90))
    assert merger.apply(ANNA, m.control(0, m.LOCAL_CONTROL, 0)) == []
    assert merger.apply(ANNA, m.control(0, m.ALL_NOTES_OFF, 0)) == [m.note_off(0, 62)]
    assert merger.keys(ANNA) == [(1, 62)]
    assert merger.keys(BEN) == [(0, 64)]
    merger.apply(ANNA, m.control(0, 64, 127))
    merger.apply(ANNA, m.pitch_bend(0, 0))
    assert merger.apply(ANNA, m.control(0, m.RESET_CONTROLLERS, 0)) == [
        m.control(0, 64, 0),
        m.pitch_bend(0, m.BEND_CENTRE),
    ]


def test_silence_spares_the_person_at_the_keys() -> None:
    merger = Merger()
    merger.local(m.note_on(0, 40, 90))
    merger.apply(ANNA, m.note_on(0, 60, 90))
    merger.apply(ANNA, m.note_on(1, 60, 90))
    messages = merger.silence(range(2))
    assert m.note_off(0, 40) not in messages
    assert {message[1] for message in messages if message[0] == 0x80} == set(range(128)) - {40}
    assert m.control(0, m.ALL_SOUND_OFF, 0) not in messages
    assert m.control(1, m.ALL_SOUND_OFF, 0) in messages
    assert merger.keys(LOCAL) == [(0, 40)]
    assert merger.sounding == frozenset()


def test_a_replugged_instrument_loses_what_hung_and_keeps_what_is_pressed() -> None:
    merger = Merger()
    merger.local(m.note_on(0, 40, 90))
    merger.local(m.control(0, 66, 127))
    merger.apply(ANNA, ON)
    merger.apply(ANNA, m.control(0, 64, 127))
    assert merger.reconnect() == [OFF, m.control(0, 64, 127), m.control(0, 66, 0)]
    assert merger.keys(LOCAL) == []
    assert merger.apply(ANNA, OFF) == []
    assert merger.apply(ANNA, m.control(0, 64, 0)) == [m.control(0, 64, 0)]


def test_the_start_silences_whatever_hangs() -> None:
    instrument = ModelInstrument()
    instrument.play([ON, m.note_on(9, 30, 90), m.control(0, 64, 127), m.pitch_bend(0, 0)])
    instrument.play(release_everything())
    assert instrument.hanging == []
    assert instrument.pedal(0, 64) == 0
    assert instrument.bend[0] == m.BEND_CENTRE


def test_a_reset_on_the_panel_does_not_lift_the_pedals_of_others() -> None:
    merger = Merger()
    merger.local(m.control(0, 64, 127))
    merger.apply(ANNA, m.control(0, 64, 90))
    assert merger.local(m.control(0, m.RESET_CONTROLLERS, 0)) == [m.control(0, 64, 90)]
    merger.local(ON)
    merger.apply(ANNA, ON)
    assert merger.release(ANNA) == [m.control(0, 64, 0)]
    assert merger.local(m.control(0, m.ALL_NOTES_OFF, 0)) == [OFF]


# Few keys and channels, so that people meet.
channels, keys, values = st.integers(0, 1), st.integers(60, 62), st.sampled_from([0, 1, 64, 127])
voice_messages = st.one_of(
    st.builds(m.note_on, channels, keys, values),
    st.builds(m.note_off, channels, keys),
    st.builds(m.control, channels, st.sampled_from([1, 7, 11, 64, 66]), values),
    st.builds(m.control, channels, st.sampled_from([120, 121, 122, 123]), st.just(0)),
    st.builds(m.pitch_bend, channels, st.sampled_from([0, 8192, 16383])),
    st.builds(m.channel_pressure, channels, values),
)
# Mode messages of the instrument's own panel have a test of their own.
own_messages = voice_messages.filter(lambda message: message[0] & 0xF0 != m.CONTROL or message[1] < 120)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("play"), st.integers(2, 4), voice_messages),
        st.tuples(st.just("local"), st.just(LOCAL), own_messages),
        st.tuples(st.just("release"), st.integers(2, 4), st.just(b"")),
        st.tuples(st.just("silence"), st.just(0), st.just(b"")),
    ),
    max_size=60,
)


@settings(max_examples=300)
@given(steps)
def test_after_everyone_left_only_the_person_at_the_keys_is_heard(
    history: list[tuple[str, int, bytes]],
) -> None:
    merger, instrument = Merger(), ModelInstrument()
    own_pedals: dict[tuple[int, int], int] = {}
    # Keys that others struck while `LOCAL` held them: those strikes last until the last holder lets go.
    stacked: set[tuple[int, int]] = set()
    for what, owner, message in history:
        if what == "play":
            instrument.play(merger.apply(owner, message))
        elif what == "release":
            instrument.play(merger.release(owner))
        elif what == "silence":
            instrument.play(merger.silence(range(2)))
        else:
            if message[0] & 0xF0 == m.CONTROL:
                own_pedals[m.channel(message), message[1]] = message[2]
            instrument.local(message)
            instrument.play(merger.local(message))
        assert instrument.robbed == []
        assert set(instrument.hanging) == merger.sounding
        held = set(merger.keys(LOCAL))
        stacked = held | {key for key in stacked if instrument.voices[key] > 1}
        assert all(count <= 1 for key, count in instrument.voices.items() if key not in stacked)
        for (number, pedal), value in own_pedals.items():
            if pedal in m.PEDALS:
                assert instrument.pedal(number, pedal) >= value
    for owner in (2, 3, 4):
        instrument.play(merger.release(owner))
    # What was struck while `LOCAL` held the same key ends when `LOCAL` lets go.
    assert set(instrument.hanging) <= set(merger.keys(LOCAL))
    for number, key in merger.keys(LOCAL):
        instrument.local(m.note_off(number, key))
        instrument.play(merger.local(m.note_off(number, key)))
    assert instrument.hanging == []
    for number in (0, 1):
        for pedal in (64, 66):
            assert instrument.pedal(number, pedal) == own_pedals.get((number, pedal), 0)
    assert instrument.robbed == []


@settings(max_examples=100)
@given(steps)
def test_when_the_server_dies_nothing_of_ours_hangs(history: list[tuple[str, int, bytes]]) -> None:
    merger, instrument = Merger(), ModelInstrument()
    for what, owner, message in history:
        if what == "play":
            instrument.play(merger.apply(owner, message))
        elif what == "local":
            instrument.local(message)
            instrument.play(merger.local(message))
    instrument.play(merger.release_others())
    assert instrument.hanging == []
    for number in (0, 1):
        for pedal in (64, 66):
            mine = {(n, p): v for n, p, v in merger.pedals(LOCAL)}
            assert instrument.pedal(number, pedal) == mine.get((number, pedal), 0)
