"""The server as a proxy publishes it: with TLS, at a prefix that the proxy cuts off and the server never sees."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urljoin

import aiohttp
import mido
import pytest

from tests.main_job.test_listening import live
from tests.main_job.test_page import until
from tests.peer.client import Listener
from tests.rig.chromium import Chromium, hear
from tests.rig.process import REPOSITORY
from tests.rig.proxy import PREFIX, HaProxy, Nginx
from tests.rig.server import RtcServer
from tests.sdp import offers

pytestmark = pytest.mark.unhurried("asserts addresses, states and tones")

FOR_ALL = '[[access]]\nactions = ["listen", "read"]\n'
TWO_ROOMS = '[rooms.main]\ninstrument = "tone"\n[rooms.side]\ninstrument = "tone"\n'


@pytest.fixture(scope="module")
def one_room() -> Iterator[RtcServer]:
    with RtcServer(instrument="tone", trusted_proxies="127.0.0.1") as server:
        server.wait_healthy(live)
        yield server


def sessions(server: RtcServer) -> int:
    return len(server.get_json("/api/rooms/main")["sessions"])


def command(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "rtcserver", *words],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


async def test_chromium_finds_a_room_and_listens_in_both_modes() -> None:
    """From the list of rooms to the sound and back; everything it asks for lies below the prefix."""
    asked: list[str] = []
    failed: list[str] = []
    with RtcServer(config=TWO_ROOMS, trusted_proxies="127.0.0.1") as server, Nginx(server.port) as proxy:
        server.wait_healthy(live)
        async with Chromium() as browser:
            page = await browser.open("about:blank")
            page.on("request", lambda request: asked.append(request.url))
            page.on("response", lambda answer: failed.append(answer.url) if answer.status >= 400 else None)
            await page.goto(f"{proxy.url}/")
            await page.click("[data-testid=room-main]")
            await until(page, "window.rtcserver?.room?.name === 'main'")
            assert page.url == f"{proxy.url}/r/main"
            await page.click("#listen")
            await until(page, "rtcserver.state === 'live'")
            left, right = (await hear(page, 1.0)).sides
            await page.click("#mode-studio")
            await until(page, "rtcserver.studio.state === 'playing'")
            while_listening = sessions(server)
            await page.click("#listen")
            await until(page, "rtcserver.state === 'idle'")
            # The session's Location leads through the proxy, too.
            server.wait_healthy(lambda said: bool(said["backend"]["sessions"] == 0))
            await page.click(".mark")
            await until(page, "document.querySelector('[data-testid=room-side]') !== null")
            assert page.url == f"{proxy.url}/"
            lost = await page.goto(f"{proxy.url}/r/nowhere")
            assert lost is not None
            assert lost.status == 404
            await page.click("a")
            await until(page, "document.querySelector('[data-testid=room-side]') !== null")
    assert (left.hz, right.hz) == (pytest.approx(440, abs=1), pytest.approx(660, abs=1))
    assert while_listening >= 1
    assert len(asked) > 20
    assert [url for url in asked if not url.startswith((f"{proxy.url}/", "about:", "blob:", "data:"))] == []
    # A tone has no sounds to choose from, and a session may have ended before its DELETE.
    usual = re.compile(r"/sounds$|/whep/[^/]+$|/r/nowhere$")
    assert [url for url in failed if not usual.search(url)] == []


async def test_a_stock_client_follows_the_location(one_room: RtcServer) -> None:
    listener = Listener()
    with Nginx(one_room.port) as proxy:
        endpoint = f"{proxy.url}/r/main/whep"
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as http:
            offer = {"data": await listener.offer(), "headers": {"Content-Type": "application/sdp"}}
            async with http.post(endpoint, **offer) as response:
                assert response.status == 201
                location = response.headers["Location"]
                await listener.answer(await response.text())
            left, right, _ = await listener.hear(0.4)
            assert (left, right) == (pytest.approx(440, abs=3), pytest.approx(660, abs=3))
            assert sessions(one_room) == 1
            async with http.delete(urljoin(endpoint, location)) as response:
                assert response.status == 200
    assert sessions(one_room) == 0
    await listener.close()


@pytest.mark.parametrize("path", ["", "/", "/r/main", "/r/main/", "/r/main/whep"])
def test_the_headless_client_listens(one_room: RtcServer, path: str) -> None:
    """Also at the prefix alone, which leads to the only room."""
    with Nginx(one_room.port) as proxy:
        done = command("client", proxy.url + path, "--insecure", "--seconds", "0.5", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["url"]


def test_the_load_generator_joins(one_room: RtcServer) -> None:
    with Nginx(one_room.port) as proxy:
        words = ("--insecure", "--listeners", "3", "--seconds", "0.5", "--json")
        done = command("load", f"{proxy.url}/r/main", *words)
    said = json.loads(done.stdout.splitlines()[-1])
    assert (said["joined"], said["failed"]) == (3, 0)
    assert said["packets_received"] > 0


def test_a_file_is_uploaded_and_played(tmp_path: Path) -> None:
    track = mido.MidiTrack()
    track.append(mido.Message("note_on", note=60, velocity=90, time=0))
    track.append(mido.Message("note_off", note=60, velocity=0, time=120))
    mido.MidiFile(tracks=[track]).save(tmp_path / "note.mid")
    with RtcServer(demo=False, trusted_proxies="127.0.0.1") as server, Nginx(server.port) as proxy:
        server.wait_healthy(live)
        found = re.search(r"#perform=\S+", server.log())
        assert found is not None
        link = f"{proxy.url}/r/main{found[0]}"
        done = command("play", link, str(tmp_path / "note.mid"), "--insecure")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("allowed", [True, False])
async def test_a_page_of_another_origin_frames_the_room_if_a_setting_allows_it(
    site: tuple[str, Callable[[str], None]], allowed: bool
) -> None:
    origin, hold = site
    settings = {"frame_ancestors": origin} if allowed else {}
    with RtcServer(instrument="tone", **settings) as server:
        server.wait_healthy(live)
        hold(f'<iframe src="{server.room_url}" allow="autoplay; midi" width=900 height=700></iframe>')
        async with Chromium() as browser:
            page = await browser.open(origin)
            frame = page.frames[1]
            if not allowed:
                assert frame.url.startswith("chrome-error:")
                return
            assert frame.url == server.room_url
            await frame.click("#listen")
            await until(frame, "rtcserver.state === 'live'")
            levels = "['left', 'right'].every((side) => document.querySelector(`#meter-${side}`).ariaValueNow > -60)"
            await until(frame, levels)
            await frame.click("#mode-studio")
            await until(frame, "rtcserver.studio.state === 'playing'")


@pytest.mark.parametrize("trusted", [True, False])
async def test_limits_and_candidates_go_by_what_a_trusted_proxy_says(trusted: bool) -> None:
    """Of each client one may be connecting; who may not say who the client is, is the client."""
    settings = {"trusted_proxies": "127.0.0.0/8"} if trusted else {}
    settings["shared_addresses"] = "192.0.2.0/24"  # And no other: these clients come from this machine.
    # Whom an untrusted proxy asks for has no rights of a network; here everybody may listen.
    with RtcServer(instrument="tone", max_half_open_per_address=1, config=FOR_ALL, **settings) as server:
        server.wait_healthy(live)
        said = []
        async with aiohttp.ClientSession() as http:
            for client in ("10.99.2.1", "10.99.2.2", "10.99.2.1"):
                headers = {
                    "Content-Type": "application/sdp",
                    "X-Forwarded-For": client,
                    "X-Forwarded-Host": "203.0.113.77:8443",
                }
                async with http.post(
                    f"{server.room_url}/whep", data=offers.small(), headers=headers
                ) as response:
                    said.append((response.status, " 203.0.113.77 " in await response.text()))
    assert said == (
        [(201, True), (201, True), (503, False)] if trusted else [(201, False), (503, False), (503, False)]
    )


def test_who_comes_by_a_proxy_that_is_not_named_is_told_which_setting_it_is() -> None:
    with RtcServer(instrument="tone") as server, Nginx(server.port) as proxy:
        server.wait_healthy(live)
        done = command("client", f"{proxy.url}/r/main", "--insecure", "--seconds", "0.5", "--json")
        log = server.log()
    assert done.returncode != 0
    assert "a proxy that is not in trusted_proxies" in done.stderr
    assert log.count("127.0.0.1 forwards requests and is not in trusted_proxies") == 1


async def test_haproxy_finds_the_server_well_and_passes_listeners_on(one_room: RtcServer) -> None:
    """Its health check is ``OPTIONS /``, in HTTP/1.0 and without a Host header."""
    with HaProxy(one_room.port) as proxy:
        for _ in range(50):
            if proxy.check()[1]:
                break
            await asyncio.sleep(0.1)
        assert proxy.check() == ("L7OK", "204")
        done = await asyncio.to_thread(
            command, "client", proxy.url, "--insecure", "--seconds", "0.5", "--json"
        )
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as http,
            http.get(f"{proxy.url}/") as response,
        ):
            assert (response.status, response.url.path) == (200, f"{PREFIX}/r/main")
    assert done.returncode == 0, done.stderr
