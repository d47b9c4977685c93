"""WHEP over real HTTP, with the stock backend behind it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from urllib.parse import urljoin

import pytest

from tests.peer.client import Listener
from tests.peer.tones import FRAME, LEFT_HZ, RIGHT_HZ
from tests.sdp import offers
from tests.signaling.served import Served, until

FRAG = "application/trickle-ice-sdpfrag"
FRAGMENT = "a=ice-ufrag:c7hm\r\na=ice-pwd:fX0xsAPQNXK2yONn8qBpdx7Q\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n"


async def open_session(served: Served, room: str = "main", text: str = "") -> tuple[str, str]:
    """Path and ETag of a new session."""
    async with served.post(f"/r/{room}/whep", text or offers.small()) as response:
        assert response.status == 201, await response.text()
        return urljoin(f"/r/{room}/whep", response.headers["Location"]), response.headers["ETag"]


@pytest.mark.parametrize("name", offers.NAMES)
async def test_created(served: Served, name: str) -> None:
    async with served.post("/r/main/whep", offers.load(name)) as response:
        assert response.status == 201
        assert response.headers["Content-Type"] == "application/sdp"
        assert re.fullmatch(r'"[!#-~]+"', response.headers["ETag"])
        assert response.headers["Accept-Patch"] == FRAG
        # Relative, so that it is right behind a proxy that cuts a prefix off, too.
        assert re.fullmatch(r"whep/[A-Za-z0-9_-]{22,}", response.headers["Location"])
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        exposed = {name.strip() for name in response.headers["Access-Control-Expose-Headers"].split(",")}
        assert exposed >= {"Location", "ETag", "Link", "Retry-After"}
        assert "Link" not in response.headers
        assert response.headers["Cache-Control"] == "no-store"
        assert (await response.text()).startswith("v=0\r\n")


async def test_a_listener_hears_the_room_until_it_deletes_its_session(served: Served) -> None:
    listener = Listener()
    async with served.post("/r/main/whep", await listener.offer()) as response:
        location = urljoin("/r/main/whep", response.headers["Location"])
        await listener.answer(await response.text())
    left, right, times = await listener.hear(0.4)
    assert (left, right) == (pytest.approx(LEFT_HZ, abs=3), pytest.approx(RIGHT_HZ, abs=3))
    assert times == list(range(times[0], times[0] + len(times) * FRAME, FRAME))
    assert served.rooms.hubs["main"].subscribers == 1
    async with served.http.delete(served.url(location)) as response:
        assert response.status == 200
    assert served.rooms.hubs["main"].subscribers == 0
    async with served.http.delete(served.url(location)) as response:
        assert response.status == 404
        assert (await response.json())["error"] == "no_such_session"
    await listener.close()


BAD = [
    ("/r/nowhere/whep", offers.small(), "application/sdp", 404, "no_such_room"),
    ("/r/main/whep", offers.small(), "text/plain", 415, "wrong_content_type"),
    ("/r/main/whep", offers.small(), "", 415, "wrong_content_type"),
    ("/r/main/whep", b"\xff\xfe\x00", "application/sdp", 400, "not_utf8"),
    ("/r/main/whep", b"", "application/sdp", 400, "malformed_sdp"),
    ("/r/main/whep", b"hello", "application/sdp", 400, "malformed_sdp"),
    ("/r/main/whep", offers.small().replace("\r\n", "\x00"), "application/sdp", 400, "malformed_sdp"),
    ("/r/main/whep", offers.small() + "a=x\r\n" * 2000, "application/sdp", 400, "malformed_sdp"),
    ("/r/main/whep", "v=0\r\n", "application/sdp", 422, "no_audio"),
    ("/r/main/whep", offers.changed("opus/", "speex/"), "application/sdp", 422, "no_opus"),
    ("/r/main/whep", offers.changed("a=recvonly", "a=sendonly"), "application/sdp", 422, "wrong_direction"),
    ("/r/main/whep", offers.changed("a=recvonly", "a=inactive"), "application/sdp", 422, "wrong_direction"),
    ("/r/main/whep", offers.small() + "a=x:" + "y" * 65536, "application/sdp", 413, "too_large"),
]


@pytest.mark.parametrize("kind", [None, "application/sdp"])
async def test_a_post_without_a_body_is_told_what_is_missing(served: Served, kind: str | None) -> None:
    headers = {"Content-Type": kind} if kind else {}
    async with served.http.post(served.url("/r/main/whep"), headers=headers) as response:
        assert response.status == 400
        error = await response.json()
    assert error["error"] == "malformed_sdp"
    assert "SDP offer" in error["message"]
    assert "application/sdp" in error["message"]


async def test_a_slash_at_the_end_of_the_endpoint_changes_nothing(served: Served) -> None:
    async with served.http.options(served.url("/r/main/whep/")) as response:
        assert response.status == 204
        assert response.headers["Accept-Post"] == "application/sdp"
    url = served.url("/r/main/whep/")
    async with served.post("/r/main/whep/", offers.small()) as response:
        assert response.status == 201
        session = urljoin(url, response.headers["Location"])
    assert session.startswith(served.url("/r/main/whep/"))
    async with served.http.delete(session) as response:
        assert response.status == 200
    assert served.backend.sessions() == []


async def test_deleting_a_session_that_has_just_ended_by_itself(served: Served) -> None:
    """Players close their connection first and send DELETE then."""
    listener = Listener()
    async with served.post("/r/main/whep", await listener.offer()) as response:
        location = urljoin("/r/main/whep", response.headers["Location"])
        await listener.answer(await response.text())
    await listener.hear(0.1)
    await listener.close()
    await until(lambda: not served.backend.sessions())
    elsewhere = location.replace("/main/", "/side/")
    for address, status in ((elsewhere, 404), (location, 200), (location, 404)):
        async with served.http.delete(served.url(address)) as response:
            assert response.status == status


@pytest.mark.parametrize(("path", "body", "kind", "status", "word"), BAD)
async def test_bad_posts(
    served: Served, path: str, body: str | bytes, kind: str, status: int, word: str
) -> None:
    async with served.post(path, body if isinstance(body, bytes) else body.encode(), kind) as response:
        assert response.status == status
        error = await response.json()
        assert error["error"] == word
        assert error["message"].endswith((".", ")."))
        assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert served.backend.sessions() == []


async def test_the_limit_of_the_body_is_exact_and_holds_without_a_length(served: Served) -> None:
    filler = "a=x:"
    text = offers.small()
    lines = (65536 - len(text)) // 1024
    text += (filler + "y" * (1022 - len(filler)) + "\r\n") * lines
    text += filler + "y" * (65536 - len(text) - len(filler))
    assert len(text) == 65536

    async def chunks(data: bytes) -> AsyncIterator[bytes]:
        for i in range(0, len(data), 1000):
            yield data[i : i + 1000]

    for extra, status in ((b"", 201), (b"z", 413)):
        data = text.encode() + extra
        for body in (data, chunks(data)):
            async with served.post("/r/main/whep", body) as response:
                assert response.status == status


async def test_a_compressed_body_is_refused(served: Served) -> None:
    async with served.post("/r/main/whep", b"\x1f\x8b", headers={"Content-Encoding": "gzip"}) as response:
        assert response.status == 415


async def test_nothing_bad_disturbs_a_listener(served: Served) -> None:
    listener = Listener()
    async with served.post("/r/main/whep", await listener.offer()) as response:
        await listener.answer(await response.text())

    async def pester() -> None:
        for path, body, kind, status, _ in BAD * 3:
            data = body if isinstance(body, bytes) else body.encode()
            async with served.post(path, data, kind) as response:
                assert response.status == status

    (left, right, times), _ = await asyncio.gather(listener.hear(1.0), pester())
    assert (left, right) == (pytest.approx(LEFT_HZ, abs=3), pytest.approx(RIGHT_HZ, abs=3))
    assert times == list(range(times[0], times[0] + len(times) * FRAME, FRAME))
    assert served.backend.sessions()[0].info().counters["dropped"] == 0
    await listener.close()


async def test_options(served: Served) -> None:
    async with served.http.options(served.url("/r/main/whep")) as response:
        assert response.status == 204
        assert response.headers["Accept-Post"] == "application/sdp"
        assert response.headers["Access-Control-Allow-Methods"] == "POST, OPTIONS"
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert {"Content-Type", "If-Match"} <= set(
            response.headers["Access-Control-Allow-Headers"].split(", ")
        )
        assert "Link" not in response.headers
    async with served.http.options(served.url("/r/main/whep/some")) as response:
        assert response.status == 204
        assert response.headers["Accept-Patch"] == FRAG
        assert response.headers["Access-Control-Allow-Methods"] == "DELETE, PATCH, OPTIONS"


@pytest.mark.parametrize(
    ("path", "methods", "allowed"),
    [
        ("/r/main/whep", ("GET", "PUT", "DELETE", "PATCH"), {"POST", "OPTIONS"}),
        ("/r/main/whep/x", ("GET", "PUT", "POST"), {"DELETE", "PATCH", "OPTIONS"}),
        ("/api/rooms", ("POST",), {"GET", "HEAD"}),
    ],
)
async def test_other_methods(served: Served, path: str, methods: tuple[str, ...], allowed: set[str]) -> None:
    for method in methods:
        async with served.http.request(method, served.url(path)) as response:
            assert response.status == 405
            assert set(response.headers["Allow"].split(",")) == allowed
            assert (await response.json())["error"] == "method_not_allowed"


async def test_patch(served: Served) -> None:
    location, etag = await open_session(served)
    url = served.url(location)

    async def patch(body: str, kind: str = FRAG, **headers: str) -> int:
        async with served.http.patch(url, data=body, headers={"Content-Type": kind, **headers}) as response:
            if response.status == 204:
                assert response.headers["ETag"] == etag
            else:
                assert set(await response.json()) == {"error", "message"}
            return int(response.status)

    good = FRAGMENT + "a=candidate:1 1 udp 2113937151 127.0.0.1 9 typ host\r\n"
    assert await patch(good, **{"If-Match": etag}) == 204
    assert await patch(good, **{"If-Match": "*"}) == 204
    assert await patch(good, **{"If-Match": '"*"'}) == 204
    assert await patch(good) == 204
    assert await patch(good, **{"If-Match": '"stale"'}) == 412
    assert await patch(good, "application/sdp") == 415
    assert await patch("nonsense") == 400
    assert await patch("a=ice-ufrag:fresh\r\na=ice-pwd:0123456789012345678901\r\n") == 422
    assert await patch("a=x:" + "y" * 70_000) == 413
    assert await patch(FRAGMENT + "a=end-of-candidates\r\n") == 204


async def test_a_session_belongs_to_its_room(served: Served) -> None:
    location, _ = await open_session(served, "main")
    elsewhere = location.replace("/r/main/", "/r/side/")
    for method, headers in (("DELETE", {}), ("PATCH", {"Content-Type": FRAG})):
        async with served.http.request(method, served.url(elsewhere), headers=headers) as response:
            assert response.status == 404
    assert len(served.backend.sessions("main")) == 1


async def test_delete_twice_at_once(served: Served) -> None:
    location, _ = await open_session(served)

    async def delete() -> int:
        async with served.http.delete(served.url(location)) as response:
            return int(response.status)

    assert sorted(await asyncio.gather(delete(), delete())) in ([200, 200], [200, 404])
    await until(lambda: served.rooms.hubs["main"].subscribers == 0)
    assert await delete() == 404
