"""Pages, static files, rooms and health over real HTTP."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urljoin

import pytest

from tests.sdp import offers
from tests.signaling.served import Served, raw, serve

HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


async def test_the_only_room_is_the_front_page(static: Path) -> None:
    async with (
        serve(static, ("main",)) as served,
        served.http.get(served.url("/"), allow_redirects=False) as response,
    ):
        assert (response.status, response.headers["Location"]) == (302, "r/main")


async def test_options_of_the_front_page_is_a_health_check(served: Served) -> None:
    reader, writer = await raw(served.port, b"OPTIONS / HTTP/1.0\r\n\r\n")
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.0 204 ")
    assert b"\r\nAllow: GET, HEAD, OPTIONS\r\n" in answer


async def test_several_rooms_have_an_index(served: Served) -> None:
    async with served.http.get(served.url("/")) as response:
        assert response.status == 200
        assert "<title>Rooms" in await response.text()


async def test_room_page(served: Served) -> None:
    async with served.http.get(served.url("/r/main")) as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/html; charset=utf-8"
        assert "<title>Room<" in await response.text()
    async with served.http.get(served.url("/r/main/"), allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (308, "../main")


async def test_unknown_room_in_the_readers_language(served: Served) -> None:
    async with served.http.get(served.url("/r/nowhere"), headers=HTML) as response:
        assert response.status == 404
        assert response.headers["Content-Type"].startswith("text/html")
        text = await response.text()
    assert "no room of this name" in text
    links = re.findall(r'<a [^>]*href="([^"]*)"', text)
    assert {urljoin("/montage/r/nowhere", link) for link in links} == {"/montage/"}
    async with served.http.get(served.url("/r/nowhere")) as response:
        assert response.status == 404
        assert (await response.json())["error"] == "no_such_room"
    async with served.http.get(served.url("/api/rooms/nowhere"), headers=HTML) as response:
        assert response.status == 404
        assert (await response.json())["error"] == "no_such_room"


@pytest.mark.parametrize(
    "path", ["/r/main", "/static/js/main.js", "/api/rooms", "/healthz", "/r/no", "/nothing"]
)
async def test_security_headers_are_everywhere(served: Served, path: str) -> None:
    async with served.http.get(served.url(path)) as response:
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert response.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert response.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
        policy = dict(part.split(" ", 1) for part in response.headers["Content-Security-Policy"].split("; "))
        assert policy["default-src"] == "'self'"
        assert policy["connect-src"] == "'self'"
        assert policy["media-src"] == "'self' blob: mediastream:"
        assert "unsafe" not in response.headers["Content-Security-Policy"]
        assert "aiohttp" not in response.headers["Server"]


async def test_only_the_worker_that_decodes_may_compile(served: Served, static: Path) -> None:
    engine = static / "studio" / "engine"
    engine.mkdir(parents=True)
    for name in ("worker.js", "worklet.js", "opus.js"):
        (engine / name).write_text("// nothing\n")
    sources = {}
    for path in (
        "studio/engine/worker.js",
        "studio/engine/worklet.js",
        "studio/engine/opus.js",
        "js/main.js",
        "studio/engine/worker.js?x=1",
        "studio/engine/none.js",
    ):
        async with served.http.get(served.url(f"/static/{path}")) as response:
            policy = response.headers["Content-Security-Policy"]
        sources[path] = [part for part in policy.split("; ") if part.startswith("script-src ")]
        assert "unsafe" not in policy.replace("'wasm-unsafe-eval'", "")
    assert sources.pop("studio/engine/worker.js") == ["script-src 'self' 'wasm-unsafe-eval'"]
    assert sources.pop("studio/engine/worker.js?x=1") == ["script-src 'self' 'wasm-unsafe-eval'"]
    assert all(one == ["script-src 'self'"] for one in sources.values()), sources


async def test_the_worker_keeps_its_right_when_it_is_only_asked_about(served: Served, static: Path) -> None:
    """A browser takes the headers of a 304 over those that it has kept (RFC 9111, section 4.3.4)."""
    engine = static / "studio" / "engine"
    engine.mkdir(parents=True)
    (engine / "worker.js").write_text("// nothing\n")
    url = served.url("/static/studio/engine/worker.js")
    async with served.http.get(url) as response:
        etag = response.headers["ETag"]
    async with served.http.get(url, headers={"If-None-Match": etag}) as response:
        assert response.status == 304
        assert "'wasm-unsafe-eval'" in response.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("allowed", "resources"),
    [
        ("'self'", "same-origin"),
        ("'none'", "same-origin"),
        ("'self' https://home.local:8123", "cross-origin"),
    ],
)
async def test_who_may_show_the_pages_in_a_frame_is_a_setting(
    static: Path, allowed: str, resources: str
) -> None:
    async with (
        serve(static, frame_ancestors=allowed) as served,
        served.http.get(served.url("/r/main")) as response,
    ):
        assert response.headers["Content-Security-Policy"].endswith(f"; frame-ancestors {allowed}")
        assert response.headers["Cross-Origin-Resource-Policy"] == resources
        assert "X-Frame-Options" not in response.headers


async def test_static_files_revalidate(served: Served, static: Path) -> None:
    url = served.url("/static/js/main.js")
    async with served.http.get(url) as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/javascript; charset=utf-8"
        assert response.headers["Cache-Control"] == "no-cache"
        assert "Last-Modified" in response.headers
        etag = response.headers["ETag"]
    async with served.http.get(url, headers={"If-None-Match": etag}) as response:
        assert response.status == 304
        assert response.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    (static / "js" / "main.js").write_text("export const answer = 43; // changed\n")
    async with served.http.get(url, headers={"If-None-Match": etag}) as response:
        assert response.status == 200
        assert "43" in await response.text()
    async with served.http.head(url) as response:
        assert response.status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/static/../secret.txt",
        "/static/..%2fsecret.txt",
        "/static/%2e%2e/secret.txt",
        "/static/js/..%2f..%2fsecret.txt",
        "/static//etc/passwd",
        "/static/%2fetc/passwd",
        "/static/.hidden",
        "/static/js",
        "/static/js/",
        "/static/%00",
        "/static/" + "x" * 3000,
        "/static/none.js",
    ],
)
async def test_nothing_outside_the_static_folder_is_served(served: Served, static: Path, path: str) -> None:
    if path == "/static/.hidden":
        assert (static / ".hidden").read_text() == "hidden"
    from yarl import URL

    async with served.http.get(URL(served.url(path), encoded=True)) as response:
        assert response.status == 404
        assert "secret" not in await response.text()


async def test_a_link_out_of_the_static_folder_is_not_followed(served: Served, static: Path) -> None:
    (static / "link.txt").symlink_to(static.parent / "secret.txt")
    async with served.http.get(served.url("/static/link.txt")) as response:
        assert response.status == 404


async def test_favicon(served: Served, static: Path) -> None:
    async with served.http.get(served.url("/favicon.ico")) as response:
        assert response.status == 204
    (static / "favicon.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    async with served.http.get(served.url("/favicon.ico")) as response:
        assert (response.status, response.headers["Content-Type"]) == (200, "image/svg+xml")


async def test_rooms(served: Served) -> None:
    async with served.http.get(served.url("/api/rooms")) as response:
        rooms = (await response.json())["rooms"]
        assert [room["name"] for room in rooms] == ["main", "side"]
        assert response.headers["Cache-Control"] == "no-store"
        assert [urljoin("/montage/api/rooms", room["url"]) for room in rooms] == [
            "/montage/r/main",
            "/montage/r/side",
        ]
    assert set(rooms[0]) == {"name", "url", "owner", "title", "instrument", "audio", "listeners"}


async def test_a_room_lists_its_sessions_without_the_right_to_end_them(served: Served) -> None:
    async with served.post("/r/main/whep", offers.small()) as response:
        secret = response.headers["Location"].rsplit("/", 1)[1]
    async with served.http.get(served.url("/api/rooms/main")) as response:
        text = await response.text()
        room = await response.json()
    assert secret not in text
    assert room["listeners"] == 1
    (session,) = room["sessions"]
    assert set(session) == {"id", "state", "since_s", "counters", "user_agent"}
    assert session["state"] == "connecting"
    async with served.http.get(served.url("/api/rooms/side")) as response:
        assert (await response.json())["sessions"] == []


async def test_health_is_200_whatever_it_says(served: Served) -> None:
    for status, expected in (("ok", "ok"), ("degraded", "degraded"), ("broken", "degraded")):
        served.rooms.status = status
        async with served.http.get(served.url("/healthz")) as response:
            assert response.status == 200
            body = await response.json()
            assert body["status"] == expected
            assert set(body) >= {"rooms", "processes", "backend"}
    assert "no health today" in body["error"]
