"""The journal and its messages: pacing, repair, and how long a note can hang."""

from __future__ import annotations

from itertools import pairwise

import pytest

from rtcserver.channel import cells, wire
from rtcserver.channel.down import messages as down_messages
from rtcserver.channel.down.journal import Journal
from rtcserver.channel.down.messages import Notes, OwnedCell, StatePart, unpack_down
from rtcserver.channel.down.receiver import DownReceiver
from rtcserver.channel.down.sender import HIDDEN, LISTEN, SLOW, STUDIO, Cadence, DownSender
from rtcserver.network.impair import CLEAN, Impairment
from tests.channel.world import MEDIA_AT_START, MS, PERFORMER, SECOND, START_NS, DownWorld, media_at

ON = bytes((0x90, 60, 100))
OFF = bytes((0x80, 60, 64))


def notes_of(data: bytes) -> Notes:
    message = unpack_down(data)
    assert isinstance(message, Notes)
    return message


@pytest.mark.parametrize("cadence", [LISTEN, STUDIO, SLOW])
def test_repeats_follow_the_last_event_and_end(cadence: Cadence) -> None:
    world = DownWorld(cadence, CLEAN)
    world.advance(2 * SECOND + 100 * MS)
    world.sent.clear()
    start = world.now_ns
    world.push(ON)
    world.advance(700 * MS)
    sent = [at - start for at, message in world.sent if notes_of(message).events]
    assert sent == [0, *cadence.repeats_ns]
    world.sent.clear()
    world.advance(10 * SECOND)
    assert all(notes_of(message).state for _, message in world.sent)
    assert 9 <= len(world.sent) <= 11


def test_a_hidden_page_is_sent_every_event_in_a_message_every_two_seconds() -> None:
    world = DownWorld(HIDDEN, CLEAN)
    world.advance(100 * MS)
    world.sent.clear()
    began = world.receiver.counters.events
    for _ in range(200):
        world.push(ON)
        world.push(OFF)
        world.advance(50 * MS)
    world.advance(2 * SECOND)
    assert world.receiver.counters.events - began == 400
    assert world.receiver.counters.missed == 0
    assert len(world.sent) <= 8
    assert world.receiver.cells() == world.truth()


@pytest.mark.parametrize("cadence", [LISTEN, STUDIO])
def test_events_never_come_faster_than_the_interval(cadence: Cadence) -> None:
    world = DownWorld(cadence, CLEAN)
    world.sent.clear()
    for _ in range(300):
        world.push(ON)
        world.push(OFF)
        world.advance(1 * MS)
    times = [at for at, _ in world.sent]
    assert min(later - earlier for earlier, later in pairwise(times)) >= cadence.interval_ns
    assert world.receiver.counters.events >= 2 * (300 - cadence.interval_ns // MS)


@pytest.mark.parametrize("cadence", [LISTEN, STUDIO])
def test_a_repeat_holds_new_events_back_for_a_sixteenth_of_the_interval(cadence: Cadence) -> None:
    world = DownWorld(cadence, CLEAN)
    world.advance(100 * MS)
    world.push(ON)
    world.advance(cadence.repeats_ns[3])
    world.sent.clear()
    start = world.now_ns
    world.push(OFF)
    world.advance(100 * MS)
    assert world.sent[0][0] - start == cadence.interval_ns // 16


def test_a_burst_larger_than_a_message_arrives_whole() -> None:
    world = DownWorld(LISTEN, CLEAN)
    world.advance(100 * MS)
    for turn in range(250):
        world.push(bytes((0x90, turn % 100, 1 + turn % 50)))
    world.advance(1 * MS)
    assert world.receiver.counters.events == 250
    assert world.receiver.counters.missed == 0


def test_more_than_the_journal_holds_is_left_to_the_state() -> None:
    world = DownWorld(LISTEN, CLEAN)
    world.advance(41 * MS)
    world.push(ON)
    world.advance(0)
    for turn in range(1200):
        world.push(bytes((0x91, turn % 128, 1 + turn % 50)))
    world.push(OFF)
    world.advance(40 * MS)
    assert world.receiver.cells() == world.truth()
    assert world.receiver.counters.missed == 1 + 1200 + 1 - 1 - 1024


def test_a_large_state_goes_in_parts_to_one_who_joins() -> None:
    journal = Journal()
    sender = DownSender(journal, LISTEN, START_NS)
    for performer in (3, 4, 5):
        for channel in range(4):
            for note in range(100):
                journal.push(performer, bytes((0x90 | channel, note, 1 + note)), 0, START_NS)
    messages = sender.join(START_NS, MEDIA_AT_START)
    assert len(messages) == 7
    assert max(map(len, messages)) <= wire.MAX_MESSAGE
    receiver = DownReceiver()
    for message in reversed(messages):
        receiver.receive(notes_of(message))
    assert len(receiver.cells()) == 1200
    assert receiver.cells() == {(who, cell): value for who, cell, value in journal.state.cells()}


def test_a_large_state_goes_round() -> None:
    world = DownWorld(LISTEN, CLEAN)
    for performer in (3, 4, 5, 6, 7):
        for channel in range(4):
            for note in range(100):
                world.push(bytes((0x90 | channel, note, 1 + note)), performer)
    world.receiver = DownReceiver()
    world.advance(4 * SECOND)
    assert len(world.receiver.cells()) == 2000
    assert world.receiver.cells() == world.truth()


def test_late_messages_change_nothing_that_is_newer() -> None:
    receiver = DownReceiver()
    on = down_messages.NoteEvent(PERFORMER, ON, 0)
    off = down_messages.NoteEvent(PERFORMER, OFF, 10)
    receiver.receive(Notes(1, 0, (off,)))
    assert len(receiver.receive(Notes(3, 10, (off,)))) == 1
    assert receiver.receive(Notes(2, 0, (on,))) == []
    assert receiver.cells() == {}
    assert receiver.counters.superseded == 1


def test_a_state_covers_events_that_come_after_it() -> None:
    receiver = DownReceiver()
    on = down_messages.NoteEvent(PERFORMER, ON, 0)
    assert receiver.receive(Notes(0, 0, (), StatePart(0, cells.LAST_KEY))) == []
    assert receiver.receive(Notes(5, 0, (), StatePart(0, cells.LAST_KEY))) == []
    assert receiver.receive(Notes(4, 0, (on,))) == []
    assert receiver.counters.superseded == 1
    assert receiver.receive(Notes(6, 0, (on,)))[0].repaired is False


def test_a_state_is_no_news_for_cells_that_were_written_later() -> None:
    receiver = DownReceiver()
    receiver.receive(Notes(7, 0, (down_messages.NoteEvent(PERFORMER, ON, 0),)))
    assert receiver.receive(Notes(6, 0, (), StatePart(0, cells.LAST_KEY))) == []
    assert receiver.cells() == {(PERFORMER, 60): 100}
    held = StatePart(0, cells.LAST_KEY, (OwnedCell(PERFORMER, 61, 5),))
    (heard,) = receiver.receive(Notes(6, 99, (), held))
    assert heard == (PERFORMER, b"\x90\x3d\x05", 99, 6, True)


def test_numbers_wrap() -> None:
    receiver = DownReceiver()
    receiver.receive(Notes(0xFFFF_FFFF, 0, (down_messages.NoteEvent(PERFORMER, ON, 0),)))
    (heard,) = receiver.receive(Notes(0, 1, (down_messages.NoteEvent(PERFORMER, OFF, 1),)))
    assert heard.sequence == 1 << 32
    assert receiver.cells() == {}
    assert receiver.counters.missed == 0


def test_the_journal_refuses_who_cannot_play_and_drops_what_is_no_event() -> None:
    journal = Journal()
    for performer in (0, 255):
        with pytest.raises(ValueError, match="performer"):
            journal.push(performer, ON, 0, 0)
    assert journal.push(3, b"\xf8", 0, 0) == journal.push(3, b"\xb0\x7a\x00", 0, 0) == 0
    assert journal.push(3, b"\x90\x3c\x00", 0, 0) == 1


def test_a_jump_of_the_media_clock_makes_no_message_that_cannot_be_sent() -> None:
    journal = Journal()
    sender = DownSender(journal, STUDIO, START_NS)
    journal.push(3, ON, 1 << 50, START_NS)
    assert notes_of(sender.poll(START_NS, 0)[0]).events[0].media_time == 0x7FFF_FFFF


def hang_ms(cadence: Cadence, path: Impairment, notes: int, seed: str) -> list[float]:
    """How long after each note-off the listener still has the key down; one note a second."""
    world = DownWorld(cadence, path, seed)
    ends: list[int] = []
    found: list[float] = []
    for turn in range(notes):
        note = turn % 100
        world.push(bytes((0x90, note, 100)))
        world.advance(300 * MS)
        before = len(world.heard)
        ends.append(world.now_ns)
        world.push(bytes((0x80, note, 64)))
        world.advance(1200 * MS)
        off = [at for at, heard in world.heard[before:] if heard.message[:2] == bytes((0x80, note))]
        # A note whose beginning did not get through in time never hung.
        if off:
            found.append((off[-1] - ends[-1]) / MS)
    assert world.receiver.cells() == world.truth()
    return found


@pytest.mark.parametrize("cadence", [LISTEN, STUDIO])
def test_no_note_hangs_longer_than_300_ms_at_20_percent_loss(cadence: Cadence) -> None:
    path = Impairment(loss=0.2, delay_ms=2, reorder=0.1, duplicate=0.05)
    hung = hang_ms(cadence, path, 400, "20 %")
    assert len(hung) > 390
    # At least seven sendings arrive before 300 ms even if held back by 25: 400 × 0.2⁷ is below 0.01.
    sendings = 1 + sum(repeat <= (300 - 25 - 2) * MS for repeat in cadence.repeats_ns)
    assert 400 * 0.2**sendings < 0.01
    assert max(hung) <= 300
    # A fifth of the first sendings is lost: the repeats are what ended those.
    assert sum(hang > cadence.repeats_ns[0] / MS for hang in hung) > 40


def test_media_times_survive() -> None:
    world = DownWorld(LISTEN, Impairment(loss=0.3), "times")
    pushed = []
    for turn in range(50):
        pushed.append(media_at(world.now_ns))
        world.push(bytes((0x90, turn, 1)))
        world.advance(30 * MS)
    own = [heard.media_time for _, heard in world.heard if not heard.repaired]
    assert set(own) <= set(pushed)
    assert len(own) > 40


def test_the_slow_cadence_leaves_room_on_a_link_of_64_kilobits() -> None:
    """Beside the low tier there are about 5 kb/s; ten notes a second are much."""
    world = DownWorld(SLOW, CLEAN)
    world.sent.clear()
    for _ in range(100):
        world.push(ON)
        world.advance(50 * MS)
        world.push(OFF)
        world.advance(50 * MS)
    around = 20 + 8 + 13 + 16 + 12 + 16  # IPv4, UDP, a DTLS record, its tag, SCTP and its chunk
    bits = sum(8 * (len(message) + around) for _, message in world.sent)
    assert bits / 10 < 8_000
