"""The literal path with real aiortc peers on both sides: sound, and nothing left behind."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest
from aiortc import RTCPeerConnection

from rtcserver.access.admission import RETRY_AFTER_S, Admission, Places
from rtcserver.errors import PeerError
from rtcserver.peer.base import PeerBackend, PeerRequest
from rtcserver.stock.hub import PacketHub
from rtcserver.stock.peer import StockBackend
from tests.peer.client import Listener
from tests.peer.tones import FRAME, LEFT_HZ, RIGHT_HZ, ToneFeed, feed_pair
from tests.sdp import offers

REQUEST = PeerRequest("127.0.0.1", "localhost")


@dataclass
class Room:
    hub: PacketHub
    backend: StockBackend


@pytest.fixture
async def room() -> AsyncIterator[Room]:
    writer, reader = feed_pair()
    hub = PacketHub(reader)
    hub.start()
    backend = StockBackend(lambda name: hub.subscribe())
    await backend.start()
    with ToneFeed(writer):
        yield Room(hub, backend)
        await backend.close()
        hub.close()
    writer.close()


async def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    for _ in range(int(seconds * 100)):
        if condition():
            return
        await asyncio.sleep(0.01)
    pytest.fail("the condition did not come true")


def seam(backend: PeerBackend) -> PeerBackend:
    """The static check that the backend fits its protocol."""
    return backend


async def test_stereo_reaches_ten_listeners_from_one_encoder(room: Room) -> None:
    listeners = [Listener() for _ in range(10)]
    for listener in listeners:
        session = await room.backend.open("main", await listener.offer(), REQUEST)
        await listener.answer(session.answer)
    heard = await asyncio.gather(*(listener.hear(0.4) for listener in listeners))
    for left, right, times in heard:
        assert left == pytest.approx(LEFT_HZ, abs=3)
        assert right == pytest.approx(RIGHT_HZ, abs=3)
        assert times == list(range(times[0], times[0] + len(times) * FRAME, FRAME))
    assert room.backend.health()["connected_now"] == 10
    assert room.hub.subscribers == 10
    assert [s.info().counters["dropped"] for s in room.backend.sessions("main")] == [0] * 10
    await asyncio.gather(*(session.close() for session in room.backend.sessions()))
    assert (room.backend.sessions(), room.hub.subscribers) == ([], 0)
    await asyncio.gather(*(listener.close() for listener in listeners))


async def test_a_data_channel_opens_beside_the_sound(room: Room) -> None:
    listener = Listener(data_channel=True)
    session = await room.backend.open("main", await listener.offer(), REQUEST)
    await listener.answer(session.answer)
    left, right, _ = await listener.hear(0.3)
    assert (left, right) == (pytest.approx(LEFT_HZ, abs=3), pytest.approx(RIGHT_HZ, abs=3))
    channel = listener.channel
    assert channel is not None
    await until(lambda: channel.readyState == "open")
    await session.close()
    await listener.close()


async def test_a_listener_that_leaves_is_forgotten_and_the_other_hears_on(room: Room) -> None:
    leaver, stayer = Listener(), Listener()
    for listener in (leaver, stayer):
        session = await room.backend.open("main", await listener.offer(), REQUEST)
        await listener.answer(session.answer)
    await asyncio.gather(leaver.hear(0.1), stayer.hear(0.1))
    await leaver.close()  # a DTLS close_notify, no DELETE
    await until(lambda: len(room.backend.sessions()) == 1)
    _, right, times = await stayer.hear(0.3)
    assert right == pytest.approx(RIGHT_HZ, abs=3)
    assert times == list(range(times[0], times[0] + len(times) * FRAME, FRAME))
    await until(lambda: room.hub.subscribers == 1)
    await stayer.close()


async def test_a_half_open_peer_is_reaped() -> None:
    writer, reader = feed_pair()
    hub = PacketHub(reader)
    backend = seam(StockBackend(lambda name: hub.subscribe(), half_open_s=0.2))
    session = await backend.open("main", offers.small(), REQUEST)
    assert backend.find(session.id) is session
    await until(lambda: not backend.sessions())
    assert backend.health()["half_open_reaped"] == 1
    assert hub.subscribers == 0
    with pytest.raises(PeerError) as caught:
        await session.patch("a=end-of-candidates\r\n")
    assert caught.value.status == 404
    await backend.close()
    hub.close()
    writer.close()


async def test_half_open_peers_are_bounded(room: Room) -> None:
    bounds = Admission(Places(connecting=2))
    backend = StockBackend(lambda name: room.hub.subscribe(), admission=bounds)
    listener = Listener()
    connected = await backend.open("main", await listener.offer(), REQUEST)
    await listener.answer(connected.answer)
    await until(lambda: connected.info().state == "connected")
    first = await backend.open("main", offers.small(), REQUEST)
    await backend.open("main", offers.small(), REQUEST)
    with pytest.raises(PeerError) as caught:
        await backend.open("main", offers.small(), REQUEST)
    assert (caught.value.status, caught.value.retry_after_s) == (503, RETRY_AFTER_S)
    await first.close()
    await backend.open("main", offers.small(), REQUEST)
    await listener.close()
    await backend.close()


async def test_a_close_that_hangs_is_bounded_and_counted(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(self: RTCPeerConnection) -> None:
        await asyncio.Event().wait()

    session = await room.backend.open("main", offers.small(), REQUEST)
    real = RTCPeerConnection.close
    monkeypatch.setattr(RTCPeerConnection, "close", hang)
    room.backend.close_s = 0.05
    await asyncio.wait_for(asyncio.gather(session.close(), session.close()), 5)
    assert room.backend.counters["close_timeouts"] == 1
    assert room.backend.sessions() == []
    monkeypatch.setattr(RTCPeerConnection, "close", real)
    await session._pc.close()  # type: ignore[attr-defined]  # what the hung close left open


async def test_a_cancelled_open_leaves_nothing(room: Room) -> None:
    for turns in range(12):
        opening = asyncio.ensure_future(room.backend.open("main", offers.small(), REQUEST))
        for _ in range(turns):
            await asyncio.sleep(0)
        opening.cancel()
        result = (await asyncio.gather(opening, return_exceptions=True))[0]
        if not isinstance(result, BaseException):
            await result.close()
    await until(lambda: room.hub.subscribers == 0)
    assert room.backend.sessions() == []


async def test_bad_offers_open_nothing(room: Room) -> None:
    for text in ("", "v=0\r\n", offers.changed("a=recvonly", "a=sendonly")):
        with pytest.raises(PeerError):
            await room.backend.open("main", text, REQUEST)
    assert (room.backend.sessions(), room.hub.subscribers) == ([], 0)


async def test_it_serves_opus_only(room: Room) -> None:
    with pytest.raises(PeerError, match="no opus/48000/2") as caught:
        await room.backend.open("main", offers.changed("opus/", "speex/"), REQUEST)
    assert (caught.value.status, caught.value.code) == (422, "no_opus")
    assert room.backend.sessions() == []


async def test_a_room_without_a_feed_is_503(room: Room) -> None:
    room.hub.close()
    with pytest.raises(PeerError) as caught:
        await room.backend.open("main", offers.small(), REQUEST)
    assert (caught.value.status, caught.value.retry_after_s) == (503, 5)


async def test_trickled_candidates_connect_a_client_that_offered_none(room: Room) -> None:
    listener = Listener()
    text = await listener.offer()
    candidates = [line for line in text.split("\r\n") if line.startswith("a=candidate")]
    bare = "".join(
        line + "\r\n"
        for line in text.split("\r\n")
        if line and not line.startswith(("a=candidate", "a=end-of-candidates"))
    )
    session = await room.backend.open("main", bare, REQUEST)
    fragment = "m=audio 9 RTP/AVP 0\r\na=mid:0\r\n" + "\r\n".join(candidates) + "\r\na=end-of-candidates\r\n"
    assert await session.patch(fragment) is None
    with pytest.raises(PeerError) as caught:
        await session.patch("a=ice-ufrag:fresh\r\na=ice-pwd:0123456789012345678901\r\n")
    assert caught.value.status == 422
    await listener.answer(session.answer)
    assert (await listener.hear(0.2))[0] == pytest.approx(LEFT_HZ, abs=3)
    await listener.close()


async def test_joins_and_leaves_leave_no_task_and_no_socket(room: Room) -> None:
    async def join_and_leave() -> None:
        session = await room.backend.open("main", offers.small(), REQUEST)
        await session.close()

    await join_and_leave()
    await until(lambda: len(asyncio.all_tasks()) <= 1 or not room.backend.sessions())
    gc.collect()
    tasks = len(asyncio.all_tasks())
    for _ in range(20):
        await join_and_leave()
    await until(lambda: len(asyncio.all_tasks()) <= tasks)
    gc.collect()
    assert sum(isinstance(o, RTCPeerConnection) for o in gc.get_objects()) <= 2
    assert room.hub.subscribers == 0
