"""What the multi-buffer library makes is what libsrtp makes; what it must not make is never sent."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from rtcserver.broadcast import multibuffer, session_key
from rtcserver.broadcast.arena import MAX_PAYLOAD, SlotBlock, SlotState
from rtcserver.broadcast.batch import SendBudget
from rtcserver.broadcast.bench import Bench
from rtcserver.broadcast.engine import BroadcastEngine
from rtcserver.broadcast.multibuffer import BURST, MultiBuffer
from rtcserver.broadcast.session_key import SessionKey, multi_buffer
from rtcserver.broadcast.srtp import MAX_FIRST_SEQUENCE, OutboundSrtp, SrtpProfile
from rtcserver.clock import NS
from tests.broadcast.listening import CM, GCM, Listening, media, parse_rtp
from tests.broadcast.test_arena import SOUND, slot_state

GCM_256 = SrtpProfile.AEAD_AES_256_GCM
Make = Callable[..., Listening]
LIBRARY = multi_buffer()
pytestmark = pytest.mark.skipif(
    LIBRARY is None, reason="libipsec-mb1 1.3 is not installed, or this is no x86-64"
)


@pytest.fixture
def library() -> MultiBuffer:
    assert LIBRARY is not None
    return LIBRARY


def keyed(library: MultiBuffer, ssrc: int, sequence: int, port: int) -> SlotState:
    master = os.urandom(GCM.key_length)
    state = slot_state(OutboundSrtp(GCM, master, ssrc), ssrc, sequence, port)
    return state._replace(key=SessionKey.derive(library, GCM, master))


@pytest.fixture
def engines(media_socket: socket.socket) -> tuple[BroadcastEngine, BroadcastEngine]:
    """One with bursts, and the reference without."""
    return BroadcastEngine([media_socket]), BroadcastEngine([media_socket], bursts=False)


def test_a_room_gets_the_bytes_that_libsrtp_makes(
    engines: tuple[BroadcastEngine, BroadcastEngine], listening: Make
) -> None:
    # More listeners than a burst takes, and in a number that lets the ring of jobs end within one; those of the other
    # profiles go their own ways at the same time, and the header extension that says the capture time comes and goes.
    count = BURST + BURST // 2 + 5
    profiles = [GCM] * count + [GCM_256, CM, GCM_256, CM]
    first = [MAX_FIRST_SEQUENCE - 1, 0, 17]
    ears = [
        listening(n, profile=profile, first_sequence=first[n % 3], payload_type=96 + n % 3, capture_id=n % 2)
        for n, profile in enumerate(profiles)
    ]
    for engine in engines:
        for ear in ears:
            engine.add(ear.spec)
        engine.report(0, NS, 0)
    for ear in ears:
        ear.drain()
    sizes = [120, 3, 1, 400, MAX_PAYLOAD, 77, 120, 120]
    for n, size in enumerate(sizes * 8):
        packet = replace(media(n, 120), payload=bytes((n + k) & 0xFF for k in range(size)))
        made = []
        for engine in engines:
            engine.send("main", packet)
            made.append([ear.drain() for ear in ears])
        assert made[0] == made[1]
        assert all(len(datagrams) == 1 for datagrams in made[0])
    assert [engine.totals().protect_failures for engine in engines] == [0, 0]


def test_the_bytes_stay_the_same_when_sequence_numbers_wrap_and_listeners_move(library: MultiBuffer) -> None:
    bench = Bench()
    blocks = {length: [SlotBlock(bench, length), SlotBlock(bench, length)] for length in (0, 16)}
    # libsrtp, too, knows a stream by its first packet, and counts the wraps from there.
    firsts = [65_500, 65_535, 65_520]
    made: dict[int, list[bytes]] = {0: [], 16: []}
    masters = [os.urandom(GCM.key_length) for _ in firsts]
    for length, (here, there) in blocks.items():
        sessions = [OutboundSrtp(GCM, master, 5 + n) for n, master in enumerate(masters)]
        for n, first in enumerate(firsts):
            state = slot_state(sessions[n], 5 + n, first, 9)
            key = SessionKey.derive(library, GCM, masters[n]) if length else None
            here.place(state._replace(key=key))
        for step in range(80):
            here.fill(SOUND, step)
            here.protect()
            here.remember(4)
            made[length] += [here.recall(slot, 0) or b"" for slot in range(3)]
            if step % 30 == 29:
                for slot in range(3):
                    there.place(here.state(slot))
                for _ in range(3):
                    here.drop_last()
                here, there = there, here
    assert made[0] == made[16]
    assert b"" not in made[16]
    assert {parse_rtp(packet).sequence for packet in made[16][-3:]} == {(n + 79) % 65_536 for n in firsts}


def test_an_index_that_comes_again_is_refused_and_not_sent(
    library: MultiBuffer, media_socket: socket.socket
) -> None:
    block, port = SlotBlock(Bench(), 16), media_socket.getsockname()[1]
    state = keyed(library, 1, 7, port)
    block.place(state)
    for _ in range(2):
        block.fill(SOUND, 1)
        block.protect()
        block.send(media_socket, SendBudget())
        block.remember(10)
        # The same listener, set back to where it was.
        block.replace(0, state)
    assert block.protect_failures == 1
    assert int(block.errors[0]) == 0  # the counters came back with the state
    assert block.recall(0, 0) is None
    assert parse_rtp(media_socket.recv(2048)).sequence == 7
    with pytest.raises(BlockingIOError):
        media_socket.recv(2048)
    # Further on it is heard again.
    block.replace(0, state._replace(sequence=8))
    block.fill(SOUND, 1)
    block.protect()
    assert block.protect_failures == 1


def test_nothing_leaves_when_the_library_refuses(
    library: MultiBuffer, media_socket: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    block, port = SlotBlock(Bench(), 16), media_socket.getsockname()[1]
    for n in range(BURST + 2):
        block.place(keyed(library, 1 + n, 7, port))
    submit, calls = library._submit, iter(range(10))
    monkeypatch.setattr(library, "_submit", lambda *words: 0 if next(calls) == 0 else submit(*words))
    block.fill(SOUND, 1)
    block.protect()
    block.send(media_socket, SendBudget())
    block.remember(10)
    assert block.protect_failures == BURST
    arrived = {parse_rtp(media_socket.recv(2048)).ssrc for _ in range(2)}
    assert arrived == {1 + BURST, 2 + BURST}
    with pytest.raises(BlockingIOError):
        media_socket.recv(2048)
    assert [block.recall(slot, 0) is None for slot in (0, BURST - 1, BURST)] == [True, True, False]


def test_a_key_of_another_length_is_refused(library: MultiBuffer) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        SlotBlock(Bench(), 32).place(keyed(library, 1, 7, 9))


@pytest.mark.parametrize("attribute", ["VERSION", "LIBRARY"], ids=["another version", "no such library"])
def test_without_the_library_libsrtp_does_it(
    attribute: str, monkeypatch: pytest.MonkeyPatch, media_socket: socket.socket, listening: Make
) -> None:
    monkeypatch.setattr(
        multibuffer, attribute, {"VERSION": 0x10200, "LIBRARY": "libIPSec_MB.so.0"}[attribute]
    )
    session_key.multi_buffer.cache_clear()
    try:
        assert multi_buffer() is None
        engine, ear = BroadcastEngine([media_socket]), listening(1)
        engine.add(ear.spec)
        engine.send("main", media(0))
        assert [packet.payload for packet in ear.rtp()] == [media(0).payload]
        with pytest.raises(ValueError, match="library"):
            SlotBlock(Bench(), 16)
    finally:
        session_key.multi_buffer.cache_clear()


def test_a_library_that_makes_something_else_is_not_used(
    library: MultiBuffer, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = MultiBuffer.key
    monkeypatch.setattr(MultiBuffer, "key", lambda self, key: honest(self, bytes(len(key))))
    session_key.multi_buffer.cache_clear()
    try:
        assert multi_buffer() is None
    finally:
        session_key.multi_buffer.cache_clear()


def test_the_structures_are_those_of_the_header() -> None:
    job = multibuffer._JOB
    assert job.fields is not None
    # ``offsetof`` of intel-ipsec-mb.h 1.3.0, compiled for x86-64.
    known = {"key_length": 16, "source": 24, "iv": 72, "tag": 88, "aad": 104, "status": 128, "order": 144}
    assert {name: job.fields[name][1] for name in known} == known
    assert np.dtype(job).itemsize == 200
