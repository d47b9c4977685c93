"""Packets that are sent twice: the same protected bytes, a little later, dropped by who has the first."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pylibsrtp
import pytest

from rtcserver.broadcast.engine import BroadcastEngine
from rtcserver.broadcast.listener import redundant_kind
from rtcserver.broadcast.repeats import REPEAT_AFTER_NS
from tests.broadcast.listening import CM, GCM, Listening, media

Make = Callable[..., Listening]
EITHER_WAY = pytest.mark.parametrize("batched", [True, False], ids=["sendmmsg", "sendmsg"])
START = 10**9


def sent_twice(engine: BroadcastEngine, now_ns: int) -> int:
    """Let the copies of what has been sent become due."""
    engine.repeat(now_ns)
    assert engine.repeat(now_ns + REPEAT_AFTER_NS - 1) == 0
    return engine.repeat(now_ns + REPEAT_AFTER_NS)


@EITHER_WAY
@pytest.mark.parametrize("profile", [GCM, CM])
def test_the_copy_is_the_same_packet_and_comes_later(
    media_socket: socket.socket, listening: Make, batched: bool, profile: object
) -> None:
    engine = BroadcastEngine([media_socket], batched=batched)
    ear, other = listening(1, profile=profile), listening(2)
    for one in (other, ear):
        engine.add(one.spec)
    assert engine.repeat_due_ns is None
    assert engine.set_copied(1, 1)
    assert not engine.set_copied(7, 1)
    engine.send("main", media(0))
    engine.repeat(START)
    first = ear.drain()
    assert len(first) == 1
    assert engine.repeat_due_ns == START + REPEAT_AFTER_NS
    # The next packet comes before the copy of this one.
    engine.send("main", media(1, size=300))
    assert engine.repeat(START + REPEAT_AFTER_NS) == 1
    second, copy = ear.drain()
    assert copy == first[0]
    assert engine.repeat(START + 2 * REPEAT_AFTER_NS) == 1
    assert ear.drain() == [second]
    assert engine.repeat_due_ns is None
    assert len(other.drain()) == 2
    assert engine.totals().repeats == 2
    assert engine.totals().packets == 4

    # Who has lost the first takes the copy; who has it drops the copy.
    assert ear.decrypt([copy])[0].payload == media(0).payload
    with pytest.raises(pylibsrtp.Error, match="replay"):
        ear.decrypt([first[0]])
    assert [rtp.sequence for rtp in ear.decrypt([second])] == [1001]

    engine.set_copied(1, 0)
    engine.send("main", media(2))
    assert sent_twice(engine, START + 10 * REPEAT_AFTER_NS) == 0


@EITHER_WAY
def test_only_who_was_sent_the_first_gets_the_copy(
    media_socket: socket.socket, listening: Make, batched: bool
) -> None:
    engine = BroadcastEngine([media_socket], batched=batched)
    ears = [listening(n) for n in range(4)]
    for ear in ears:
        engine.add(ear.spec)
        engine.set_copied(ear.spec.listener_id, 1)
    engine.send("main", media(0))
    engine.repeat(START)
    for ear in ears:
        ear.drain()
    # The last one moves into the hole that the first leaves, and a newcomer takes the last one's slot.
    engine.remove(0, say_bye=False)
    late = listening(9)
    engine.add(late.spec)
    engine.set_copied(9, 1)
    assert engine.repeat(START + REPEAT_AFTER_NS) == 2
    assert [len(ear.drain()) for ear in (*ears, late)] == [0, 1, 1, 0, 0]
    engine.send("main", media(1))
    assert sent_twice(engine, START + 3 * REPEAT_AFTER_NS) == 4
    for ear in (*ears[1:], late):
        first, copy = ear.drain()
        assert first == copy


@EITHER_WAY
@pytest.mark.parametrize("first_sequence", [1000, 1001])
def test_every_second_is_those_of_even_numbers(
    media_socket: socket.socket, listening: Make, batched: bool, first_sequence: int
) -> None:
    """Whatever the listener's first number is, beside listeners that get each twice, and none."""
    engine = BroadcastEngine([media_socket], batched=batched)
    ears = [listening(n, first_sequence=first_sequence) for n in range(3)]
    for every, ear in zip((2, 1, 0), ears, strict=True):
        engine.add(ear.spec)
        engine.set_copied(ear.spec.listener_id, every)
    now_ns = START
    for number in range(6):
        engine.send("main", media(number))
        now_ns += 2 * REPEAT_AFTER_NS
        sent_twice(engine, now_ns)
    numbers = [[int.from_bytes(data[2:4]) for data in ear.drain()] for ear in ears]
    all_numbers = range(first_sequence, first_sequence + 6)
    assert numbers[0] == [number for number in all_numbers for _ in range(1 if number % 2 else 2)]
    assert numbers[1] == [number for number in all_numbers for _ in range(2)]
    assert numbers[2] == list(all_numbers)


def test_it_goes_along_to_another_kind_of_payload(media_socket: socket.socket, listening: Make) -> None:
    engine = BroadcastEngine([media_socket])
    ear = listening(1)
    engine.add(ear.spec)
    engine.set_copied(1, 1)
    engine.send("main", media(0))
    engine.repeat(START)
    kind = redundant_kind(1, 111)
    engine.set_kind(1, kind, 63)
    # Its slot has moved meanwhile: the copy of what was sent from the old one is left out.
    assert engine.repeat(START + REPEAT_AFTER_NS) == 0
    engine.send("main", media(1), kind)
    assert sent_twice(engine, START + 2 * REPEAT_AFTER_NS) == 1
    assert [rtp.sequence for rtp in ear.decrypt(ear.drain()[:2])] == [1000, 1001]


def test_what_was_never_protected_is_not_repeated(
    media_socket: socket.socket, listening: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = BroadcastEngine([media_socket], bursts=False)
    ears = [listening(n) for n in range(2)]
    for ear in ears:
        engine.add(ear.spec)
        engine.set_copied(ear.spec.listener_id, 1)
    statuses = iter([0, 1])
    monkeypatch.setattr("rtcserver.broadcast.arena.PROTECT", lambda *_: next(statuses))
    engine.send("main", media(0))
    assert sent_twice(engine, START) == 1
    assert [len(ear.drain()) for ear in ears] == [2, 0]
