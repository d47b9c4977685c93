"""PacketHub: every record reaches every track; damage, loss and the end of the feed are counted."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
from aiortc.mediastreams import MediaStreamError

from rtcserver.encode.packet import MAX_RECORD
from rtcserver.errors import ProcessError
from rtcserver.stock.hub import PacketHub
from tests.peer.tones import FRAME, ToneFeed, feed_pair, packet


@pytest.fixture
async def pair() -> AsyncIterator[tuple[socket.socket, PacketHub]]:
    writer, reader = feed_pair()
    hub = PacketHub(reader)
    hub.start()
    yield writer, hub
    hub.close()
    writer.close()


async def settle(hub: PacketHub, records: int) -> None:
    """Wait until the hub has seen `records` records."""
    for _ in range(10_000):
        if hub.packets + hub.malformed >= records:
            return
        await asyncio.sleep(0)
    pytest.fail(f"the hub saw {hub.packets} packets and {hub.malformed} malformed records")


async def test_each_track_gets_every_packet(pair: tuple[socket.socket, PacketHub]) -> None:
    writer, hub = pair
    tracks = [hub.subscribe() for _ in range(5)]
    for i in range(20):
        writer.send(packet(i).pack())
    for track in tracks:
        assert [(await track.recv()).pts for _ in range(20)] == [i * FRAME for i in range(20)]
    expected = {"packets": 20, "malformed": 0, "gaps": 0, "dropped": 0, "stale": 0, "subscribers": 5}
    assert hub.counters().items() >= expected.items()
    assert hub.last is not None
    assert (hub.last.media_time, hub.last.payload) == (19 * FRAME, packet(19).payload)


async def test_a_stopped_track_leaves_the_others_alone(pair: tuple[socket.socket, PacketHub]) -> None:
    writer, hub = pair
    gone, stays = hub.subscribe(queue_packets=2), hub.subscribe()
    for i in range(5):
        writer.send(packet(i).pack())
    await settle(hub, 5)
    gone.stop()
    writer.send(packet(5).pack())
    assert [(await stays.recv()).pts for _ in range(6)] == [i * FRAME for i in range(6)]
    assert hub.subscribers == 1
    assert hub.dropped == 3  # by the one that has gone


async def test_malformed_records_are_counted_and_dropped(pair: tuple[socket.socket, PacketHub]) -> None:
    writer, hub = pair
    track = hub.subscribe()
    good = packet(0).pack()
    bad = [b"", b"x", good[:32], b"\xff" + good[1:], good[:1] + b"\x09" + good[2:], good + bytes(MAX_RECORD)]
    for record in bad:
        writer.send(record)
    writer.send(good)
    await settle(hub, len(bad) + 1)
    assert (hub.malformed, hub.packets) == (len(bad), 1)
    assert (await track.recv()).pts == 0


async def test_loss_before_the_hub_is_a_gap(pair: tuple[socket.socket, PacketHub]) -> None:
    writer, hub = pair
    for i in (0, 1, 4, 5, 9):
        writer.send(packet(i).pack())
    await settle(hub, 5)
    assert hub.gaps == 2


async def test_the_end_of_the_feed_stops_the_tracks() -> None:
    writer, reader = feed_pair()
    ends: list[bool] = []
    hub = PacketHub(reader, on_end=lambda: ends.append(hub.ended))
    hub.start()
    track = hub.subscribe()
    writer.send(packet(0).pack())
    assert (await track.recv()).pts == 0
    writer.close()
    with pytest.raises(MediaStreamError):
        await asyncio.wait_for(track.recv(), 5)
    assert ends == [True]
    assert (hub.subscribers, hub.malformed) == (0, 0)
    with pytest.raises(ProcessError):
        hub.subscribe()
    assert reader.fileno() == -1


async def test_close_is_idempotent_and_releases_the_socket() -> None:
    writer, reader = feed_pair()
    hub = PacketHub(reader)
    hub.start()
    track = hub.subscribe()
    hub.close()
    hub.close()
    assert reader.fileno() == -1
    assert track.readyState == "ended"
    with pytest.raises(BrokenPipeError):
        writer.send(packet(0).pack())
    writer.close()


async def test_a_real_encoder_thread_feeds_it(pair: tuple[socket.socket, PacketHub]) -> None:
    writer, hub = pair
    track = hub.subscribe()
    with ToneFeed(writer, start=1 << 35):
        times = [(await track.recv()).pts for _ in range(30)]
    assert times == list(range(times[0], times[0] + 30 * FRAME, FRAME))
    assert times[0] >= 1 << 35
    assert (hub.gaps, hub.dropped, hub.malformed) == (0, 0, 0)
