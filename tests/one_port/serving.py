"""The server in a network of its own, in its default configuration, and a page that listens to it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from tests.rig.chromium import Chromium
from tests.rig.netns import Namespace
from tests.rig.server import RtcServer

PORT = 8080
"""The product's default: in a namespace nobody else has it."""
LEFT_HZ, RIGHT_HZ = 440.0, 660.0
"""The tone instrument's defaults."""
TONE_DBFS = -18.0


PROBE = (Path(__file__).parent / "clients" / "probe.js").read_text()
"""A function of the WHEP URL that listens in a browser with its peer connection in reach."""


class Page(Protocol):
    """A page of Chromium or Firefox."""

    async def click(self, selector: str) -> object: ...

    async def wait_for_function(self, expression: str, *, arg: Any = None) -> object: ...


class ServerIn(RtcServer):
    """`RtcServer` inside a namespace on port 8080. Nothing but the instrument is configured by default."""

    def __init__(self, space: Namespace, **settings: str | float) -> None:
        super().__init__(port=PORT, env=None, arguments=(), config="", instrument="tone", **settings)
        self.space = space

    def start(self) -> None:
        """Returns when the room plays."""
        with self.space.entered():
            super().start()
        self.wait_healthy(lambda said: said["status"] == "ok")

    def get_json(self, path: str) -> Any:
        with self.space.entered():
            return super().get_json(path)

    def backend(self, key: str) -> Any:
        """One figure of the backend in ``/healthz``; 0 for a counter that has not counted yet."""
        return self.health()["backend"].get(key, 0)


def room_at(host: str) -> str:
    """The room's page on this host, an IPv6 address in brackets."""
    return f"http://{host}:{PORT}/r/main"


def chromium_for(*origins: str, hosts: Mapping[str, str] | None = None) -> Chromium:
    """A browser that takes these hosts for secure contexts, as the recorder's AudioWorklet needs one.

    hosts: names that it knows, with their addresses.
    """
    secure = ",".join(f"http://{host}:{PORT}" for host in origins)
    return Chromium(flags=(f"--unsafely-treat-insecure-origin-as-secure={secure}",), hosts=hosts)


async def press_listen(page: Page) -> None:
    """Press the page's button and wait for sound."""
    await page.click("#listen")
    await wait_state(page, "live")


async def wait_state(page: Page, state: str) -> None:
    """Wait until the page is in this state (see the head of the page's main.js)."""
    await page.wait_for_function("state => window.rtcserver?.state === state", arg=state)
