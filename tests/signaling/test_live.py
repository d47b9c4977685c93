"""live.opus and live.m3u over real sockets: headers, who may, who has no place, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from rtcserver.access.admission import Admission, Places
from rtcserver.access.authorizer import Authorizer
from rtcserver.access.door import house
from rtcserver.access.logins import Logins
from rtcserver.access.rules import AccessRule
from rtcserver.access.users import User, hashed
from rtcserver.clock import NS
from rtcserver.ogg.live import LiveStreams
from rtcserver.ogg.page import BEGINS, ENDS
from rtcserver.ogg.stream import RoomStream
from rtcserver.peer.base import PeerBackend
from tests.ogg.pages import Page, comments, read
from tests.ogg.sound import Tones
from tests.signaling.served import SECRET, Served, raw, serve, until

pytestmark = pytest.mark.unhurried("waits for pages, and asserts their content")

TITLE = '<img src=x onerror=alert(1)>\r\nSet-Cookie: a=b\n#EXTINF:-1,"evil"\0'


@dataclass
class Place:
    served: Served
    streams: LiveStreams
    tones: dict[str, Tones]

    def get(self, path: str = "/r/main/live.opus", **more: Any) -> Any:
        return self.served.http.get(self.served.url(path), **more)


@asynccontextmanager
async def place(static: Path, **more: Any) -> AsyncIterator[Place]:
    tones = {"main": Tones(), "side": Tones()}
    made: list[LiveStreams] = []

    def live(admission: Admission, backend: PeerBackend) -> LiveStreams:
        rooms = {name: RoomStream(each, 480, lambda: {"TITLE": TITLE}) for name, each in tones.items()}
        streams = LiveStreams(
            rooms, admission, lambda room: len(backend.sessions(room)) + len(streams.readers(room)), 10 * NS
        )
        backend.beside = lambda room: len(streams.readers(room))
        made.append(streams)
        return streams

    async with serve(static, live=live, **more) as served:
        yield Place(served, made[0], tones)
        await made[0].close()
        assert [each.open for each in tones.values()] == [0, 0]


async def pages_of(response: aiohttp.ClientResponse, count: int) -> list[Page]:
    """The first pages, whole ones."""
    data = b""
    async with asyncio.timeout(20):
        while True:
            data += await response.content.readany()
            whole = data[: data.rfind(b"OggS")]
            if (found := len(read(whole))) >= count:
                return read(whole)[:found]


async def test_the_stream_says_what_it_is_and_begins_with_its_headers(static: Path) -> None:
    async with place(static) as here, here.get(headers={"Range": "bytes=0-"}) as response:
        assert response.status == 200
        said = response.headers
        assert said["Content-Type"] == "audio/ogg; codecs=opus"
        assert (said["Cache-Control"], said["Accept-Ranges"]) == ("no-store", "none")
        assert said["Connection"] == "close"
        assert "Content-Length" not in said
        assert "Content-Range" not in said
        assert "Access-Control-Allow-Origin" not in said
        pages = await pages_of(response, 8)
        assert [page.number for page in pages] == list(range(len(pages)))
        assert pages[0].flags == BEGINS
        title = comments(pages[1].packets[0])["TITLE"]
        assert title.startswith("<img src=x onerror=alert(1)>")
        assert title.isprintable()
        (listed,) = here.streams.readers("main")
        info = listed.info()
        assert (info.state, info.details["mode"], info.address) == ("playing", "live", "127.0.0.1")
        assert here.streams.readers("side") == []


async def test_http_1_0_gets_the_same_bytes_without_chunks(static: Path) -> None:
    async with place(static) as here:
        request = b"GET /r/main/live.opus HTTP/1.0\r\nIcy-MetaData: 1\r\nRange: bytes=100-\r\n\r\n"
        reader, writer = await raw(here.served.port, request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.0 200")
        assert b"chunked" not in head.lower()
        data = b""
        async with asyncio.timeout(20):
            while data.count(b"OggS") < 8:
                data += await reader.read(65536)
        assert len(read(data[: data.rfind(b"OggS")])) >= 7
        writer.close()
        await until(lambda: not here.streams.readers())


async def test_head_tells_the_headers_and_begins_nothing(static: Path) -> None:
    async with place(static) as here:
        async with here.served.http.head(here.served.url("/r/main/live.opus")) as response:
            assert response.status == 200
            assert response.headers["Content-Type"] == "audio/ogg; codecs=opus"
            assert await response.read() == b""
        assert here.streams.readers() == []
        assert here.tones["main"].opened == 0


async def test_icecast_is_told_the_type_that_it_knows(static: Path) -> None:
    async with place(static) as here:
        for agent, kind in (("Icecast 2.4.4", "audio/ogg"), ("VLC/3.0.24", "audio/ogg; codecs=opus")):
            headers = {"User-Agent": agent}
            async with here.served.http.head(
                here.served.url("/r/main/live.opus"), headers=headers
            ) as response:
                assert response.headers["Content-Type"] == kind


async def test_there_is_nothing_for_a_room_that_is_not_there_nor_where_it_is_off(static: Path) -> None:
    async with place(static) as here:
        for path in ("/r/none/live.opus", "/r/none/live.m3u"):
            async with here.get(path) as response:
                assert (response.status, (await response.json())["error"]) == (404, "no_such_room")
    async with serve(static) as served:
        for path in ("/r/main/live.opus", "/r/main/live.m3u"):
            async with served.http.get(served.url(path)) as response:
                assert (response.status, (await response.json())["error"]) == (404, "no_live")


async def test_who_may_not_listen_is_told_so_and_basic_lets_in(static: Path) -> None:
    rules = (
        AccessRule(("listen",), rooms=("main",), token=True),
        AccessRule(("listen",), networks=("10.0.0.0/8",)),
    )
    anna = User("anna", hashed("the secret"), ("listen",), ("main",))
    logins = Logins([anna])
    try:
        async with place(static, authorizer=Authorizer(house(rules, SECRET, users=[anna]), logins)) as here:
            for path in ("/r/main/live.opus", "/r/main/live.m3u"):
                async with here.get(path) as response:
                    assert response.status == 401
                    assert 'Basic realm="rtcserver"' in response.headers["WWW-Authenticate"]
                    assert (await response.json())["message"].startswith("From your network, listening needs")
            async with here.get("/r/side/live.opus") as response:
                assert (response.status, (await response.json())["error"]) == (403, "wrong_network")
            headers = {"Authorization": aiohttp.encode_basic_auth("anna", "the secret", "utf-8")}
            async with here.get(headers=headers) as response:
                assert response.status == 200
                await pages_of(response, 4)
                (reader,) = here.streams.readers()
                assert (reader.grant.by, reader.grant.name) == ("user", "anna")
            assert here.tones["side"].opened == 0
    finally:
        logins.close()


async def test_a_full_server_a_full_room_and_a_full_address_are_503(static: Path) -> None:
    for places, sentence in (
        (Places(listeners=1), "The only place of this server is taken."),
        (Places(listeners_per_room=1), "The only place of this room is taken."),
        (Places(live_per_address=1), "Your address has 1 player here; it may have 1."),
    ):
        async with place(static, places=places) as here, here.get() as response:
            await pages_of(response, 2)
            async with here.get() as refused:
                assert (refused.status, refused.headers["Retry-After"]) == (503, "5")
                assert (await refused.json())["message"] == sentence
            assert len(here.streams.readers()) == 1


async def test_players_that_come_too_often_are_told_when(static: Path) -> None:
    async with place(static, places=Places(offers_per_minute=2)) as here:
        for _ in range(2):
            async with here.served.http.head(here.served.url("/r/main/live.opus")) as response:
                assert response.status == 200
        async with here.get() as response:
            assert response.status == 429
            assert int(response.headers["Retry-After"]) > 0


async def test_a_stopped_server_ends_the_stream_with_its_last_page(static: Path) -> None:
    async with place(static) as here, here.get() as response:
        await pages_of(response, 4)
        await here.streams.close()
        rest = await asyncio.wait_for(response.content.read(), 10)
        last = rest[rest.rfind(b"OggS") :]
        assert read(last)[0].flags == ENDS


async def test_who_is_sent_away_is_cut_off(static: Path) -> None:
    async with place(static) as here, here.get() as response:
        await pages_of(response, 4)
        here.streams.readers()[0].end("by_admin")
        with pytest.raises(aiohttp.ClientPayloadError):
            await asyncio.wait_for(response.content.read(), 10)
        assert here.streams.readers() == []


async def test_the_playlist_has_one_entry_with_an_absolute_address(static: Path) -> None:
    async with place(static, trusted_proxies=["127.0.0.1"]) as here:
        root = f"http://127.0.0.1:{here.served.port}"
        cases: list[tuple[dict[str, str], str]] = [
            ({}, f"{root}/r/main/live.opus"),
            (
                {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "piano.example:444"},
                "https://piano.example:444/r/main/live.opus",
            ),
            ({"X-Forwarded-Prefix": "/music/"}, f"{root}/music/r/main/live.opus"),
            ({"X-Forwarded-Prefix": "//evil.example/x"}, f"{root}/r/main/live.opus"),
            ({"X-Forwarded-Proto": "javascript"}, f"{root}/r/main/live.opus"),
        ]
        for headers, url in cases:
            sent = {"X-Forwarded-For": "127.0.0.1", **headers}
            async with here.get("/r/main/live.m3u", headers=sent) as response:
                assert response.status == 200
                assert response.headers["Content-Type"] == "audio/x-mpegurl; charset=utf-8"
                assert response.headers["Cache-Control"] == "no-store"
                assert await response.text() == f"#EXTM3U\n#EXTINF:-1,Room <main>\n{url}\n"
        assert here.tones["main"].opened == 0


async def test_forwarded_headers_of_strangers_do_not_change_the_playlist(
    static: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with place(static) as here:
        headers = {
            "X-Forwarded-Host": "evil.example",
            "X-Forwarded-Proto": "https",
            "X-Forwarded-Prefix": "/x",
        }
        async with here.get("/r/main/live.m3u", headers=headers) as response:
            # The default rules give a network's rights to nobody who comes by an unknown proxy.
            assert response.status == 401
    assert "forwards requests and is not in trusted_proxies" in caplog.text
    caplog.clear()


async def test_a_title_of_several_lines_is_one_line_of_the_playlist(
    static: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with place(static) as here:
        monkeypatch.setattr(here.served.rooms, "describe", lambda name: {"title": TITLE})
        async with here.get("/r/main/live.m3u") as response:
            lines = (await response.text()).splitlines()
            assert len(lines) == 3
            assert lines[2].startswith("http://127.0.0.1:")
            assert lines[1].startswith("#EXTINF:-1,<img src=x onerror=alert(1)>\ufffd\ufffdSet-Cookie")
            assert "Set-Cookie" not in response.headers


async def test_a_player_that_comes_back_while_the_server_stops_begins_no_stream(static: Path) -> None:
    async with place(static) as here:
        await here.streams.close()
        async with here.get() as response:
            assert response.status == 503
            assert response.headers["Retry-After"]
            assert (await response.json())["error"] == "stopping"
        assert here.tones["main"].opened == 0
