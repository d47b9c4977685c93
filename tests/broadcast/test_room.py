"""A room with several encodings: every listener's stream goes on over a change, and what nobody needs is let go of."""

from __future__ import annotations

import random
import socket
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from rtcserver.broadcast.listener import PAYLOAD_PCM, PAYLOAD_SILENCE, redundant_kind
from rtcserver.broadcast.room import RoomFeed
from rtcserver.clock import samples_to_ns
from rtcserver.encode.encoding import LOW, SWITCH_SAMPLES, encodings_of
from rtcserver.encode.feed import FeedReader
from rtcserver.encode.opus import OPUS
from rtcserver.encode.packet import KIND_PCM, EncodedPacket

ENCODINGS = {
    name: encoding for name, encoding in encodings_of(160_000, 480).items() if encoding.codec == OPUS.name
}


@dataclass
class Engine:
    """Who gets what, in place of the real one."""

    listeners: dict[int, str] = field(default_factory=dict)
    got: dict[int, list[EncodedPacket]] = field(default_factory=dict)
    observed: list[EncodedPacket] = field(default_factory=list)

    def kinds(self, room: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.listeners.values()))

    def kind_of(self, listener_id: int) -> str | None:
        return self.listeners.get(listener_id)

    def has_listeners(self, room: str, kind: str) -> bool:
        return kind in self.listeners.values()

    def set_kind(self, listener_id: int, kind: str, payload_type: int) -> bool:
        self.listeners[listener_id] = kind
        return True

    def observe(self, room: str, packet: EncodedPacket) -> None:
        self.observed.append(packet)

    def send(self, room: str, packet: EncodedPacket, kind: str = "opus") -> None:
        for listener_id, wanted in self.listeners.items():
            if wanted == kind:
                self.got.setdefault(listener_id, []).append(packet)


class Scene:
    """A room that is fed by hand, in media time from 0."""

    def __init__(self) -> None:
        self.engine = Engine()
        own, *further = ENCODINGS.values()
        reading, self._writing = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.room = RoomFeed("main", FeedReader(reading), self.engine, own, further)  # type: ignore[arg-type]
        self.room.start(0, 0)
        self.now = 0

    def close(self) -> None:
        self.room.feed.close()
        self._writing.close()

    def run(self, until: int, *names: str) -> None:
        """Feed these encodings up to media time `until`, in the order in which the instrument process does."""
        ready = []
        for name in names:
            encoding = ENCODINGS[name]
            step = encoding.frame_samples
            starts = range(-(-self.now // step) * step, until - step + 1, step)
            ready += [(start + step, encoding.stream, start, step, name) for start in starts]
        for end, stream, start, step, name in sorted(ready):
            payload = f"{name} {start}".encode()
            packet = EncodedPacket(start, step, samples_to_ns(end), 1, payload, stream=stream)
            self.room.take(packet, samples_to_ns(end))
        self.now = until

    def heard(self, listener_id: int) -> list[str]:
        """Names of the encodings in the order in which they were heard."""
        names = [packet.payload.decode("latin1").split()[0] for packet in self.engine.got[listener_id]]
        return list(dict.fromkeys(names))

    def continuous(self, listener_id: int) -> bool:
        got = self.engine.got[listener_id]
        return all(a.media_time + a.duration == b.media_time for a, b in pairwise(got))


@pytest.fixture
def scene() -> object:
    made = Scene()
    yield made
    made.close()


def test_a_listener_changes_where_both_have_come_equally_far(scene: Scene) -> None:
    scene.engine.listeners[1] = "opus"
    scene.run(4_800, "opus")
    scene.room.set_kind(1, LOW, 111)
    assert scene.engine.listeners[1] == "opus"
    scene.run(48_000, "opus", LOW)
    assert scene.engine.listeners[1] == LOW
    assert scene.heard(1) == ["opus", LOW]
    assert scene.continuous(1)
    changed = next(p.media_time for p in scene.engine.got[1] if p.payload.startswith(LOW.encode()))
    assert changed == SWITCH_SAMPLES


def test_until_the_new_one_comes_the_old_one_goes_on(scene: Scene) -> None:
    scene.engine.listeners[1] = "opus"
    scene.room.set_kind(1, LOW, 111)
    scene.run(96_000, "opus")
    assert scene.heard(1) == ["opus"]
    scene.run(96_000 + 2 * SWITCH_SAMPLES, "opus", LOW)
    assert scene.heard(1) == ["opus", LOW]
    assert scene.continuous(1)


def test_a_change_of_the_redundancy_alone_is_at_once(scene: Scene) -> None:
    scene.engine.listeners[1] = "opus"
    scene.run(480, "opus")
    assert scene.room.set_kind(1, redundant_kind(2, 111), 63)
    assert scene.engine.listeners[1] == redundant_kind(2, 111)


def test_who_changes_their_mind_in_time_stays(scene: Scene) -> None:
    scene.engine.listeners[1] = "opus"
    scene.room.set_kind(1, LOW, 111)
    scene.room.set_kind(1, "opus", 111)
    scene.run(48_000, "opus", LOW)
    assert scene.heard(1) == ["opus"]


def test_who_leaves_while_waiting_is_forgotten(scene: Scene) -> None:
    scene.engine.listeners[1] = "opus"
    scene.room.set_kind(1, LOW, 111)
    del scene.engine.listeners[1]
    scene.run(48_000, "opus", LOW)
    assert not scene.room.set_kind(1, "opus", 111)
    assert scene.engine.listeners == {}


def test_redundant_packets_have_frames_of_their_own_encoding_only(scene: Scene) -> None:
    scene.engine.listeners[1] = redundant_kind(1, 111)
    scene.room.set_kind(1, redundant_kind(1, 111, LOW), 63)
    scene.run(48_000, "opus", LOW)
    low = [packet for packet in scene.engine.got[1] if packet.duration == 960]
    assert low
    assert not any(b"opus " in packet.payload for packet in low)
    assert scene.continuous(1)


def test_who_begins_with_a_further_encoding_hears_silence_until_it_comes(scene: Scene) -> None:
    scene.run(48_000, "opus")
    scene.engine.listeners[1] = LOW
    scene.room.begin(LOW, 0)
    scene.room.fill(samples_to_ns(48_000 + 9_600))
    got = scene.engine.got[1]
    assert got
    assert {packet.payload for packet in got} == {OPUS.silence(960)}
    scene.now = 57_600
    scene.run(96_000, "opus", LOW)
    assert scene.continuous(1)


def test_a_room_without_listeners_sends_nothing_and_begins_where_its_sound_does(scene: Scene) -> None:
    scene.run(9_600, "opus")
    scene.room.tidy()
    assert scene.room.due_ns() is None
    scene.room.fill(samples_to_ns(480_000))
    assert scene.room.counts == (20, 0, 0, 0)
    # Ten seconds later, of which the feed has told nothing.
    scene.room.set_anchor(470_000, samples_to_ns(470_000))
    scene.engine.listeners[1] = "opus"
    scene.room.begin("opus", samples_to_ns(480_000))
    scene.now = 479_520
    scene.run(489_600, "opus")
    got = scene.engine.got[1]
    assert got[0].media_time == 479_520
    assert scene.room.counts == (20 + len(got), 0, 0, 0)
    assert scene.continuous(1)
    assert scene.heard(1) == ["opus"]


def test_silence_begins_at_the_latest_anchor_when_a_rested_room_delivers_nothing(scene: Scene) -> None:
    scene.room.tidy()
    # The device's clock is a hundred samples ahead of what ten seconds would be by ours.
    scene.room.set_anchor(480_100, samples_to_ns(480_000))
    scene.room.set_anchor(5, 0)
    scene.engine.listeners[1] = PAYLOAD_SILENCE
    scene.room.begin(PAYLOAD_SILENCE, samples_to_ns(480_000))
    scene.room.fill(samples_to_ns(482_880))
    assert scene.engine.got[1][0].media_time == 480_480
    assert scene.continuous(1)


def test_the_clock_is_read_off_pcm_where_nothing_else_is_sent(scene: Scene) -> None:
    scene.engine.listeners[1] = PAYLOAD_PCM
    pcm = EncodedPacket(0, 128, samples_to_ns(128), 1, b"payload", KIND_PCM)
    scene.room.take(pcm, samples_to_ns(128))
    assert scene.engine.observed == []
    scene.room.tidy()
    scene.room.take(pcm, samples_to_ns(128))
    assert scene.engine.observed == [pcm]


def test_what_nobody_gets_is_let_go_of_and_costs_no_time(scene: Scene) -> None:
    scene.engine.listeners[1] = "opus"
    scene.room.set_kind(1, LOW, 111)
    scene.room.tidy()  # somebody waits for it
    scene.run(48_000, "opus", LOW)
    scene.room.tidy()
    assert scene.engine.listeners[1] == LOW
    scene.room.set_kind(1, "opus", 111)
    scene.run(96_000, "opus", LOW)
    scene.room.tidy()
    due_ns = scene.room.due_ns()
    scene.run(96_960, LOW)
    assert scene.room.due_ns() == due_ns == scene.room._own.continuity.due_ns()


@pytest.mark.parametrize("seed", range(20))
def test_however_often_everybody_changes_nobody_has_a_gap(scene: Scene, seed: int) -> None:
    rng = random.Random(seed)
    scene.engine.listeners |= dict.fromkeys(range(5), "opus")
    for _ in range(60):
        scene.run(scene.now + 960 * rng.randrange(1, 15), *ENCODINGS)
        level = rng.randrange(3)
        scene.room.set_kind(rng.randrange(5), redundant_kind(level, 111, rng.choice([*ENCODINGS])), 63)
        if rng.random() < 0.1:
            # The instrument stalls: silence on the same timeline, everywhere.
            for _ in range(rng.randrange(5, 40)):
                scene.now += 960
                scene.room.fill(samples_to_ns(scene.now))
        scene.room.tidy()
    assert all(scene.continuous(listener) for listener in range(5))
    assert {name for listener in range(5) for name in scene.heard(listener)} >= {*ENCODINGS}
