"""Debian's Firefox as a judge, driven by its own WebDriver BiDi socket; and the sound card that it needs.

Firefox kills a tab that makes an AudioContext without an audio backend, so a PulseAudio with nothing
but a null sink runs beside it. It does not connect to 127.0.0.1: serve from another namespace.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import numpy as np

from rtcserver.client.measure import RATE, Side, side
from tests.rig.process import RigError, RigProcess, may_run_as_hardware, program

_PREFERENCES: dict[str, object] = {
    "media.autoplay.default": 0,
    "media.autoplay.blocking_policy": 0,
    "media.peerconnection.ice.obfuscate_host_addresses": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.page": 0,
    "browser.newtabpage.enabled": False,
    "browser.safebrowsing.update.enabled": False,
    "app.normandy.enabled": False,
    "app.update.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "dom.ipc.processPrelaunch.enabled": False,
    "extensions.getAddons.cache.enabled": False,
    "extensions.update.enabled": False,
    "media.gmp-manager.updateEnabled": False,
    "media.gmp-provider.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.dns.disablePrefetch": True,
    "services.settings.server": "data:,",
    "toolkit.telemetry.server": "data:,",
}
_HEAR = """async ({selector, frames}) => {
  const element = document.querySelector(selector);
  if (!element?.srcObject) throw new Error(`${selector} plays no stream`);
  const context = new AudioContext({sampleRate: 48000});
  try {
    await context.resume();
    const splitter = context.createChannelSplitter(2);
    context.createMediaStreamSource(element.srcObject).connect(splitter);
    const sides = [0, 1].map((side) => {
      const analyser = new AnalyserNode(context, {fftSize: frames, channelCount: 1});
      splitter.connect(analyser, side).connect(context.destination);
      return analyser;
    });
    const enough = context.currentTime + frames / 48000 + 0.3;
    while (context.currentTime < enough) await new Promise((resolve) => setTimeout(resolve, 20));
    return sides.map((analyser) => {
      const samples = new Float32Array(frames);
      analyser.getFloatTimeDomainData(samples);
      return Array.from(samples, (sample) => Math.round(sample * 32768));
    });
  } finally {
    await context.close();
  }
}"""
_FRAMES = 32_768
"""The most that an AnalyserNode keeps. It needs neither a worklet nor a secure context."""
_LISTENING = re.compile(r"WebDriver BiDi listening on (ws://\S+)")
_MAX_MESSAGE = 64 << 20
_PRIORITY = 10
"""As `RigProcess` gives to its other hardware."""


class NullSink(RigProcess):
    """A PulseAudio of its own that plays into nowhere. `variables` point a program at it."""

    def __init__(self) -> None:
        super().__init__("pulse")

    @property
    def variables(self) -> dict[str, str]:
        return {"PULSE_SERVER": f"unix:{self._socket}"}

    def start(self) -> None:
        home = {name: str(self.directory) for name in ("HOME", "XDG_RUNTIME_DIR", "PULSE_RUNTIME_PATH")}
        command = [program("pulseaudio", "pulseaudio"), "-n", "--daemonize=no", "--exit-idle-time=-1"]
        command += ["--use-pid-file=no", "--disable-shm", "--high-priority=no", "--realtime=no"]
        command += ["-L", f"module-native-protocol-unix socket={self._socket} auth-anonymous=1"]
        command += ["-L", "module-null-sink rate=48000"]
        self._spawn(command, {**os.environ, **home})
        self._wait_ready(self._socket.exists)
        if may_run_as_hardware():
            # It plays the part of a sound card. PulseAudio resets what it is started with.
            for thread in Path(f"/proc/{self.pid}/task").iterdir():
                os.sched_setscheduler(int(thread.name), os.SCHED_FIFO, os.sched_param(_PRIORITY))

    @property
    def _socket(self) -> Path:
        return self.directory / "native"


class Firefox(RigProcess):
    """``async with Firefox(sink, origins) as browser: page = await browser.open(url)``.

    secure_origins: hosts that count as secure contexts although they are plain HTTP.
    """

    def __init__(self, sink: NullSink, secure_origins: tuple[str, ...] = ()) -> None:
        super().__init__("firefox")
        self._sink = sink
        preferences = _PREFERENCES | {"dom.securecontext.allowlist": ",".join(secure_origins)}
        lines = [f"user_pref({json.dumps(key)}, {json.dumps(value)});" for key, value in preferences.items()]
        (self.directory / "profile").mkdir()
        (self.directory / "profile" / "user.js").write_text("\n".join(lines))
        self._http: aiohttp.ClientSession | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._reading: asyncio.Task[None] | None = None
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._numbers = itertools.count(1)

    def start(self) -> None:
        command = [program("firefox-esr", "firefox-esr"), "--headless", "--no-remote"]
        command += ["--remote-debugging-port", "0", "--profile", str(self.directory / "profile")]
        home = {"HOME": str(self.directory), "MOZ_CRASHREPORTER_DISABLE": "1"}
        self._spawn([*command, "about:blank"], {**os.environ, **home, **self._sink.variables})
        self._wait_ready(lambda: _LISTENING.search(self.log()) is not None, timeout_s=30)

    async def __aenter__(self) -> Self:
        try:
            self.start()
            found = _LISTENING.search(self.log())
            assert found is not None
            self._http = aiohttp.ClientSession()
            self._socket = await self._http.ws_connect(f"{found[1]}/session", max_msg_size=_MAX_MESSAGE)
            self._reading = asyncio.create_task(self._read(self._socket))
            await self.command("session.new", {"capabilities": {}})
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])
        if self._http is not None:
            await self._http.close()
        self.close()

    async def open(self, url: str) -> FirefoxPage:
        """A new tab with this page, loaded."""
        context = (await self.command("browsingContext.create", {"type": "tab"}))["context"]
        await self.command("browsingContext.navigate", {"context": context, "url": url, "wait": "complete"})
        return FirefoxPage(self, context)

    async def command(self, method: str, parameters: dict[str, Any]) -> Any:
        """One BiDi command; its result. Raises `RigError` with what Firefox says against it."""
        assert self._socket is not None
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        try:
            await self._socket.send_json({"id": number, "method": method, "params": parameters})
            async with asyncio.timeout(60):
                said = await answer
        finally:
            del self._answers[number]
        if said["type"] == "error":
            raise RigError(f"Firefox on {method}: {said['error']}: {said['message']}")
        return said["result"]

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            said = json.loads(message.data)
            answer = self._answers.get(said.get("id"))
            if answer is not None and not answer.done():
                answer.set_result(said)
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(RigError(f"Firefox ended:\n{self.log()[-2000:]}"))


class FirefoxPage:
    """A tab. The methods are those of Playwright's `Page` that the rig uses."""

    def __init__(self, browser: Firefox, context: str) -> None:
        self._browser = browser
        self._context = context

    async def evaluate(self, expression: str, arg: Any = None) -> Any:
        """The JSON value of an expression; a function is called with `arg`, a promise awaited."""
        declaration = (
            "async (text) => { const it = (" + expression + ");"
            "return JSON.stringify(await (typeof it === 'function' ? it(JSON.parse(text)) : it)) ?? null; }"
        )
        parameters = {
            "functionDeclaration": declaration,
            "awaitPromise": True,
            "target": {"context": self._context},
            "arguments": [{"type": "string", "value": json.dumps(arg)}],
            "userActivation": True,
        }
        result = await self._browser.command("script.callFunction", parameters)
        if result["type"] == "exception":
            raise RigError(f"in Firefox's page: {result['exceptionDetails']['text']}")
        text = result["result"].get("value")
        return None if text is None else json.loads(text)

    async def hear(self, selector: str = "#audio") -> tuple[Side, Side]:
        """Level and dominant frequency, left and right, of what the media element plays from now on."""
        left, right = await self.evaluate(_HEAR, {"selector": selector, "frames": _FRAMES})
        return side(np.array(left, np.int16), RATE), side(np.array(right, np.int16), RATE)

    async def click(self, selector: str) -> None:
        """Click as a script does, with user activation."""
        await self.evaluate("selector => { document.querySelector(selector).click(); }", selector)

    async def wait_for_function(self, expression: str, arg: Any = None, timeout_s: float = 30) -> None:
        """Poll in the page until the function of `arg` is true. Raises `RigError` when it takes longer."""
        poll = (
            "async ([arg, limit]) => { const until = performance.now() + limit * 1000;"
            "while (performance.now() < until) { if (await (" + expression + ")(arg)) return true;"
            "await new Promise((resolve) => setTimeout(resolve, 50)); } return false; }"
        )
        if not await self.evaluate(poll, [arg, timeout_s]):
            raise RigError(f"in Firefox's page, not within {timeout_s} s: {expression}")
