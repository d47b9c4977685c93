"""Unreliable messages leave at once, and aiortc's bookkeeping goes on from them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiortc import RTCDataChannel

from rtcserver.transport.aiortc_sctp import SctpAssociation
from tests.transport.stock import StockClient, on_loopback, running, until

__all__ = ["on_loopback"]
pytestmark = pytest.mark.usefixtures("on_loopback")
MESSAGES = 300
_DATA = 0


class Loss:
    """Between the server's association and its DTLS. share: of packets that never leave."""

    def __init__(self, association: SctpAssociation) -> None:
        self.share = 0.0
        self.lost: list[bytes] = []
        self._draw = random.Random(7)
        dtls: Any = association._dtls
        self._send = dtls.send_data
        dtls.send_data = self.send

    def send(self, packet: bytes) -> None:
        if self._draw.random() >= self.share:
            self._send(packet)
        elif packet[12] == _DATA:
            self.lost.append(packet[28:])


@asynccontextmanager
async def midi_channel() -> AsyncIterator[tuple[StockClient, RTCDataChannel, Loss, list[bytes]]]:
    """A stock client; the server's side of its unordered channel that never repeats; what it hears there."""
    async with running() as endpoint:
        client = StockClient()
        heard: list[bytes] = []
        midi = client.pc.createDataChannel("midi", ordered=False, maxRetransmits=0)
        midi.on("message", heard.append)
        await client.join(endpoint)
        await until(lambda: len(client.server.channels) == 2)
        channel = next(one for one in client.server.channels if one.label == "midi")
        association = channel.transport
        assert isinstance(association, SctpAssociation)
        await until(lambda: association._flight_size == 0)
        yield client, channel, Loss(association), heard
        await client.close()


async def test_what_is_not_lost_arrives_and_the_association_recovers() -> None:
    async with midi_channel() as (client, channel, loss, heard):
        association = channel.transport
        assert isinstance(association, SctpAssociation)
        loss.share = 0.2
        sent = [number.to_bytes(2) * (1 + number % 300) for number in range(MESSAGES)]
        for message in sent:
            channel.send(message)
            # Nothing waits for an acknowledgement or a timer.
            assert not association._outbound_queue
            assert not association._data_channel_queue
            await asyncio.sleep(0.001)
        loss.share = 0.0
        assert len(loss.lost) > MESSAGES / 10
        await until(lambda: len(heard) >= MESSAGES - len(loss.lost))
        # The reliable channel shares the TSNs; a hole in them would hold it up for ever.
        assert await client.echo("still here") == "still here"
        await until(lambda: not association._sent_queue)
        assert association._flight_size == 0
        assert len(heard) == MESSAGES - len(loss.lost)
        assert len(set(heard)) == len(heard)
        assert set(heard) <= set(sent)


async def test_to_a_peer_that_hears_nothing_only_so_much_is_sent() -> None:
    async with midi_channel() as (_, channel, loss, heard):
        association = channel.transport
        assert isinstance(association, SctpAssociation)
        loss.share = 1.0
        size = 1000
        for _ in range(100):
            channel.send(b"x" * size)
        fits = SctpAssociation.MAX_FLIGHT // size
        assert association.buffered == fits * size
        assert association._counters["sctp_send_dropped"] == 100 - fits
        # What timed out is given up, and new messages pass again.
        loss.share = 0.0
        await until(lambda: association._flight_size == 0)
        channel.send(b"again")
        await until(lambda: heard)
        assert heard == [b"again"]


async def test_longer_messages_and_reliable_channels_go_aiortcs_way() -> None:
    async with midi_channel() as (client, channel, loss, heard):
        channel.send(b"y" * 5000)
        channel.send(b"short")
        await until(lambda: len(heard) == 2)
        assert sorted(heard) == [b"short", b"y" * 5000]
        assert await client.echo(b"z" * 3000) == b"z" * 3000
        assert not loss.lost
