"""The demo piece: it ends every note that it begins, loops in time, and gives way to a player."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from rtcserver.capture.demo import BEATS, TEMPO_BPM, DemoPlayer, ScoreEvent, loop_frames, notes, score, setup

RATE = 48_000
LOOP = round(BEATS * 60 / TEMPO_BPM * RATE)
BLOCK = 128


def sounding_after(messages: list[bytes], sounding: Counter[tuple[int, int]]) -> None:
    """Follow note-ons and note-offs; one off ends all of its note, as in a synthesizer."""
    for message in messages:
        note = (message[0] & 0x0F, message[1])
        if message[0] & 0xF0 == 0x90 and message[2]:
            sounding[note] += 1
        elif message[0] & 0xF0 in (0x80, 0x90):
            del sounding[note]


def test_a_piece_that_was_hushed_begins_anew_when_somebody_listens() -> None:
    player = DemoPlayer(RATE)
    opening = [message for _, message in play(DemoPlayer(RATE), 0, RATE // 2)]
    sounding: Counter[tuple[int, int]] = Counter()
    sounding_after([message for _, message in play(player, 0, 2 * RATE)], sounding)
    assert +sounding
    sounding_after(player.hush(), sounding)
    assert not +sounding
    assert player.hush() == []
    later = 3600 * RATE
    assert [message for _, message in play(player, later, later + RATE // 2)] == opening


def test_a_piece_that_a_player_has_stopped_waits_for_its_time_although_it_was_hushed() -> None:
    player = DemoPlayer(RATE, idle_s=1.0)
    play(player, 0, 2 * RATE)
    player.interrupt(2 * RATE)
    player.hush()
    played = play(player, 2 * RATE, 4 * RATE)
    assert played
    assert min(at for at, _ in played) >= 3 * RATE


def play(player: DemoPlayer, first: int, end: int) -> list[tuple[int, bytes]]:
    return [(at, message) for at in range(first, end, BLOCK) for message in player.due(at, BLOCK)]


def test_the_score_is_in_order_and_within_the_loop() -> None:
    beats = [event.beat for event in score()]
    assert beats == sorted(beats)
    assert beats[0] == 0
    assert beats[-1] < BEATS


def test_every_note_ends_before_the_loop_does_and_is_struck_once_at_a_time() -> None:
    sounding: Counter[tuple[int, int]] = Counter()
    for event in score():
        sounding_after([event.message], sounding)
        assert max(sounding.values(), default=0) <= 1, f"struck twice at beat {event.beat}"
    assert not sounding


def test_only_channels_that_were_set_up_play_and_all_bytes_are_midi() -> None:
    channels = {message[0] & 0x0F for message in setup() if message[0] & 0xF0 == 0xC0}
    assert {event.message[0] & 0x0F for event in score()} == channels
    for message in (*setup(), *(event.message for event in score())):
        assert message[0] & 0x80
        assert all(byte < 0x80 for byte in message[1:])
        assert len(message) == (2 if message[0] & 0xF0 == 0xC0 else 3)


def test_the_loop_repeats_itself_to_the_frame() -> None:
    player = DemoPlayer(RATE)
    events = score()
    heard: list[tuple[int, bytes]] = []
    # One frame a call around each event would be slow; whole blocks tell the block it falls into.
    heard = play(player, 0, 3 * LOOP)
    expected = [
        (turn * LOOP + round(event.beat * 60 / TEMPO_BPM * RATE), event.message)
        for turn in range(3)
        for event in events
    ]
    assert [(at // BLOCK * BLOCK, message) for at, message in expected] == heard[: len(expected)]


def test_a_player_ends_what_sounds_and_the_piece_waits_until_nobody_plays() -> None:
    player = DemoPlayer(RATE, idle_s=2.0)
    sounding: Counter[tuple[int, int]] = Counter()
    middle = LOOP // 3 // BLOCK * BLOCK
    for _, message in play(player, 0, middle):
        sounding_after([message], sounding)
    assert sounding
    sounding_after(player.interrupt(middle), sounding)
    assert not sounding
    assert player.interrupt(middle + RATE) == [], "nothing sounds any more"
    resumes = middle + 3 * RATE
    assert play(player, middle + BLOCK, resumes) == []
    again = play(player, resumes, resumes + LOOP)
    first = ScoreEvent(0, again[0][1])
    assert first.message == score()[0].message, "the piece begins anew"
    assert len(again) == pytest.approx(len(score()), abs=8)


def test_no_note_hangs_over_many_loops_and_interruptions() -> None:
    player = DemoPlayer(44_100, idle_s=0.5)
    sounding: Counter[tuple[int, int]] = Counter()
    for number, at in enumerate(range(0, 6 * LOOP, BLOCK)):
        if number % 4001 == 4000:
            sounding_after(player.interrupt(at), sounding)
            assert not sounding
        sounding_after(player.due(at, BLOCK), sounding)
        assert max(sounding.values(), default=0) <= 1


def test_it_is_never_silent_for_long() -> None:
    ons = [event.beat for event in score() if event.message[0] & 0xF0 == 0x90]
    assert max(after - before for before, after in pairwise([*ons, ons[0] + BEATS])) <= 1.5


def test_the_notes_for_those_who_show_them_are_those_that_are_played() -> None:
    played = {(round(e.beat * 60 / TEMPO_BPM * RATE), e.message) for e in score()}
    shown = set()
    for start, end, channel, note, velocity in notes():
        assert start < end < loop_frames(RATE)
        shown |= {(start, bytes((0x90 | channel, note, velocity))), (end, bytes((0x80 | channel, note, 64)))}
    assert {(at, message[:2]) for at, message in shown} == {(at, message[:2]) for at, message in played}
    assert {one for one in shown if one[1][0] < 0xA0 and one[1][0] >= 0x90} <= played


def test_it_says_at_which_frame_its_first_round_began_while_it_plays() -> None:
    player = DemoPlayer(RATE, idle_s=1.0)
    assert player.since is None
    play(player, 0, 3 * LOOP)
    assert player.since == 0
    middle = 3 * LOOP // BLOCK * BLOCK
    player.interrupt(middle)
    assert player.since is None
    played = play(player, middle, middle + 2 * RATE)
    assert player.since == played[0][0]
    player.hush()
    assert player.since is None
