"""How a room is handed on: QR code, short links, the small player, oEmbed, Open Graph, and names that hold HTML."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html import unescape
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from rtcserver.access.door import house
from rtcserver.access.rules import AccessRule
from signaling.app import STATIC
from signaling.oembed import described, room_at
from signaling.preview import Shown, frame, head
from tests.signaling.served import SECRET, Rooms, Served, serve

EVIL = "\"'><script>alert(1)</script>&<img src=x onerror=alert(1)>\r\n#EXTINF:0,evil"


class Heard(HTMLParser):
    """The tags and attributes that a browser would find in HTML."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.title = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] == "title" and not self.title:
            self.title = data

    def property(self, name: str) -> str | None:
        return next(
            (a["content"] for tag, a in self.tags if tag == "meta" and a.get("property") == name), None
        )


@pytest.fixture
async def whole(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    """The real page, in a server whose rooms have a title that means harm."""
    plain = Rooms.describe

    def describe(self: Rooms, name: str) -> dict[str, Any]:
        return {**plain(self, name), "title": EVIL}

    monkeypatch.setattr(Rooms, "describe", describe)
    async with serve(STATIC, embed_ancestors="https://blog.example") as running:
        yield running


async def text(served: Served, path: str, status: int = 200, **headers: str) -> str:
    async with served.http.get(served.url(path), headers=headers, allow_redirects=False) as response:
        assert response.status == status, await response.text()
        return await response.text()


@pytest.mark.parametrize("path", ["/r/main", "/r/main/embed"])
async def test_a_title_with_html_in_it_stays_a_text_in_the_pages_and_their_tags(
    whole: Served, path: str
) -> None:
    page = Heard(await text(whole, path))
    clean = EVIL.replace("\r", "\ufffd").replace("\n", "\ufffd")
    assert page.title == f"{clean} · rtcserver"
    assert page.property("og:title") == clean
    assert not any(tag == "img" for tag, _ in page.tags)
    assert all("src" in attributes for tag, attributes in page.tags if tag == "script")
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)


async def test_the_tags_have_absolute_addresses_by_the_name_that_was_asked_for(whole: Served) -> None:
    page = Heard(await text(whole, "/r/side", Host="music.example:8443"))
    assert page.property("og:url") == "http://music.example:8443/r/side"
    assert page.property("og:image") == "http://music.example:8443/card.png"
    (found,) = (a for tag, a in page.tags if tag == "link" and a.get("type") == "application/json+oembed")
    asked = urlsplit(found["href"] or "")
    assert (asked.netloc, asked.path) == ("music.example:8443", "/oembed")
    assert parse_qs(asked.query) == {"url": ["http://music.example:8443/r/side"], "format": ["json"]}
    assert "onerror" not in re.sub(r'"[^"]*"', "", head(Shown("http://a", "main", EVIL)).split("</title>")[1])


async def test_a_host_with_html_in_it_is_in_no_tag(whole: Served) -> None:
    page = await text(whole, "/r/main", Host='a"><script>alert(1)</script>')
    assert "alert(1)" not in page
    assert "<title>rtcserver</title>" in page


async def test_strangers_see_the_title_of_no_room_that_they_may_not_read() -> None:
    nobody = house((AccessRule(("listen", "read"), token=True),), SECRET)
    async with serve(STATIC, door=nobody) as served:
        page = Heard(await text(served, "/r/main"))
        assert page.property("og:title") == "main"
        refused = await text(served, f"/oembed?url={quote(served.url('/r/main'), safe='')}", 401)
    assert "Room <main>" not in refused


async def test_the_picture_is_one_and_of_the_size_that_is_told(whole: Served) -> None:
    async with whole.http.get(whole.url("/card.png")) as response:
        assert (response.status, response.headers["Content-Type"]) == (200, "image/png")
        assert response.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
        body = await response.read()
    assert body[:8] == b"\x89PNG\r\n\x1a\n"
    page = Heard(await text(whole, "/r/main"))
    told = (page.property("og:image:width"), page.property("og:image:height"))
    assert tuple(str(int.from_bytes(body[at : at + 4])) for at in (16, 20)) == told
    assert len(body) < 100_000


async def test_oembed_tells_how_to_show_a_room(whole: Served) -> None:
    for path in ("/r/main", "/r/main/", "/r/main/embed", "/main", "/r/main?listen#x"):
        url = quote(whole.url(path), safe="")
        async with whole.http.get(whole.url(f"/oembed?url={url}&format=json&maxwidth=300")) as response:
            assert response.status == 200, path
            answer = await response.json()
        assert (answer["version"], answer["type"], answer["width"], answer["height"]) == (
            "1.0",
            "rich",
            300,
            132,
        )
        assert answer["thumbnail_url"] == whole.url("/card.png")
        assert answer["provider_url"] == whole.url("/")
        ((tag, attributes),) = Heard(answer["html"]).tags
        assert (tag, attributes["src"]) == ("iframe", whole.url("/r/main/embed"))
        assert attributes["title"] == answer["title"] == EVIL.replace("\r", "\ufffd").replace("\n", "\ufffd")


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("url=http%3A%2F%2Felsewhere.example%2Fr%2Fmain", 404, "not_here"),
        ("url=HERE%2Fr%2Fnowhere", 404, "no_such_room"),
        ("url=HERE%2Fr%2F%3Cscript%3E", 404, "no_such_room"),
        ("url=HERE%2F", 404, "not_here"),
        ("url=HERE%2Fr%2Fmain%2Fwhep", 404, "not_here"),
        ("url=javascript%3Aalert(1)", 404, "not_here"),
        ("url=http%3A%2F%2F%5B", 404, "not_here"),
        ("url=http%3A%2F%2F127.0.0.1%3A99999%2Fr%2Fmain", 404, "not_here"),
        ("url=", 400, "no_url"),
        ("", 400, "no_url"),
        ("url=HERE%2Fr%2Fmain&maxwidth=-1", 400, "bad_size"),
        ("url=HERE%2Fr%2Fmain&maxheight=1e9", 400, "bad_size"),
        ("url=HERE%2Fr%2Fmain&format=xml", 501, "only_json"),
    ],
)
async def test_oembed_refuses_with_a_sentence(served: Served, query: str, status: int, code: str) -> None:
    here = quote(served.url(""), safe="")
    async with served.http.get(served.url(f"/oembed?{query.replace('HERE', here)}")) as response:
        answer = await response.json()
        assert (response.status, answer["error"]) == (status, code)
    assert answer["message"].endswith(".")


@pytest.mark.parametrize(
    ("url", "root", "room"),
    [
        ("https://a.example/m/r/one", "https://a.example/m", "one"),
        ("https://A.example:443/m/r/one/", "http://a.example:443/m", "one"),
        ("https://a.example/r/one", "https://a.example/m", None),
        ("https://a.example/mm/r/one", "https://a.example/m", None),
        ("https://u:p@a.example/m/r/one", "https://a.example/m", None),
        ("https://a.example.evil.example/m/r/one", "https://a.example/m", None),
        ("ftp://a.example/m/r/one", "https://a.example/m", None),
        ("http://[::1]:8080/r/a%20b/embed", "http://[::1]:8080", "a b"),
    ],
)
def test_whose_room_a_url_is_of(url: str, root: str, room: str | None) -> None:
    assert room_at(url, root) == room


def test_a_frame_holds_a_name_with_html_in_it_as_a_name() -> None:
    room = Shown("http://a", EVIL, EVIL)
    ((tag, attributes),) = Heard(frame(room)).tags
    assert (tag, attributes["src"], attributes["title"]) == (
        "iframe",
        f"http://a/r/{quote(EVIL, safe='')}/embed",
        EVIL,
    )
    assert described(room, 100, 50)["width"] == 100


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "music.example", "[2001:db8::7]:9000"])
async def test_the_qr_code_is_read_as_the_rooms_address(served: Served, host: str) -> None:
    zxing = pytest.importorskip("zxingcpp")
    numpy = pytest.importorskip("numpy")
    svg = await text(served, "/r/main/qr.svg", Host=host)
    assert "<script" not in svg
    picture = _drawn(svg, numpy)
    (found,) = zxing.read_barcodes(picture)
    assert found.text == f"http://{host}/r/main"
    assert str(found.format).endswith(("QRCode", "QR Code"))


def _drawn(svg: str, numpy: Any) -> Any:
    """The code's modules as pixels of 4 × 4: the path that segno writes has moves, relative moves and horizontal lines."""
    size = int(re.search(r'viewBox="0 0 (\d+) ', svg)[1])  # type: ignore[index]
    path = re.findall(r'stroke="#000" d="([^"]+)"', svg)[0]
    picture = numpy.full((size, size), 255, numpy.uint8)
    x, y = 0.0, 0.0
    for word, first, second in re.findall(r"([MmhH])(-?[\d.]+)(?:[ ,]?(-?[\d.]+))?", path):
        if word == "M":
            x, y = float(first), float(second)
        elif word == "m":
            x, y = x + float(first), y + float(second)
        else:
            picture[int(y), int(x) : int(x + float(first))] = 0
            x += float(first)
    return numpy.kron(picture, numpy.ones((4, 4), numpy.uint8))


async def test_the_code_needs_a_room_and_a_name_of_the_server(served: Served) -> None:
    assert "There is no room" in await text(served, "/r/nowhere/qr.svg", 404)
    assert "by which name" in await text(served, "/r/main/qr.svg", 400, Host="<b>")


async def test_short_links_lead_to_the_room_however_they_are_typed(served: Served) -> None:
    for path in ("/main", "/Main", "/MAIN"):
        async with served.http.get(served.url(path), allow_redirects=False) as response:
            assert (response.status, response.headers["Location"]) == (302, "r/main")
    for path in ("/nowhere", "/%3Cscript%3E", "/main%2f..", "/maın", "/" + "x" * 65):
        await text(served, path, 404)


async def test_a_room_that_differs_in_capitals_only_is_not_guessed(static: Any) -> None:
    async with serve(static, ("main", "Main")) as served:
        async with served.http.get(served.url("/Main"), allow_redirects=False) as response:
            assert response.headers["Location"] == "r/Main"
        await text(served, "/MAIN", 404)


async def test_addresses_of_the_servers_own_are_no_short_links(static: Any) -> None:
    """The page offers none to rooms of these names."""
    source = (STATIC / "page" / "share-links.js").read_text("utf-8")
    listed = re.search(r"TAKEN = Object\.freeze\(\[(.*)\]\)", source)
    assert listed is not None
    names = re.findall(r'"([^"]+)"', listed[1])
    async with serve(static, (*names, "main")) as served:
        for name in (*names, "main"):
            async with served.http.get(served.url(f"/{name}"), allow_redirects=False) as response:
                assert (response.status == 302) == (name == "main"), name


async def test_only_the_small_player_may_be_in_the_frames_that_embed_ancestors_names(whole: Served) -> None:
    policies = {}
    for path in ("/r/main", "/r/main/embed", "/check"):
        async with whole.http.get(whole.url(path)) as response:
            policies[path] = (
                response.headers["Content-Security-Policy"].rpartition("; ")[2],
                response.headers["Cross-Origin-Resource-Policy"],
            )
    own = ("frame-ancestors 'self'", "same-origin")
    assert policies == {
        "/r/main": own,
        "/r/main/embed": ("frame-ancestors https://blog.example", "cross-origin"),
        "/check": own,
    }


async def test_no_other_site_may_frame_the_small_player_unless_a_setting_says_so() -> None:
    async with serve(STATIC) as served, served.http.get(served.url("/r/main/embed")) as response:
        assert response.headers["Content-Security-Policy"].endswith("frame-ancestors 'self'")
        assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"


async def test_the_elements_module_is_one_file_that_all_sites_may_load(whole: Served) -> None:
    async with whole.http.get(whole.url("/player.js")) as response:
        assert response.headers["Content-Type"] == "text/javascript; charset=utf-8"
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert response.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
        assert response.headers["Cache-Control"] == "no-cache"
        source = await response.text()
        tag = response.headers["ETag"]
    assert not re.search(r"\bimport\b(?!\.meta)", source)
    async with whole.http.get(whole.url("/player.js"), headers={"If-None-Match": tag}) as response:
        assert (response.status, response.headers["Access-Control-Allow-Origin"]) == (304, "*")


async def test_the_unknown_room_has_no_player(served: Served) -> None:
    assert "There is no room" in await text(served, "/r/nowhere/embed", 404)


def test_what_is_unescaped_is_what_was_said() -> None:
    assert unescape(head(Shown("http://a", "x", EVIL)).split("<title>")[1].split(" · ")[0]) == EVIL
