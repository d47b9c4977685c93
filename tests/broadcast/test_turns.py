"""From exact samples to light and back, straight and in any order: nothing is missing, nothing comes again that need not,
and the RTP stream goes on."""

from __future__ import annotations

import random
import socket
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from rtcserver.broadcast.engine import BroadcastEngine
from rtcserver.broadcast.listener import PAYLOAD_PCM, redundant_kind, with_samples
from rtcserver.broadcast.room import KEPT, OVERLAP_SAMPLES, WARM_SAMPLES
from rtcserver.encode.encoding import LIGHT
from rtcserver.encode.packet import EncodedPacket
from tests.broadcast.listening import Listening
from tests.broadcast.test_beside import BLOCK, LIGHT_STREAM, Samples, kinds_got

STEP = LIGHT_STREAM.frame_samples
OPUS, RED = 111, 63
LIGHTS = [redundant_kind(level, OPUS, LIGHT) for level in (0, 1, 2)]
ALL = [PAYLOAD_PCM, *LIGHTS, *map(with_samples, LIGHTS)]
AT_ONCE = max(WARM_SAMPLES // STEP, KEPT)
"""Packets that may come again at one change, at most."""


@pytest.fixture
def scene() -> Iterator[Samples]:
    made = Samples()
    yield made
    made.close()


def begin(scene: Samples, kind: str) -> None:
    scene.engine.listeners = {1: kind}
    scene.room.begin(kind, 0)


def no_hole(got: list[EncodedPacket]) -> bool:
    """Whether all that has come is one stretch of sound, which never had to wait for more than a frame of light."""
    reached = got[0].media_time
    for packet in got:
        if packet.media_time > reached + STEP:
            return False
        reached = max(reached, packet.media_time + packet.duration)
    reached = min(packet.media_time for packet in got)
    for packet in sorted(got, key=lambda one: one.media_time):
        if packet.media_time > reached:
            return False
        reached = max(reached, packet.media_time + packet.duration)
    return True


def payload_of(kind: str) -> int:
    return RED if "+" in kind else OPUS


def test_straight_to_light_the_samples_go_on_until_it_is_warm(scene: Samples) -> None:
    begin(scene, PAYLOAD_PCM)
    scene.both(24_000)
    scene.room.set_kind(1, LIGHT, OPUS)
    # Nothing of light has been made: the samples go on.
    scene.both(24_000 + WARM_SAMPLES - STEP)
    assert scene.engine.listeners[1] == PAYLOAD_PCM
    scene.both(72_000)
    assert scene.engine.listeners[1] == LIGHT
    got = scene.engine.got[1]
    blocks, light = kinds_got(scene, 1)
    assert no_hole(got)
    assert blocks == list(range(0, blocks[-1] + 1, BLOCK))
    assert light == list(range(light[0], 72_000, STEP))
    # The decoder has heard what was before, and the samples reach as far as what it made then.
    assert abs(light[0] + WARM_SAMPLES - (blocks[-1] + BLOCK)) < BLOCK


def test_straight_to_the_samples_they_begin_before_light_ends(scene: Samples) -> None:
    begin(scene, LIGHT)
    scene.both(24_000)
    scene.room.set_kind(1, PAYLOAD_PCM, OPUS)
    scene.both(72_000)
    assert scene.engine.listeners[1] == PAYLOAD_PCM
    assert no_hole(scene.engine.got[1])
    blocks, light = kinds_got(scene, 1)
    assert light == list(range(0, light[-1] + 1, STEP))
    assert blocks == list(range(blocks[0], blocks[-1] + 1, BLOCK))
    end = light[-1] + STEP
    assert end - OVERLAP_SAMPLES - BLOCK < blocks[0] <= end - OVERLAP_SAMPLES


def test_before_any_samples_are_made_light_goes_on(scene: Samples) -> None:
    begin(scene, LIGHT)
    number = LIGHT_STREAM.stream
    for start in range(0, 9_600, STEP):
        if start == 4_800:
            scene.room.set_kind(1, PAYLOAD_PCM, OPUS)
        scene.room.take(EncodedPacket(start, STEP, 0, 1, b"light", stream=number), 0)
    assert scene.engine.listeners[1] == LIGHT
    scene.next_frame, scene.next_block = 9_600, 9_591 // BLOCK * BLOCK
    scene.both(48_000)
    assert scene.engine.listeners[1] == PAYLOAD_PCM
    assert no_hole(scene.engine.got[1])


def test_who_changes_their_mind_before_the_change_notices_nothing(scene: Samples) -> None:
    begin(scene, PAYLOAD_PCM)
    scene.both(24_000)
    scene.room.set_kind(1, LIGHT, OPUS)
    scene.both(26_000)
    scene.room.set_kind(1, PAYLOAD_PCM, OPUS)
    scene.both(72_000)
    blocks, light = kinds_got(scene, 1)
    assert (blocks, light) == (list(range(0, blocks[-1] + 1, BLOCK)), [])


def test_a_page_that_takes_both_for_the_change_gets_each_once(scene: Samples) -> None:
    """As our page does it, there and back. Only what overlaps with light comes again."""
    begin(scene, PAYLOAD_PCM)
    for until, kind in ((24_000, with_samples(LIGHT)), (48_000, LIGHT), (72_000, with_samples(LIGHTS[2]))):
        scene.both(until)
        scene.room.set_kind(1, kind, payload_of(kind))
    scene.both(96_000)
    got = scene.engine.got[1]
    assert no_hole(got)
    blocks, light = kinds_got(scene, 1)
    assert max(Counter(blocks).values()) == 1
    # With earlier frames the newest one tells a packet from others.
    assert max(Counter(light).values()) == 1
    scene.room.set_kind(1, PAYLOAD_PCM, OPUS)
    scene.both(120_000)
    again = [at for at, times in Counter(kinds_got(scene, 1)[0]).items() if times > 1]
    assert 0 < len(again) * BLOCK <= OVERLAP_SAMPLES + STEP + 2 * BLOCK
    assert no_hole(scene.engine.got[1])


@pytest.mark.parametrize("seed", range(30))
def test_in_whatever_order_a_listener_asks_there_is_no_hole(scene: Samples, seed: int) -> None:
    rng = random.Random(seed)
    begin(scene, rng.choice([PAYLOAD_PCM, LIGHT]))
    now, asked = 0, 0
    for _ in range(40):
        now += rng.choice([100, 1_000, 6_000, 24_000])
        scene.both(now)
        kind = rng.choice(ALL)
        scene.room.set_kind(1, kind, payload_of(kind))
        asked += 1
        if rng.random() < 0.2:
            scene.room.tidy()
    scene.both(now + 48_000)
    assert scene.engine.listeners[1] == kind
    got = scene.engine.got[1]
    assert no_hole(got)
    different = len({(packet.kind, packet.media_time) for packet in got})
    assert len(got) - different <= asked * AT_ONCE


def test_the_rtp_stream_goes_on_over_every_change(
    listening: Callable[..., Listening], media_socket: socket.socket
) -> None:
    """With the real engine: sequence numbers step by one, each timestamp is its sound's time, and RED has its own type."""
    scene = Samples()
    engine = BroadcastEngine([media_socket])
    scene.room._engine = engine
    ear = listening(kind=PAYLOAD_PCM)
    engine.add(ear.spec)
    heard = []
    now = 0
    turns = (
        LIGHT,
        PAYLOAD_PCM,
        with_samples(LIGHTS[1]),
        LIGHTS[2],
        with_samples(LIGHT),
        PAYLOAD_PCM,
        LIGHTS[1],
    )
    for kind in (*turns, PAYLOAD_PCM):
        for _ in range(4):
            now += 6_000
            scene.both(now)
            heard += ear.rtp()
        scene.room.set_kind(1, kind, payload_of(kind))
    scene.close()
    first = ear.spec.first_sequence
    assert [packet.sequence for packet in heard] == list(range(first, first + len(heard)))
    types = Counter()
    for packet in heard:
        words = packet.payload.split(b"light ")[-1] if b"light " in packet.payload else packet.payload[2:]
        assert packet.timestamp == (int(words) + ear.spec.timestamp_offset) & 0xFFFF_FFFF
        # A bare frame is never taken for RED.
        assert packet.payload_type == OPUS or not packet.payload.startswith(b"light ")
        is_block = packet.payload.startswith(b"\xff\x00")
        types[is_block, packet.payload.count(b"light ") > 1, packet.payload_type] += 1
    assert set(types) >= {(True, False, OPUS), (False, False, OPUS), (False, True, RED)}
    # Nor RED for a bare frame.
    assert (False, True, OPUS) not in types
