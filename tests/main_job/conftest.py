"""What tests of the page share: a browser of its own for a test, and another site."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
from aiohttp import web
from playwright.async_api import Browser, async_playwright

from tests.rig.chromium import FLAGS
from tests.rig.process import program


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=program("chromium", "chromium"), args=[*FLAGS])
        yield browser
        await browser.close()


@pytest.fixture
async def site() -> AsyncIterator[tuple[str, Callable[[str], None]]]:
    """The origin of another site, and what sets what its page holds."""
    held = ""

    async def page(request: web.Request) -> web.Response:
        return web.Response(text=f"<!doctype html><body>{held}", content_type="text/html")

    def hold(html: str) -> None:
        nonlocal held
        held = html

    app = web.Application()
    app.router.add_get("/", page)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}", hold
    await runner.cleanup()
