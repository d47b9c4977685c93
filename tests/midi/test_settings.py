"""What a song has set: the same wherever it is asked for, and resets are not undone."""

from __future__ import annotations

import random

import pytest

from rtcserver.midi import message as m
from rtcserver.midi import settings
from rtcserver.midi.settings import Settings
from rtcserver.midi.smf import SongEvent


def of(*messages: bytes) -> Settings:
    return Settings([SongEvent(0, message) for message in messages])


def test_a_reset_of_controllers_is_not_undone_by_seeking() -> None:
    song = of(
        m.control(0, 1, 9), m.control(0, 7, 80), m.pitch_bend(0, 1), m.control(0, m.RESET_CONTROLLERS, 0)
    )
    assert song.before(4) == [m.control(0, 7, 80)]
    assert song.before(3) == [m.control(0, 1, 9), m.control(0, 7, 80), m.pitch_bend(0, 1)]
    assert song.before(0) == of().before(0) == []


def test_a_reset_is_of_its_own_channel() -> None:
    song = of(
        m.control(0, 1, 9), m.control(1, 1, 8), m.control(0, m.RESET_CONTROLLERS, 0), m.note_on(0, 60, 1)
    )
    assert song.before(4) == [m.control(1, 1, 8)]


def test_banks_come_before_programs_and_these_before_the_rest() -> None:
    song = of(
        m.control(0, 7, 1), m.pitch_bend(0, 5), m.program(0, 3), m.control(0, 32, 2), m.control(0, 0, 4)
    )
    assert song.before(5) == [
        m.control(0, 0, 4), m.control(0, 32, 2), m.program(0, 3), m.control(0, 7, 1), m.pitch_bend(0, 5),
    ]  # fmt: skip


def test_marks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(7)
    messages = [
        chance.choice(
            (
                m.control(chance.randrange(3), chance.choice((0, 1, 7, 32, 64, 121)), chance.randrange(128)),
                m.program(chance.randrange(3), chance.randrange(128)),
                m.pitch_bend(chance.randrange(3), chance.randrange(100)),
                m.note_on(0, 60, 1),
            )
        )
        for _ in range(200)
    ]
    whole = of(*messages)
    monkeypatch.setattr(settings, "EVERY", 16)
    marked = of(*messages)
    for index in range(201):
        assert marked.before(index) == whole.before(index), index
