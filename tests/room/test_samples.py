"""Studio over a DataChannel: real SCTP, a feed of its own, bounded for whoever does not read."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import pytest
from aiortc import RTCDataChannel
from aiortc import rtcsctptransport as sctp

from rtcserver.capture.block import Block, StreamFormat
from rtcserver.capture.mix import stereo_mix
from rtcserver.clock import NS, monotonic_ns
from rtcserver.encode.feed import EXPIRED_NS
from rtcserver.encode.packet import KIND_CODED, KIND_PCM, EncodedPacket
from rtcserver.encode.pcm import PcmPacker, unpack
from rtcserver.room.samples import MOST_WAITING, SampleListener, Samples
from rtcserver.room.studio import BAD_SECONDS, FEW, Patience
from rtcserver.transport.aiortc_sctp import SctpAssociation, run_now
from tests.transport.stock import StockClient, on_loopback, running, until
from tests.transport.test_unreliable import Loss

__all__ = ["on_loopback"]
pytestmark = pytest.mark.usefixtures("on_loopback")
FRAMES = 128
RATE = 44_100
RTP_OFFSET = 2**32 - 1000


class Instrument:
    """The feeds of a room without an instrument: what the tests put in."""

    def __init__(self) -> None:
        self.writers: dict[socket.socket, socket.socket] = {}

    def open_feed(self, *, packets: bool) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        self.writers[ours] = theirs
        return ours

    def close_feed(self, feed: socket.socket) -> None:
        feed.close()
        self.writers.pop(feed).close()

    def play(self, record: bytes) -> None:
        for writer in self.writers.values():
            writer.send(record)


def blocks(bits: int = 24) -> Iterator[EncodedPacket]:
    """A run of noise from the packer of the instrument process, media time from 0 on."""
    stream = StreamFormat(RATE, 2, FRAMES, "int24" if bits == 24 else "int16")
    packer = PcmPacker(stream, stereo_mix("1,2", "", 2), epoch=3)
    rng = np.random.default_rng(5)
    for number in range(100_000):
        data = memoryview(rng.bytes(FRAMES * 2 * bits // 8))
        ((first, _, payload),) = packer.pack(Block(data, FRAMES, number * FRAMES, 0, 0))
        yield EncodedPacket(first * 160 // 147, 139, monotonic_ns(), 3, payload, KIND_PCM)


@dataclass
class Studio:
    """A stock client with a ``studio`` channel, and the room's samples."""

    instrument: Instrument
    samples: Samples
    listener: SampleListener
    association: SctpAssociation
    loss: Loss
    heard: list[bytes] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)


@asynccontextmanager
async def studio() -> AsyncIterator[Studio]:
    async with running() as endpoint:
        client = StockClient()
        heard: list[bytes] = []
        ended: list[str] = []
        client.pc.createDataChannel("studio", ordered=False, maxRetransmits=0).on("message", heard.append)
        peer = await client.join(endpoint)
        await until(lambda: len(client.server.channels) == 2)
        channel: RTCDataChannel = next(one for one in client.server.channels if one.label == "studio")
        association = channel.transport
        assert isinstance(association, SctpAssociation)
        await until(lambda: association.buffered == 0)
        instrument = Instrument()
        samples = Samples(instrument)
        listener = SampleListener(channel, RTP_OFFSET, lambda: peer.buffered, lambda: ended.append("stuck"))
        yield Studio(instrument, samples, listener, association, Loss(association), heard, ended)
        samples.close()
        await client.close()


def len_is(messages: list[bytes], count: int) -> bool:
    return len(messages) == count


async def test_each_block_arrives_with_its_time_and_nothing_else_does() -> None:
    async with studio() as here:
        assert not here.instrument.writers, "without a listener there is no feed"
        here.samples.add(here.listener)
        here.samples.add(here.listener)
        assert len(here.instrument.writers) == 1
        source = blocks()
        sent = [next(source) for _ in range(50)]
        for number, packet in enumerate(sent, 1):
            here.instrument.play(packet.pack())
            here.instrument.play(
                EncodedPacket(packet.media_time, 480, monotonic_ns(), 3, b"\xfc", KIND_CODED).pack()
            )
            here.instrument.play(b"no record of ours")
            if number % 10 == 0:
                await until(partial(len_is, here.heard, number))
        expected = [((p.media_time + RTP_OFFSET) % 2**32).to_bytes(4, "little") + p.payload for p in sent]
        assert sorted(here.heard) == sorted(expected)
        assert here.samples.counters == {"sent": 50, "invalid": 50}
        here.samples.remove(here.listener)
        assert not here.instrument.writers


@pytest.mark.parametrize("bits", [16, 24])
async def test_twice_means_that_a_lost_block_comes_again(bits: int) -> None:
    async with studio() as here:
        here.listener.twice = True
        here.samples.add(here.listener)
        source = blocks(bits)
        sent = [next(source) for _ in range(5)]
        for packet in sent:
            here.instrument.play(packet.pack())
        await until(lambda: len(here.heard) == (5 if bits == 16 else 9))
        seen: dict[int, int] = {}
        times = {p.media_time: unpack(p.payload) for p in sent}
        for message in here.heard:
            media = (int.from_bytes(message[:4], "little") - RTP_OFFSET) % 2**32
            block = unpack(message[4:])
            assert block.samples == times[media].samples
            seen[block.first_frame] = seen.get(block.first_frame, 0) + 1
            if block.previous is not None:
                seen[block.first_frame - FRAMES] += 1
        assert seen == {number * FRAMES: 2 if number < 4 else 1 for number in range(5)}


async def test_blocks_that_come_too_late_are_dropped() -> None:
    async with studio() as here:
        here.samples.add(here.listener)
        packet = next(blocks())
        here.instrument.play(replace(packet, captured_ns=monotonic_ns() - EXPIRED_NS - 1).pack())
        here.instrument.play(replace(packet, captured_ns=monotonic_ns()).pack())
        await until(partial(len_is, here.heard, 1))
        assert here.samples.counters == {"expired": 1, "sent": 1}


async def test_who_never_reads_holds_so_much_memory_and_is_ended() -> None:
    async with studio() as here:
        here.loss.share = 1.0
        here.samples.add(here.listener)
        source = blocks()
        interval_ns = NS * FRAMES // RATE
        now = monotonic_ns()
        most = 0
        for _ in range(BAD_SECONDS * 345):
            now += interval_ns
            packet = next(source)
            here.samples.take(EncodedPacket(packet.media_time, 139, now, 3, packet.payload, KIND_PCM), now)
            most = max(most, here.association.buffered)
        assert not here.ended, "a few seconds of it are forgiven"
        assert MOST_WAITING - 1000 < most <= MOST_WAITING
        assert here.samples.counters["skipped"] == BAD_SECONDS * 345 - here.samples.counters["sent"]
        now += NS
        here.samples.take(EncodedPacket(0, 139, now, 3, packet.payload, KIND_PCM), now)
        assert here.ended == ["stuck"]
        assert here.samples.counters["gave_up"] == 1
        assert here.samples.listening == 0
        assert not here.instrument.writers
        here.loss.share = 0.0


async def test_acknowledging_only_in_gaps_does_not_keep_memory_either() -> None:
    async with studio() as here:
        association = here.association
        here.loss.share = 1.0
        here.samples.add(here.listener)
        source = blocks()
        for _ in range(2 * SctpAssociation.MAX_KEPT):
            packet = next(source)
            here.samples.take(packet, packet.captured_ns)
            sack = sctp.SackChunk()
            sack.cumulative_tsn = association._last_sacked_tsn
            sack.gaps = [(1, (association._local_tsn - 1 - association._last_sacked_tsn) % 2**32)]
            run_now(association._receive_sack_chunk(sack))
        assert association._flight_size == 0
        assert len(association._sent_queue) == SctpAssociation.MAX_KEPT
        assert here.samples.counters["skipped"] == SctpAssociation.MAX_KEPT
        here.loss.share = 0.0


async def test_a_closed_channel_is_not_written_to() -> None:
    async with studio() as here:
        here.samples.add(here.listener)
        here.listener.channel.close()
        packet = next(blocks())
        here.samples.take(packet, packet.captured_ns)
        assert here.samples.counters == {"skipped": 1}


async def test_when_the_instrument_is_closed_for_good_the_feed_is() -> None:
    async with studio() as here:
        here.samples.add(here.listener)
        (writer,) = here.instrument.writers.values()
        writer.close()
        await until(lambda: not here.instrument.writers)


@pytest.mark.parametrize(("share_taken", "gives_up"), [(0.0, True), (0.2, True), (0.3, False), (1.0, False)])
def test_patience_is_with_those_who_take_something(share_taken: float, gives_up: bool) -> None:
    patience = Patience()
    answers = [
        patience.offered((number % 100) < 100 * share_taken, number * NS // 100)
        for number in range(1, 100 * (BAD_SECONDS + 3))
    ]
    assert any(answers) is gives_up


def test_a_good_second_makes_up_for_the_bad_ones_and_a_few_blocks_say_nothing() -> None:
    patience = Patience()
    for second in range(4 * BAD_SECONDS):
        good = second % BAD_SECONDS == 0
        assert not any(patience.offered(good, second * NS + number) for number in range(100))
    patience = Patience()
    for second in range(3 * BAD_SECONDS):
        assert not any(patience.offered(False, second * NS + number) for number in range(FEW - 1))
