"""Chromium's tabs, driven by DevTools alone, so that they can really be hidden.

Playwright keeps each of its pages visible, whatever is in front of it. Here a tab is hidden as for anybody: by another one
in the same window. Timers, frames and the rest are then as the browser has them for a hidden tab.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import shutil
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from tests.rig.chromium import FLAGS
from tests.rig.process import RigError, program

START_S = 20.0
ANSWER_S = 30.0


class Tab:
    """One tab; made by `Tabs.open`."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, target: str) -> None:
        self.target = target
        self._socket = socket
        self._ids = itertools.count(1)

    async def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A command's result. Raises RigError for what Chromium refuses, and if there is no answer."""
        number = next(self._ids)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        async with asyncio.timeout(ANSWER_S):
            async for message in self._socket:
                answer = json.loads(message.data)
                if answer.get("id") != number:
                    continue
                if "error" in answer:
                    raise RigError(f"{method}: {answer['error'].get('message')}")
                result: dict[str, Any] = answer["result"]
                return result
        raise RigError(f"{method}: Chromium is gone")

    async def evaluate(self, expression: str) -> Any:
        """A JavaScript expression's value. Raises RigError if it throws."""
        found = await self.send(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in found:
            raise RigError(f"{expression}: {found['exceptionDetails'].get('text')}")
        return found["result"].get("value")

    async def metrics(self) -> dict[str, float]:
        """Chromium's figures of the page, after ``Performance.enable``."""
        return {one["name"]: one["value"] for one in (await self.send("Performance.getMetrics"))["metrics"]}


class Tabs:
    """``async with Tabs() as browser: tab = await browser.open(url)``: one window of a Chromium of its own."""

    def __init__(self) -> None:
        self._stack = contextlib.AsyncExitStack()
        self._http: aiohttp.ClientSession | None = None
        self._base = ""

    async def __aenter__(self) -> Self:
        home = Path(tempfile.mkdtemp(prefix="bench-chromium-"))
        self._stack.callback(shutil.rmtree, home, ignore_errors=True)
        words = [
            *FLAGS,
            "--window-size=1280,800",
            "--mute-audio",
            "--remote-debugging-port=0",
            f"--user-data-dir={home}",
            "about:blank",
        ]
        process = await asyncio.create_subprocess_exec(
            program("chromium", "chromium"),
            *words,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        self._stack.push_async_callback(_end, process)
        port = await _port_in(home / "DevToolsActivePort")
        self._base = f"http://127.0.0.1:{port}/json"
        self._http = await self._stack.enter_async_context(aiohttp.ClientSession())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def open(self, url: str) -> Tab:
        """A new tab, in front of all others."""
        assert self._http is not None
        async with self._http.put(f"{self._base}/new?{url}") as response:
            found = await response.json()
        address = found["webSocketDebuggerUrl"]
        socket = await self._stack.enter_async_context(self._http.ws_connect(address, max_msg_size=0))
        return Tab(socket, found["id"])

    async def show(self, tab: Tab) -> None:
        """Bring a tab to the front, and with that hide the others."""
        assert self._http is not None
        async with self._http.get(f"{self._base}/activate/{tab.target}") as response:
            await response.read()


async def _port_in(path: Path) -> int:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, ValueError, IndexError):
            return int(path.read_text().splitlines()[0])
        await asyncio.sleep(0.05)
    raise RigError("Chromium has opened no port for DevTools")


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), 10)
    except TimeoutError:
        process.kill()
        await process.wait()
