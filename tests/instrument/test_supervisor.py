"""The supervisor with a real instrument process: replaced when it dies or hangs, feeds that survive it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from itertools import pairwise

import psutil
import pytest

from rtcserver.clock import NS, monotonic_ns
from rtcserver.config.model import InstrumentConfig
from rtcserver.encode.encoding import LOW, OWN, encodings_of
from rtcserver.encode.feed import FeedReader
from rtcserver.encode.packet import KIND_CODED, KIND_PCM, EncodedPacket
from rtcserver.encode.pcm import unpack
from rtcserver.encode.subscription import Subscription
from rtcserver.instrument.supervisor import InstrumentSupervisor


async def read(feed: socket.socket, count: int, kind: int = KIND_CODED) -> list[EncodedPacket]:
    loop = asyncio.get_running_loop()
    packets: list[EncodedPacket] = []
    async with asyncio.timeout(20):
        while len(packets) < count:
            packet = EncodedPacket.unpack(await loop.sock_recv(feed, 65_536))
            if packet.kind == kind:
                packets.append(packet)
    return packets


async def test_a_killed_process_is_replaced_and_the_feed_goes_on() -> None:
    supervisor = InstrumentSupervisor("main", InstrumentConfig(instrument="tone", samplerate=44_100))
    await supervisor.start()
    feed = supervisor.open_feed()
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
    feed = supervisor.open_feed()
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
    feed = supervisor.open_feed()
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


async def test_further_encodings_come_while_asked_for_and_over_a_restart() -> None:
    config = InstrumentConfig(instrument="tone", samplerate=44_100, demo=False)
    supervisor = InstrumentSupervisor("main", config)
    low = encodings_of(config.bitrate_bps, config.frame_samples)[LOW]
    await supervisor.start()
    feed = supervisor.open_feed()
    loop = asyncio.get_running_loop()

    async def until(stream: int, count: int) -> list[EncodedPacket]:
        found: list[EncodedPacket] = []
        while sum(packet.stream == stream for packet in found) < count:
            found.append(EncodedPacket.unpack(await loop.sock_recv(feed, 65_536)))
        return found

    try:
        async with asyncio.timeout(30):
            assert {packet.stream for packet in await until(OWN, 30)} == {OWN}
            supervisor.set_encodings([low])
            packets = await until(low.stream, 20)
            ends = {
                stream: [p.media_time + p.duration for p in packets if p.stream == stream]
                for stream in (0, 2)
            }
            assert {end % 960 for end in ends[2]} == {0}
            assert all(later - end == 960 for end, later in pairwise(ends[2]))
            # Each of its packets comes with the one of the room's own that ends with it, from the same samples.
            assert {*ends[2][:-1]} <= {*ends[0]}
            while supervisor.status.further != [LOW]:
                await until(OWN, 10)
            assert supervisor.pid is not None
            os.kill(supervisor.pid, signal.SIGKILL)
            again = await until(low.stream, 20)
            assert again[-1].epoch == 2
            supervisor.set_encodings([])
            while supervisor.status.further:
                await until(OWN, 10)
            assert {packet.stream for packet in (await until(OWN, 10))[-5:]} == {OWN}
    finally:
        await supervisor.close()
        feed.close()


async def test_a_feed_that_is_given_up_leaves_nothing_behind() -> None:
    supervisor = InstrumentSupervisor("main", InstrumentConfig(instrument="tone"))
    await supervisor.start()
    kept = supervisor.open_feed()
    try:
        await read(kept, 10)
        ours, theirs = open_files(os.getpid()), open_files(supervisor.pid)
        given_up = supervisor.open_feed()
        await read(given_up, 10)
        assert (open_files(os.getpid()), open_files(supervisor.pid)) == (ours + 2, theirs + 1)
        supervisor.close_feed(given_up)
        supervisor.close_feed(given_up)
        # The process closes its end at its next packet.
        await read(kept, 20)
        assert (open_files(os.getpid()), open_files(supervisor.pid)) == (ours, theirs)
    finally:
        await supervisor.close()
        kept.close()


async def test_a_subscriber_gets_packets_and_blocks_over_a_restart() -> None:
    config = InstrumentConfig(instrument="tone", samplerate=44_100, demo=False)
    supervisor = InstrumentSupervisor("main", config)
    await supervisor.start()
    with pytest.raises(ValueError, match="packets, blocks, or both"):
        supervisor.subscribe()
    try:
        async with asyncio.timeout(30):
            with supervisor.subscribe(packets=True, blocks=True, limit=4096) as sound:
                first = await take(sound, {KIND_CODED: 20, KIND_PCM: 50})
                assert supervisor.pid is not None
                os.kill(supervisor.pid, signal.SIGKILL)
                while (await anext(sound)).epoch == 1:
                    pass
                again = await take(sound, {KIND_CODED: 20, KIND_PCM: 50})
                assert sound.dropped == 0
            # Nobody asks for blocks any more.
            with supervisor.subscribe(packets=True) as packets:
                await take(packets, {KIND_CODED: 5})
                reader = FeedReader(supervisor.open_feed())
                await take(packets, {KIND_CODED: 20})
                kinds = {one.kind for one in iter(reader.read, None)}
                assert kinds == {KIND_CODED}
    finally:
        await supervisor.close()
    for run in (first, again):
        blocks = [unpack(packet.payload) for packet in run if packet.kind == KIND_PCM]
        assert {b.first_frame - a.first_frame for a, b in pairwise(blocks)} == {128}
        coded = [packet for packet in run if packet.kind == KIND_CODED]
        assert {b.media_time - a.media_time for a, b in pairwise(coded)} == {480}
        # One timeline for both: a packet is complete when the block that completes it is.
        assert abs(coded[-1].media_time - run[-1].media_time) < 48_000


async def test_a_subscriber_that_does_not_read_slows_nobody_and_ends_with_the_room() -> None:
    supervisor = InstrumentSupervisor("main", InstrumentConfig(instrument="tone"))
    await supervisor.start()
    feed = supervisor.open_feed()
    lazy = supervisor.subscribe(packets=True, blocks=True, limit=8)
    try:
        packets = await read(feed, 200)
        assert {b.media_time - a.media_time for a, b in pairwise(packets)} == {480}
        assert len(lazy) == 8
        assert lazy.dropped > 200
        assert supervisor.status.feed_dropped == 0
    finally:
        await supervisor.close()
        feed.close()
    assert lazy.closed
    assert len([item async for item in lazy]) == 8


async def take(sound: Subscription[EncodedPacket], wanted: dict[int, int]) -> list[EncodedPacket]:
    """Items until there are at least so many of each kind."""
    found: list[EncodedPacket] = []
    async for packet in sound:
        found.append(packet)
        if all(sum(one.kind == kind for one in found) >= count for kind, count in wanted.items()):
            break
    return found


def open_files(pid: int | None) -> int:
    """File descriptors of a process."""
    return int(psutil.Process(pid).num_fds())


async def test_what_it_opens_is_said_until_it_sounds() -> None:
    supervisor = InstrumentSupervisor("main", InstrumentConfig(instrument="tone"))
    said: list[str] = []
    supervisor.on_status = lambda status: said.append(f"{status.state} {supervisor.progress}")
    await supervisor.start()
    feed = supervisor.open_feed()
    try:
        await read(feed, 100)
        assert said[0].startswith("silent opening ")
        assert said[-1] == "live None"
    finally:
        await supervisor.close()
        feed.close()


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


async def at_rest(supervisor: InstrumentSupervisor) -> None:
    deadline = monotonic_ns() + 30 * NS
    while not supervisor.status.resting:
        assert monotonic_ns() < deadline
        await asyncio.sleep(0.02)


async def test_an_instrument_rests_while_nobody_reads_and_its_timeline_goes_on() -> None:
    supervisor = InstrumentSupervisor("main", InstrumentConfig(instrument="tone", samplerate=44_100))
    deaf = supervisor.open_feed(packets=False)
    await supervisor.start()
    try:
        await at_rest(supervisor)
        assert supervisor.status.state == "live"
        encoded = supervisor.status.encoded
        # Longer than a live process may go without progress.
        await asyncio.sleep(3.5)
        assert (supervisor.status.encoded, supervisor.restarts) == (encoded, 0)
        assert supervisor.status.resting
        anchor = supervisor.anchor
        with supervisor.subscribe(packets=True) as sound:
            packets = [await anext(sound) for _ in range(30)]
            assert not [packet for packet in packets if packet.kind == KIND_PCM]
        await at_rest(supervisor)
    finally:
        await supervisor.close()
        deaf.close()
    assert all(b.media_time - a.media_time == 480 for a, b in pairwise(packets))
    # A packet's end is captured when it says so, by the clock that was read before the rest.
    late_s = [
        (packet.captured_ns - anchor.at_ns) / NS - (packet.media_time + 480 - anchor.media_time) / 48_000
        for packet in packets
    ]
    assert -0.001 < min(late_s) < 0.2
    assert supervisor.status.lost_frames == supervisor.status.overflows == 0
