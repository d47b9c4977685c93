"""The page as it is delivered: compressed, kept for a year at addresses with a version, loaded anew when that is gone."""

from __future__ import annotations

import gzip
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientResponse

from signaling.app import STATIC
from signaling.built import Built, build
from signaling.headers import takes_gzip
from signaling.ice_servers import IceServers, Told
from tests.signaling.served import Served, serve

PACKED = {"Accept-Encoding": "gzip, deflate, br"}
PLAIN = {"Accept-Encoding": "identity"}
SCRIPT = re.compile(r'<script type="module" src="([^"]+)"')


@pytest.fixture
async def whole() -> AsyncIterator[Served]:
    async with serve(STATIC) as running:
        yield running


async def get(served: Served, path: str, **headers: str) -> tuple[ClientResponse, bytes]:
    """The answer with its body as it came."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    async with served.http.get(served.url(path), headers=names, auto_decompress=False) as response:
        return response, await response.read()


async def page(served: Served) -> str:
    async with served.http.get(served.url("/r/main")) as response:
        return await response.text()


async def main_script(served: Served) -> str:
    """The address of the room page's script, from the host's root."""
    match = SCRIPT.search(await page(served))
    assert match is not None
    return match[1].removeprefix("..")


async def test_a_page_loads_few_things_and_all_are_there(whole: Served) -> None:
    text = await page(whole)
    addresses = {one.removeprefix("..") for one in re.findall(r'\b(?:src|href)="([^"#]*static/[^"#]+)', text)}
    assert len(addresses) <= 5
    for address in addresses:
        response, body = await get(whole, address, **PACKED)
        assert response.status == 200, address
        assert body
        assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize("kind", ["page", "script"])
async def test_texts_come_compressed_to_whoever_takes_that(whole: Served, kind: str) -> None:
    path = "/r/main" if kind == "page" else await main_script(whole)
    packed, small = await get(whole, path, **PACKED)
    plain, large = await get(whole, path, **PLAIN)
    unsaid, same = await get(whole, path, Accept_Encoding="gzip;q=0, br")
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert "Content-Encoding" not in unsaid.headers
    assert gzip.decompress(small) == large == same
    assert len(small) < 0.4 * len(large)
    assert packed.headers["ETag"] != plain.headers["ETag"] == unsaid.headers["ETag"]
    for response, body in ((packed, small), (plain, large)):
        assert response.headers["Vary"] == "Accept-Encoding"
        assert response.headers["Content-Length"] == str(len(body))
        assert response.headers["Cross-Origin-Embedder-Policy"] == "require-corp"


async def test_a_page_is_asked_for_each_time_and_sent_once(whole: Served) -> None:
    first, _ = await get(whole, "/r/main", **PACKED)
    assert first.headers["Cache-Control"] == "no-cache"
    tag = first.headers["ETag"]
    for asked in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again, body = await get(whole, "/r/main", If_None_Match=asked, **PACKED)
        assert (again.status, body) == (304, b"")
        assert (again.headers["ETag"], again.headers["Vary"]) == (tag, "Accept-Encoding")
    other, _ = await get(whole, "/r/main", If_None_Match=tag, **PLAIN)
    assert other.status == 200


async def test_what_is_compressed_already_stays_as_it_is(whole: Served) -> None:
    path = (await main_script(whole)).replace("page/main.js", "font/archivo.woff2")
    response, body = await get(whole, path, **PACKED)
    assert response.headers["Content-Type"] == "font/woff2"
    assert "Content-Encoding" not in response.headers
    assert "Vary" not in response.headers
    assert body == (STATIC / "font/archivo.woff2").read_bytes()


async def test_head_and_a_range_of_a_versioned_file(whole: Served) -> None:
    path = await main_script(whole)
    got, body = await get(whole, path, **PACKED)
    async with whole.http.head(whole.url(path), headers=PACKED) as head:
        assert head.status == 200
        assert await head.read() == b""
        for name in ("Content-Length", "Content-Encoding", "ETag", "Vary", "Cache-Control", "Content-Type"):
            assert head.headers[name] == got.headers[name]
    # A server may ignore a range (RFC 9110, section 14.2): a part of the compressed bytes would be of no use.
    part, whole_body = await get(whole, path, Range="bytes=0-9", **PACKED)
    assert (part.status, whole_body) == (200, body)
    unversioned, ten = await get(whole, "/static/page/main.js", Range="bytes=0-9")
    assert (unversioned.status, len(ten)) == (206, 10)


async def test_a_page_of_another_version_loads_itself_again(whole: Served) -> None:
    path = await main_script(whole)
    gone = re.sub(r"@[0-9a-f]+", "@0123456789ab", path)
    response, body = await get(whole, gone, **PACKED)
    assert response.status == 200
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert b"location.reload()" in gzip.decompress(body)
    for other in ("page/studio-part.js", "page/first.js", "style/base.css", "page/none.js"):
        response, _ = await get(whole, gone.replace("page/main.js", other))
        assert response.status == 404, other
    for unknown in ("page/none.js", "../signaling/app.py", "..%2fsignaling%2fapp.py", "room.html", ".hidden"):
        response, _ = await get(whole, path.replace("page/main.js", unknown))
        assert response.status == 404, unknown


async def test_the_worker_may_compile_at_its_versioned_address_too(whole: Served) -> None:
    path = (await main_script(whole)).replace("page/main.js", "studio/engine/worker.js")
    response, body = await get(whole, path, **PLAIN)
    assert "'wasm-unsafe-eval'" in response.headers["Content-Security-Policy"]
    assert b"import" not in body.replace(b"import.meta", b"")
    assert b'"./opus.wasm",new URL("./opus-wasm.js",import.meta.url)' in body


async def test_a_developer_gets_file_by_file(static: Path) -> None:
    async with serve(static, built=False) as served:
        (static / "room.html").write_text("<!doctype html><title>Changed</title>")
        response, body = await get(served, "/r/main", **PLAIN)
        assert b"Changed" in body
        assert response.headers["Cache-Control"] == "no-cache"
        response, _ = await get(served, "/static/@0123456789ab/js/main.js")
        assert response.status == 404


async def test_a_script_that_cannot_be_linked_is_told_and_served_all_the_same(
    static: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (static / "room.html").write_text(
        '<title>Room</title><script type="module" src="../static/js/main.js"></script>'
    )
    (static / "js" / "main.js").write_text("export default 42;\n")
    async with serve(static) as served:
        response, body = await get(served, "/r/main", **PLAIN)
        assert (response.status, b'src="../static/js/main.js"' in body) == (200, True)
        assert "js/main.js: this cannot be linked" in caplog.text
        response, body = await get(served, "/static/js/main.js")
        assert body == b"export default 42;\n"
    caplog.clear()


async def test_the_page_is_told_of_ice_servers_in_either_way() -> None:
    told = Told()
    for built in (True, False):
        told.servers = IceServers()
        async with serve(STATIC, ice_servers=told, built=built) as served:
            assert "rtcserver-ice-servers" not in await page(served)
            told.servers = IceServers(("stun:192.0.2.1:3478",))
            assert (await page(served)).count('<meta name="rtcserver-ice-servers" content="ask">') == 1
            assert ("static/@" in await page(served)) is built


def test_the_version_follows_what_is_delivered_and_nothing_else(static: Path) -> None:
    (static / "room.html").write_text(
        '<title>Room</title><script type="module" src="../static/js/main.js"></script>'
    )
    first = build(static)
    assert build(static).version == first.version
    (static / "js" / "main.js").write_text(
        "// a comment, which is not delivered\nexport const answer = 42;\n"
    )
    assert build(static).version == first.version
    (static / "js" / "main.js").write_text("export const answer = 43;\n")
    assert build(static).version != first.version
    assert not [path for path in first.pieces if "hidden" in path or "secret" in path]


def test_neighbouring_style_sheets_are_one(static: Path) -> None:
    (static / "style").mkdir()
    (static / "style" / "a.css").write_text("/* a */\na {\n  color: red;\n}\n")
    (static / "style" / "b.css").write_text("b { color: blue }\n")
    (static / "room.html").write_text(
        '<title>Room</title>\n    <link rel="stylesheet" href="../static/style/a.css">\n'
        '    <link rel="stylesheet" href="../static/style/b.css">\n<main>\n'
    )
    built = build(static)
    assert built.pages["room.html"].identity().decode().splitlines()[1:3] == [
        f'    <link rel="stylesheet" href="../static/@{built.version}/style/a+b.css">',
        "<main>",
    ]
    assert built.pieces["style/a+b.css"].identity() == b"a {\ncolor: red;\n}\nb { color: blue }"


def test_neighbouring_scripts_that_are_no_modules_are_one(static: Path) -> None:
    (static / "js" / "a.js").write_text("// a\nlet a = 1;\n")
    (static / "js" / "b.js").write_text("let b = a;")
    (static / "room.html").write_text(
        '<title>Room</title>\n    <script src="../static/js/a.js"></script>\n'
        '    <script src="../static/js/b.js"></script>\n<main>\n'
    )
    built = build(static)
    assert built.pages["room.html"].identity().decode().splitlines()[1:3] == [
        f'    <script src="../static/@{built.version}/js/a+b.js"></script>',
        "<main>",
    ]
    assert built.pieces["js/a+b.js"].identity() == b"let a=1;\nlet b=a;"


@pytest.mark.parametrize(
    ("said", "takes"),
    [
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("*", True),
        ("x-gzip", True),
        ("", False),
        ("identity", False),
        ("br", False),
        ("gzip;q=0", False),
        ("gzip; q=0.000, *", False),
        ("*;q=0", False),
        ("gzip;q=0.001", True),
        (";;,,=", False),
    ],
)
def test_who_takes_gzip(said: str, takes: bool) -> None:
    assert takes_gzip(said) is takes


async def test_a_machine_that_had_no_thread_left_delivers_the_page_later(
    whole: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(static: Path) -> Built:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as full:
        full.setattr("signaling.pages.build", refuse)
        assert (await get(whole, "/r/main"))[0].status == 500
    caplog.clear()
    assert (await get(whole, "/r/main"))[0].status == 200
