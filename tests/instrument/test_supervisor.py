"""The supervisor with a real instrument process: replaced when it dies or hangs, feeds that survive it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from itertools import pairwise

import psutil

from rtcserver.children.supervised import BACKOFF_S, HEALTHY_NS, Backoff
from rtcserver.clock import NS
from rtcserver.config.model import InstrumentConfig
from rtcserver.encode.packet import KIND_OPUS, KIND_PCM, EncodedPacket
from rtcserver.encode.pcm import unpack
from rtcserver.instrument.supervisor import InstrumentSupervisor


async def read(feed: socket.socket, count: int, kind: int = KIND_OPUS) -> list[EncodedPacket]:
    loop = asyncio.get_running_loop()
    packets: list[EncodedPacket] = []
    async with asyncio.timeout(20):
        while len(packets) < count:
            packet = EncodedPacket.unpack(await loop.sock_recv(feed, 65_536))
            if packet.kind == kind:
                packets.append(packet)
    return packets


def test_the_backoff_grows_and_forgets() -> None:
    backoff = Backoff()
    assert [backoff.ended(0) for _ in range(6)] == [*BACKOFF_S, BACKOFF_S[-1], BACKOFF_S[-1]]
    assert backoff.ended(HEALTHY_NS) == BACKOFF_S[0]
    assert BACKOFF_S[-1] * NS < 3 * NS


async def test_a_killed_process_is_replaced_and_the_feed_goes_on() -> None:
    supervisor = InstrumentSupervisor("main", InstrumentConfig(instrument="tone", samplerate=44_100))
    await supervisor.start()
    feed = supervisor.subscribe()
    try:
        before = await read(feed, 50)
        first = supervisor.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        packets = before + await read(feed, 100)
    finally:
        await supervisor.close()
        feed.close()
    steps = [b.media_time - a.media_time for a, b in pairwise(packets)]
    assert all(step > 0 and step % 480 == 0 for step in steps)
    assert {packet.epoch for packet in packets} == {1, 2}
    assert supervisor.restarts == 1
    # Media time keeps to the clock over the restart.
    media = (packets[-1].media_time - packets[0].media_time) / 48_000
    clock = (packets[-1].captured_ns - packets[0].captured_ns) / NS
    assert abs(media - clock) < 0.03


async def test_a_stopped_process_is_killed_and_replaced() -> None:
    supervisor = InstrumentSupervisor("main", InstrumentConfig(instrument="tone"))
    await supervisor.start()
    feed = supervisor.subscribe()
    try:
        await read(feed, 20)
        first = supervisor.pid
        assert first is not None
        os.kill(first, signal.SIGSTOP)
        await read(feed, 40)
        assert supervisor.pid != first
        assert supervisor.status.state == "live"
    finally:
        await supervisor.close()
        feed.close()


async def test_studio_payloads_come_while_asked_for_and_over_a_restart() -> None:
    config = InstrumentConfig(instrument="tone", samplerate=44_100, demo=False)
    supervisor = InstrumentSupervisor("main", config)
    await supervisor.start()
    feed = supervisor.subscribe()
    try:
        await read(feed, 10)
        supervisor.set_studio(True)
        packets = await read(feed, 200, KIND_PCM)
        blocks = [unpack(packet.payload) for packet in packets]
        assert {b.first_frame - a.first_frame for a, b in pairwise(blocks)} == {128}
        assert {(block.rate, block.bits) for block in blocks} == {(44_100, 24)}
        for packet, block in zip(packets, blocks, strict=True):
            base = packets[0].media_time + (block.first_frame - blocks[0].first_frame) * 160 / 147
            assert abs(packet.media_time - base) <= 1
        assert supervisor.pid is not None
        os.kill(supervisor.pid, signal.SIGKILL)
        again = await read(feed, 400, KIND_PCM)
        assert unpack(again[-1].payload).epoch == 2
    finally:
        await supervisor.close()
        feed.close()


async def test_a_feed_that_is_given_up_leaves_nothing_behind() -> None:
    supervisor = InstrumentSupervisor("main", InstrumentConfig(instrument="tone"))
    await supervisor.start()
    kept = supervisor.subscribe()
    try:
        await read(kept, 10)
        ours, theirs = open_files(os.getpid()), open_files(supervisor.pid)
        given_up = supervisor.subscribe()
        await read(given_up, 10)
        assert (open_files(os.getpid()), open_files(supervisor.pid)) == (ours + 2, theirs + 1)
        supervisor.unsubscribe(given_up)
        supervisor.unsubscribe(given_up)
        # The process closes its end at its next packet.
        await read(kept, 20)
        assert (open_files(os.getpid()), open_files(supervisor.pid)) == (ours, theirs)
    finally:
        await supervisor.close()
        kept.close()


def open_files(pid: int | None) -> int:
    """File descriptors of a process."""
    return int(psutil.Process(pid).num_fds())


async def test_a_missing_file_is_said_and_the_process_waits(tmp_path: object) -> None:
    supervisor = InstrumentSupervisor("main", InstrumentConfig(instrument="file", file=f"{tmp_path}/no.wav"))
    await supervisor.start()
    try:
        for _ in range(200):
            if supervisor.status.error:
                break
            await asyncio.sleep(0.05)
        assert supervisor.status.code == "missing"
        assert "no.wav does not exist" in (supervisor.status.error or "")
        assert supervisor.restarts == 0
    finally:
        await supervisor.close()
