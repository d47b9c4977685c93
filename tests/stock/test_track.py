"""MontageTrack: what recv returns, what a full queue drops, how it ends."""

from __future__ import annotations

import asyncio
from fractions import Fraction

import numpy as np
import opuslib
import pytest
from aiortc.mediastreams import MediaStreamError

from rtcserver.stock.track import MontageTrack
from tests.peer.tones import FRAME, packet


async def test_recv_returns_the_shared_packet_with_exact_times() -> None:
    track = MontageTrack()
    start = (1 << 40) + 7  # far beyond 32 bits: nothing may wrap or round on the way
    for i in range(3):
        track.push(packet(i, start))
    for i in range(3):
        got = await track.recv()
        assert bytes(got) == packet(i).payload
        assert got.pts == got.dts == start + i * FRAME
        assert got.time_base == Fraction(1, 48000)
        assert got.duration == FRAME
    decoder = opuslib.Decoder(48000, 2)
    pcm = np.frombuffer(decoder.decode(packet(0).payload, FRAME), "<i2")
    assert len(pcm) == 2 * FRAME


async def test_recv_waits_for_a_packet() -> None:
    track = MontageTrack()
    waiting = asyncio.ensure_future(track.recv())
    await asyncio.sleep(0)
    assert not waiting.done()
    track.push(packet(5))
    assert (await waiting).pts == 5 * FRAME


async def test_a_full_queue_drops_the_oldest_and_counts() -> None:
    track = MontageTrack(queue_packets=4)
    for i in range(10):
        track.push(packet(i))
    assert (track.pushed, track.dropped) == (10, 6)
    assert [(await track.recv()).pts for _ in range(4)] == [i * FRAME for i in range(6, 10)]


async def test_flush_forgets_without_counting_a_loss() -> None:
    track = MontageTrack()
    track.push(packet(0))
    track.flush()
    track.push(packet(1))
    assert (await track.recv()).pts == FRAME
    assert track.dropped == 0


async def test_stop_wakes_a_waiting_recv_and_unsubscribes_once() -> None:
    stopped: list[MontageTrack] = []
    track = MontageTrack(stopped.append)
    waiting = asyncio.ensure_future(track.recv())
    await asyncio.sleep(0)
    track.stop()
    track.stop()
    with pytest.raises(MediaStreamError):
        await waiting
    assert stopped == [track]
    assert track.readyState == "ended"


async def test_nothing_comes_after_stop() -> None:
    track = MontageTrack()
    track.push(packet(0))
    track.stop()
    track.push(packet(1))
    with pytest.raises(MediaStreamError):
        await track.recv()
    assert track.pushed == 1


async def test_a_cancelled_recv_loses_no_packet() -> None:
    track = MontageTrack()
    waiting = asyncio.ensure_future(track.recv())
    await asyncio.sleep(0)
    waiting.cancel()
    track.push(packet(0))
    assert (await track.recv()).pts == 0
