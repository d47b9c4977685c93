"""The player on virtual time: every event once, at its time, whatever buttons are pressed."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtcserver.clock import NS
from rtcserver.errors import PeerError
from rtcserver.midi import message as m
from rtcserver.midi.settings import Settings
from rtcserver.midi.smf import Song, SongEvent
from rtcserver.room.player import (
    EVENTS_PER_S,
    LOOKAHEAD_NS,
    MAX_EVENTS_A_TURN,
    START_NS,
    TICK_NS,
    TRANSITIONS,
    FilePlayer,
    PlayerAction,
    PlayerState,
)

MS = 1_000_000


def song(*events: tuple[int, bytes], duration_ms: int = 10_000) -> Song:
    timed = tuple(SongEvent(at * MS, message) for at, message in events)
    return Song("x", timed, duration_ms * MS, 1, len(events), 0)


def scale() -> Song:
    """A note every 100 ms for ten seconds, each 50 ms long."""
    events = []
    for n in range(100):
        events += [(100 * n, m.note_on(0, n, 64)), (100 * n + 50, m.note_off(0, n))]
    return song(*events)


def run(player: FilePlayer, begin: int, end: int, every: int = TICK_NS) -> list[tuple[int, bytes]]:
    events = []
    for now in range(begin, end, every):
        events += player.tick(now).events
    return events


def loaded(one: Song | None = None) -> FilePlayer:
    player = FilePlayer()
    one = one or scale()
    player.load(one, Settings(one.events))
    return player


def test_every_event_comes_once_in_time_and_ahead() -> None:
    player = loaded()
    step = player.play(0)
    assert step.changed
    assert not step.release
    got = list(step.events)
    now = 0
    while player.state is PlayerState.PLAYING:
        assert player.next_ns is not None
        assert now < player.next_ns <= now + TICK_NS
        now = player.next_ns
        step = player.tick(now)
        assert all(now < at < now + LOOKAHEAD_NS for at, _ in step.events)
        got += step.events
    assert got == [(START_NS + at, message) for at, message in scale().events]
    assert step.release
    assert step.changed
    assert now - START_NS - 10 * NS < TICK_NS
    assert player.position_ns(now) == 0
    assert player.next_ns is None


@pytest.mark.parametrize("per_s", [1000, EVENTS_PER_S])
def test_thousands_of_events_at_one_moment_take_turns(per_s: int) -> None:
    """Each turn is short, no second has more than its number, all come in order, and what follows is in time again."""
    crowd = [(50, m.control(n % 16, 7, n % 128)) for n in range(5000)]
    player = FilePlayer(per_s)
    dense = song((0, m.note_on(0, 60, 64)), *crowd, (9000, m.note_off(0, 60)))
    player.load(dense, Settings(dense.events))
    turns = [(0, player.play(0).events)]
    while len(turns[-1][1]) == MAX_EVENTS_A_TURN:
        due = player.next_ns
        assert due is not None
        assert player.tick(due - 1).events == [], "a turn comes when it is due"
        turns.append((due, player.tick(due).events))
    spent = turns[-1][0] - turns[0][0]
    assert spent == pytest.approx(5000 / per_s * NS, rel=0.05)
    handed = [event for _, events in turns for event in events]
    assert [message for _, message in handed[1:]] == [message for _, message in crowd]
    times = [at for at, _ in handed]
    assert times == sorted(times)
    assert times[1:] == [max(START_NS + 50 * MS, now) for now, events in turns for _ in events][1:]
    assert player.late == sum(now > START_NS + 50 * MS for now, events in turns for _ in events)
    rest = run(player, turns[-1][0] + TICK_NS, 10 * NS)
    assert rest == [(START_NS + 9000 * MS, m.note_off(0, 60))]


def test_eight_hundred_events_at_one_moment_still_sound_in_time() -> None:
    player = loaded(song((100, m.note_on(0, 60, 64)), *[(100, m.control(0, 7, n % 128)) for n in range(800)]))
    handed, now = list(player.play(0).events), 0
    while len(handed) < 801:
        assert player.next_ns is not None
        now = player.next_ns
        handed += player.tick(now).events
    assert {at for at, _ in handed} == {START_NS + 100 * MS}


def test_a_song_ends_after_its_last_event_however_late_that_is() -> None:
    player = FilePlayer(1000)
    dense = song(*[(0, m.control(0, 7, n % 128)) for n in range(3000)], duration_ms=10)
    player.load(dense, Settings(dense.events))
    got, now = list(player.play(0).events), 0
    while player.state is PlayerState.PLAYING:
        assert player.next_ns is not None
        now = player.next_ns
        step = player.tick(now)
        got += step.events
        assert not (step.events and step.release), "the release would come before the events"
    assert len(got) == 3000
    assert step.release
    assert now == pytest.approx(3 * NS, rel=0.1)


def test_pause_releases_and_play_goes_on_where_it_was() -> None:
    player = loaded()
    player.play(0)
    run(player, 0, NS)
    step = player.pause(START_NS + 1020 * MS)
    assert (step.release, step.changed) == (True, True)
    assert player.position_ns(99 * NS) == 1020 * MS
    assert player.tick(99 * NS).events == []
    step = player.play(100 * NS)
    # The note that was cut does not start again, its end comes and finds nothing.
    assert step.events[0] == (100 * NS + START_NS + 30 * MS, m.note_off(0, 10))
    assert player.pause(100 * NS).release
    assert player.position_ns(0) == 1020 * MS, "nothing was heard of it yet"
    assert player.pause(100 * NS) == player.pause(100 * NS)


def test_seeking_sets_what_was_set_before() -> None:
    piece = song(
        (0, m.control(0, 0, 1)), (0, m.program(0, 5)), (10, m.control(0, 64, 127)), (20, m.pitch_bend(0, 0)),
        (30, m.control(1, 7, 3)), (500, m.program(0, 6)), (600, m.note_on(0, 60, 1)),
        (900, m.note_off(0, 60)),
    )  # fmt: skip
    player = loaded(piece)
    assert player.seek(550 * MS, 0).events == []
    assert player.state is PlayerState.PAUSED
    at = NS + START_NS
    assert player.play(NS).events == [
        (at, m.control(0, 0, 1)),
        (at, m.program(0, 6)),
        (at, m.control(0, 64, 127)),
        (at, m.pitch_bend(0, 0)),
        (at, m.control(1, 7, 3)),
        (at + 50 * MS, m.note_on(0, 60, 1)),
    ]
    step = player.seek(0, 2 * NS)
    assert step.release
    assert step.events[0] == (2 * NS + START_NS, m.control(0, 0, 1))
    for wrong in (-1, piece.duration_ns + 1):
        with pytest.raises(PeerError, match=r"0 to 10\.0 s"):
            player.seek(wrong, 0)


def test_tempo_turns_behind_what_was_handed_out() -> None:
    player = loaded()
    got = list(player.play(0).events)
    got += run(player, 0, NS)
    turn = max(at for at, _ in got)
    position = player.position_ns(NS)
    player.set_tempo(2.0, NS)
    assert player.position_ns(NS) == position, "no jump"
    assert player.tempo == 2.0
    got += run(player, NS, 12 * NS)
    times = [at for at, _ in got]
    assert times == sorted(times)
    assert [message for _, message in got] == [message for _, message in scale().events]
    steps = [b - a for a, b in itertools.pairwise(times)]
    assert set(steps[: times.index(turn)]) == {50 * MS}
    assert set(steps[times.index(turn) + 1 :]) == {25 * MS}
    for wrong in (0, -1, 0.2, 4.1, float("nan"), float("inf")):
        with pytest.raises(PeerError, match=r"0\.25 to 4\.0"):
            player.set_tempo(wrong, 0)


@given(
    st.lists(
        st.tuples(st.sampled_from(["play", "pause", "stop", "seek", "tempo", "wait"]), st.integers(1, 4000)),
        max_size=30,
    )
)
def test_whatever_is_pressed_the_position_is_in_the_song_and_times_do_not_go_back(
    presses: list[tuple[str, int]],
) -> None:
    player, now = loaded(), 0
    latest = 0
    for press, number in presses:
        if press == "play":
            step = player.play(now)
        elif press == "pause":
            step = player.pause(now)
        elif press == "stop":
            step = player.stop()
        elif press == "seek":
            step = player.seek(number * 2 * MS, now)
        elif press == "tempo":
            step = player.set_tempo(0.25 + number / 4000 * 3.75, now)
        else:
            now += number * MS
            step = player.tick(now)
        if step.release:
            latest = 0
        for at, _ in step.events:
            assert at >= latest
            latest = at
        assert 0 <= player.position_ns(now) <= 10 * NS
        assert player.describe(now)["state"] == player.state.value


def test_without_a_song_there_is_nothing_to_play() -> None:
    player = FilePlayer()
    for press in (lambda: player.play(0), lambda: player.seek(0, 0)):
        with pytest.raises(PeerError, match="no MIDI file"):
            press()
    assert player.tick(0).events == []
    assert player.stop().release is False
    assert player.describe(0)["duration_s"] == 0


def test_the_table_has_every_state_and_only_playing_songs_end() -> None:
    assert TRANSITIONS.keys() == set(PlayerState)
    for state, moves in TRANSITIONS.items():
        assert moves.keys() >= set(PlayerAction) - {PlayerAction.END}
        assert (PlayerAction.END in moves) == (state is PlayerState.PLAYING)
