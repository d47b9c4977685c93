"""Samples and light side by side for one listener: what a change between the two goes over."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from itertools import pairwise

import pytest

from rtcserver.broadcast.listener import PAYLOAD_PCM, KindParts, parts_of, redundant_kind, with_samples
from rtcserver.broadcast.room import RoomFeed
from rtcserver.clock import samples_to_ns
from rtcserver.encode.encoding import LIGHT, Encoding, own_encoding
from rtcserver.encode.feed import FeedReader
from rtcserver.encode.packet import KIND_PCM, EncodedPacket
from tests.broadcast.test_room import Engine

LIGHT_STREAM = Encoding(6, LIGHT, "opus", 192_000, 240)

BLOCK = 139
"""Samples at 48 kHz of a block of 128 frames at 44.1 kHz, rounded."""


class Samples:
    """A room whose samples and light come as they do from an instrument: light as soon as its frame is full."""

    def __init__(self) -> None:
        self.engine = Engine()
        reading, self._writing = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        feed = FeedReader(reading)
        self.room = RoomFeed("main", feed, self.engine, own_encoding(160_000, 480), [LIGHT_STREAM])  # type: ignore[arg-type]
        self.room.start(0, 0)
        self.next_frame = self.next_block = 0

    def close(self) -> None:
        self.room.feed.close()
        self._writing.close()

    def both(self, until: int) -> None:
        """Feed both up to media time `until`."""
        step = LIGHT_STREAM.frame_samples
        frames = range(self.next_frame, until - step + 1, step)
        blocks = range(self.next_block, until - BLOCK + 1, BLOCK)
        self.next_frame += step * len(frames)
        self.next_block += BLOCK * len(blocks)
        ready = [(start + step, False, start) for start in frames] + [(at + BLOCK, True, at) for at in blocks]
        for end, is_block, start in sorted(ready):
            if is_block:
                packet = EncodedPacket(
                    start, BLOCK, samples_to_ns(end), 1, b"\xff\x00%d" % start, kind=KIND_PCM
                )
            else:
                number = LIGHT_STREAM.stream
                packet = EncodedPacket(start, step, samples_to_ns(end), 1, b"light %d" % start, stream=number)
            self.room.take(packet, samples_to_ns(end))


@pytest.fixture
def scene() -> Iterator[Samples]:
    made = Samples()
    yield made
    made.close()


def kinds_got(scene: Samples, listener: int) -> tuple[list[int], list[int]]:
    """Media times of the blocks, and of the packets of light, that a listener got."""
    got = scene.engine.got.get(listener, [])
    blocks = [packet.media_time for packet in got if packet.payload.startswith(b"\xff\x00")]
    return blocks, [packet.media_time for packet in got if not packet.payload.startswith(b"\xff\x00")]


def test_a_kind_says_that_samples_come_beside_it() -> None:
    assert parts_of(with_samples(LIGHT)) == KindParts(LIGHT, samples=True)
    assert parts_of(with_samples(redundant_kind(2, 111, LIGHT))) == KindParts(LIGHT, 2, 111, samples=True)
    assert not parts_of(LIGHT).samples


@pytest.mark.parametrize("level", [0, 1])
def test_both_come_each_once(scene: Samples, level: int) -> None:
    scene.engine.listeners = {1: with_samples(redundant_kind(level, 111, LIGHT))}
    scene.room.begin(scene.engine.listeners[1], 0)
    scene.both(24_000)
    blocks, light = kinds_got(scene, 1)
    assert blocks == list(range(0, 24_000 - BLOCK, BLOCK))
    assert light == sorted(set(light))
    assert light[-1] == 24_000 - LIGHT_STREAM.frame_samples
    if level:
        newest = scene.engine.got[1][-1].payload
        assert b"light 23760" in newest
        assert b"light 23520" in newest


def test_samples_go_on_without_a_gap_while_light_joins_them(scene: Samples) -> None:
    scene.engine.listeners = {1: PAYLOAD_PCM}
    scene.both(4_800)
    scene.room.set_kind(1, with_samples(LIGHT), 111)
    scene.both(48_000)
    blocks, light = kinds_got(scene, 1)
    assert sorted(set(blocks)) == list(range(0, 48_000 - BLOCK, BLOCK))
    assert light, "light has come"
    scene.room.set_kind(1, LIGHT, 111)
    scene.both(72_000)
    after, light = kinds_got(scene, 1)
    assert len(after) == len(blocks), "light alone"
    step = LIGHT_STREAM.frame_samples
    fresh = sorted(at for at in set(light) if at >= 48_000)
    assert fresh == list(range(48_000, 72_000, step))


def test_from_both_to_the_samples_none_is_missing(scene: Samples) -> None:
    scene.engine.listeners = {1: LIGHT}
    scene.room.begin(LIGHT, 0)
    scene.both(24_000)
    scene.room.set_kind(1, with_samples(LIGHT), 111)
    scene.both(48_000)
    scene.room.set_kind(1, PAYLOAD_PCM, 111)
    scene.both(96_000)
    blocks, light = kinds_got(scene, 1)
    since = [at for at in sorted(set(blocks)) if at >= 24_000]
    assert all(after - before == BLOCK for before, after in pairwise(since))
    assert since[-1] > 95_000
    assert light[-1] < 60_000, "light has ended"
