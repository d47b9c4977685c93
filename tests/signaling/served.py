"""A served application for tests: real sockets, real stock backend, two rooms of tones."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from rtcserver.access.admission import Admission, Places
from rtcserver.access.authorizer import Authorizer
from rtcserver.access.door import Door, house
from rtcserver.access.rules import DEFAULT
from rtcserver.peer.base import PeerBackend
from rtcserver.stock.hub import PacketHub
from rtcserver.stock.peer import StockBackend
from signaling.app import Kept, create_app
from signaling.headers import SELF
from signaling.ice_servers import Told
from signaling.limits import Limits
from signaling.live import Streams
from signaling.people import Desks
from signaling.serve import HttpServer
from signaling.sounds import Instruments
from signaling.whose import Allowed
from tests.peer.tones import ToneFeed, feed_pair

SECRET = b"the key of the tests' performer links"


class Rooms:
    """A RoomDirectory over hubs."""

    def __init__(self, hubs: dict[str, PacketHub]) -> None:
        self.hubs = hubs
        self.status = "ok"

    def names(self) -> list[str]:
        return list(self.hubs)

    def describe(self, name: str) -> dict[str, Any]:
        return {
            "name": name,
            "title": f"Room <{name}>",
            "instrument": {
                "kind": "tone",
                "name": "tone",
                "state": "live",
                "error": None,
                "rate": 48000,
                "channels": 2,
            },
            "audio": {"frame_ms": 10, "bitrate_bps": 160000},
            "listeners": self.hubs[name].subscribers,
        }

    def health(self) -> dict[str, Any]:
        if self.status == "broken":
            raise RuntimeError("no health today")
        return {"status": self.status, "rooms": {name: hub.counters() for name, hub in self.hubs.items()}}


@dataclass
class Served:
    port: int
    server: HttpServer
    rooms: Rooms
    backend: PeerBackend
    http: aiohttp.ClientSession

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def post(self, path: str, body: Any, kind: str = "application/sdp", **more: Any) -> Any:
        headers = {"Content-Type": kind, **more.pop("headers", {})}
        return self.http.post(self.url(path), data=body, headers=headers, **more)


@asynccontextmanager
async def serve(
    static: Path,
    names: tuple[str, ...] = ("main", "side"),
    limits: Limits | None = None,
    wrap: Callable[[StockBackend], PeerBackend] = lambda backend: backend,
    places: Places | None = None,
    door: Door | None = None,
    authorizer: Authorizer | None = None,
    tokens: Kept | None = None,
    desks: Desks | None = None,
    allowed: Allowed | None = None,
    trusted_proxies: Sequence[str] = (),
    frame_ancestors: str = SELF,
    embed_ancestors: str = "",
    instruments: Instruments | None = None,
    ice_servers: Told | None = None,
    live: Callable[[Admission, PeerBackend], Streams | None] = lambda admission, backend: None,
    built: bool = True,
) -> AsyncIterator[Served]:
    """Serve rooms `names` on a free port of 127.0.0.1, with tones in all of them."""
    pairs = {name: feed_pair() for name in names}
    hubs = {name: PacketHub(reader) for name, (_, reader) in pairs.items()}
    admission = Admission(places)
    stock = StockBackend(lambda name: hubs[name].subscribe(), admission=admission)
    backend = wrap(stock)
    rooms = Rooms(hubs)
    app = create_app(
        rooms,
        backend,
        authorizer or Authorizer(door or house(DEFAULT, SECRET)),
        admission=admission,
        limits=limits,
        static=static,
        tokens=tokens,
        desks=desks,
        allowed=allowed,
        trusted_proxies=trusted_proxies,
        frame_ancestors=frame_ancestors,
        embed_ancestors=embed_ancestors,
        instruments=instruments,
        ice_servers=ice_servers,
        streams=live(admission, backend),
        built=built,
    )
    server = HttpServer(app, limits, admission)
    port = await server.start("127.0.0.1")
    feeds = [ToneFeed(writer) for writer, _ in pairs.values()]
    for hub in hubs.values():
        hub.start()
    for feed in feeds:
        feed.__enter__()
    async with aiohttp.ClientSession() as http:
        try:
            yield Served(port, server, rooms, backend, http)
        finally:
            await server.close()
            await stock.close()
            for feed in feeds:
                feed.__exit__()
            for hub in hubs.values():
                hub.close()
            for writer, _ in pairs.values():
                writer.close()


async def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    for _ in range(int(seconds * 100)):
        if condition():
            return
        await asyncio.sleep(0.01)
    pytest.fail("the condition did not come true")


async def raw(port: int, request: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A TCP connection that has sent `request`."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, family=socket.AF_INET)
    writer.write(request)
    await writer.drain()
    return reader, writer
