"""One session's end of the midi channel: roles, limits, and whatever bytes come."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtcserver.channel.down.messages import Reply
from rtcserver.channel.limits import ChannelRates
from rtcserver.channel.midi_peer import MidiPeer
from rtcserver.channel.up.messages import Ping, Play, PlayEvent
from rtcserver.network.impair import CLEAN
from tests.channel.world import MS, SECOND, UpWorld

ON = bytes((0x90, 60, 100))
PLAY = Play(0, 1, 5, (PlayEvent(ON, 0),), ((60, 100),)).pack()


def test_everyone_is_told_the_time() -> None:
    peer = MidiPeer()
    assert peer.receive(Ping(42).pack(), 0, 480) == ([], [Reply(False, 0, 0, 42, 480).pack()])


def test_a_listener_does_not_play() -> None:
    peer = MidiPeer()
    assert peer.receive(PLAY, 0, 0) == ([], [])
    assert peer.counters.refused == 1
    peer.grant(3, 0)
    played, replies = peer.receive(PLAY, 0, 0)
    assert [one.message for one in played] == [ON]
    assert len(replies) == 1


def test_leaving_releases() -> None:
    peer = MidiPeer()
    assert peer.revoke() == []
    peer.grant(3, 0)
    peer.receive(PLAY, 0, 0)
    assert [one.message for one in peer.revoke()] == [bytes((0x80, 60, 64))]
    assert peer.performer is None
    peer.receive(PLAY, 0, 0)
    assert peer.counters.refused == 1


def test_a_performer_who_was_one_before_plays_on() -> None:
    world = UpWorld(CLEAN)
    world.push(ON)
    world.advance(10 * MS)
    assert world.peer.revoke()
    world.advance(10 * MS)
    world.peer.grant(4, world.now_ns)
    world.push(bytes((0x90, 61, 1)))
    world.advance(100 * MS)
    # The first message belongs to the epoch before; its reply tells the client of the new one.
    assert not world.sender.held
    assert world.sender.epoch == 1
    world.push(ON)
    world.advance(10 * MS)
    assert set(world.peer.up.held if world.peer.up else ()) == set(world.sender.held) == {60}


def test_pings_keep_a_performer_alive() -> None:
    peer = MidiPeer()
    peer.grant(3, 0)
    peer.receive(PLAY, 0, 0)
    for second in range(1, 6):
        peer.receive(Ping(0).pack(), second * SECOND, 0)
        assert peer.poll(second * SECOND, 0).played == []
    assert [one.message for one in peer.poll(7 * SECOND, 0).played] == [bytes((0x80, 60, 64))]


def test_floods_are_not_read_or_answered() -> None:
    peer = MidiPeer()
    replies = 0
    for number in range(4000):
        replies += len(peer.receive(Ping(0).pack(), number * MS // 4, 0).replies)
    assert 20 <= replies <= 41
    assert peer.counters.flooded == 4000 - peer.counters.unanswered_pings - replies
    per_s = ChannelRates().messages_per_s
    assert per_s <= 4000 - peer.counters.flooded <= per_s * 3 // 2 + 1


def test_a_channels_bytes_are_bounded_too() -> None:
    peer = MidiPeer(rates=ChannelRates(messages_per_s=1000, bytes_per_s=10_000))
    for number in range(100):
        peer.receive(bytes(1000), number * SECOND // 100, 0)
    # The bytes of one second at once, and those of the second that has gone by.
    assert 100 - peer.counters.flooded == pytest.approx(20, abs=1)
    peer.receive(bytes(1000), 3 * SECOND, 0)
    assert 101 - peer.counters.flooded == pytest.approx(21, abs=1)


@given(st.lists(st.binary(max_size=1300) | st.text(max_size=20), max_size=20))
def test_nothing_that_arrives_raises(arrivals: list[bytes | str]) -> None:
    peer = MidiPeer()
    peer.grant(3, 0)
    for data in arrivals:
        assert peer.receive(data, 0, 0).played == []
    counted = peer.counters
    assert counted.messages == len(arrivals)
    assert counted.malformed + counted.unknown_kind + counted.unknown_version <= len(arrivals)


def test_versions_and_kinds_are_counted_apart() -> None:
    peer = MidiPeer()
    for data in (b"\x07\x12", b"\x01\x63", b"\x01\x12", "text"):
        peer.receive(data, 0, 0)
    assert (peer.counters.unknown_version, peer.counters.unknown_kind, peer.counters.malformed) == (1, 1, 2)
