"""Chromium as the judge: a page, and what an AudioWorklet in it hears.

Everything is recorded by sample index and analysed in Python; the page only copies. Chromium plays
WebRTC audio without a sound card.
"""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt
from playwright.async_api import Browser, Page, Playwright, Route, async_playwright

from rtcserver.client.measure import Side, side
from tests.rig.hosts import knowing
from tests.rig.process import RigError, program
from tests.rig.relay import UdpRelay

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-sync",
    "--disable-component-update",
    "--no-first-run",
)
RATE = 48_000
QUANTUM = 128

_WORKLET = """
registerProcessor("rig-recorder", class extends AudioWorkletProcessor {
  constructor(options) {
    super();
    this.quanta = options.processorOptions.quanta;
    this.sound = new Float32Array(this.quanta * 128 * 2);
    this.wall = new Float64Array(this.quanta);
    this.count = 0;
  }
  process([input]) {
    if (this.count === this.quanta) return false;
    const left = input[0], right = input[1] ?? input[0];
    if (left) for (let i = 0; i < 128; i++) {
      this.sound[(this.count * 128 + i) * 2] = left[i];
      this.sound[(this.count * 128 + i) * 2 + 1] = right[i];
    }
    this.wall[this.count++] = Date.now();
    if (this.count < this.quanta) return true;
    this.port.postMessage([this.sound, this.wall], [this.sound.buffer, this.wall.buffer]);
    return false;
  }
});
"""

_RECORD = """async ({selector, quanta, worklet, rate}) => {
  const element = document.querySelector(selector);
  if (!element?.srcObject) throw new Error(`${selector} plays no stream`);
  const context = new AudioContext({sampleRate: rate});
  try {
    const url = URL.createObjectURL(new Blob([worklet], {type: "text/javascript"}));
    await context.audioWorklet.addModule(url);
    await context.resume();
    const source = context.createMediaStreamSource(element.srcObject);
    const node = new AudioWorkletNode(context, "rig-recorder", {
      channelCount: 2, channelCountMode: "explicit", processorOptions: {quanta},
    });
    const done = new Promise((resolve) => { node.port.onmessage = (event) => resolve(event.data); });
    source.connect(node).connect(context.destination);
    const bytes = async (array) => {
      const blob = new Blob([array]);
      const text = await new Promise((resolve) => {
        const reader = new FileReader();
        reader.onload = () => resolve(reader.result);
        reader.readAsDataURL(blob);
      });
      return text.slice(text.indexOf(",") + 1);
    };
    const [sound, wall] = await done;
    return [await bytes(sound), await bytes(wall)];
  } finally {
    await context.close();
  }
}"""


@dataclass(frozen=True, slots=True)
class Heard:
    """What the worklet got: samples ``(frames, 2) float32`` at 48 kHz.

    wall_ms: wall time in ms (whole ones) at which each quantum of 128 frames was processed.
    """

    samples: npt.NDArray[np.float32]
    wall_ms: npt.NDArray[np.float64]

    @property
    def sides(self) -> tuple[Side, Side]:
        """Level and dominant frequency, left and right; see `rtcserver.client.measure`."""
        whole = np.clip(np.round(self.samples * 32_768), -32_768, 32_767).astype(np.int16)
        return side(whole[:, 0], RATE), side(whole[:, 1], RATE)

    def onset(self, threshold: float = 0.01) -> int | None:
        """Index of the first frame with a sample beyond `threshold` (1 is full scale)."""
        loud = np.flatnonzero(np.abs(self.samples).max(axis=1) > threshold)
        return int(loud[0]) if len(loud) else None

    def wall_ms_of(self, frame: int) -> float:
        """When the quantum with this frame reached the worklet, as `time.time()` · 1000 has it."""
        return float(self.wall_ms[frame // QUANTUM])


class Chromium:
    """``async with Chromium() as browser: page = await browser.open(url)``. One browser process.

    muted: Playwright's default; False plays through the sound system, for recordings of the true output.
    env: further environment variables, as `NullSink.variables`. authorities: PEM files of the certificate
    authorities that its user has imported; other certificates are then refused, as by any browser. By default
    nobody looks at certificates. hosts: names that it knows, with their addresses; see `tests.rig.hosts`.
    """

    def __init__(
        self,
        *,
        muted: bool = True,
        flags: tuple[str, ...] = (),
        env: Mapping[str, str] | None = None,
        authorities: Sequence[Path] | None = None,
        hosts: Mapping[str, str] | None = None,
    ) -> None:
        self._muted = muted
        self._hosts = hosts
        self._flags = flags
        self._env = dict(env or {})
        self._authorities = authorities
        self._home: Path | None = None
        self._playwright: Playwright | None = None
        self._browser: Browser | None = None

    async def __aenter__(self) -> Self:
        executable = program("chromium", "chromium")
        if self._authorities is not None or self._hosts is not None:
            self._home = Path(tempfile.mkdtemp(prefix="rig-chromium-"))
        if self._home is not None and self._authorities is not None:
            trust(self._home, self._authorities)
            self._env["HOME"] = str(self._home)
        if self._home is not None and self._hosts is not None:
            executable = knowing(self._hosts, executable, self._home)
        self._playwright = await async_playwright().start()
        try:
            self._browser = await self._playwright.chromium.launch(
                executable_path=executable,
                args=[*FLAGS, *self._flags],
                ignore_default_args=None if self._muted else ["--mute-audio"],
                env={**os.environ, **self._env},
            )
        except BaseException:
            await self._playwright.stop()
            self._forget()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._browser is not None:
            for context in self._browser.contexts:
                # A page may be in the middle of an exchange that is rewritten.
                await context.unroute_all(behavior="ignoreErrors")
            await self._browser.close()
        if self._playwright is not None:
            await self._playwright.stop()
        self._forget()

    def _forget(self) -> None:
        if self._home is not None:
            shutil.rmtree(self._home, ignore_errors=True)

    async def open(self, url: str, relay: UdpRelay | None = None, *, bypass_csp: bool = True) -> Page:
        """A page in a fresh profile, loaded. By default content security policies bind nobody, as the recorder needs it.

        relay: the page's media goes through it; its WHEP exchange is rewritten on the way.
        """
        assert self._browser is not None
        context = await self._browser.new_context(
            bypass_csp=bypass_csp, ignore_https_errors=self._authorities is None
        )
        if relay is not None:
            await context.route("**/whep", partial(_through, relay))
        page = await context.new_page()
        await page.goto(url)
        return page

    async def blank(self) -> Page:
        """An empty page in a fresh profile, of an origin that counts as secure, with no server behind it."""
        assert self._browser is not None
        context = await self._browser.new_context()
        url = "http://localhost/blank"
        await context.route(url, lambda route: route.fulfill(content_type="text/html", body="<body>"))
        page = await context.new_page()
        await page.goto(url)
        return page


def trust(home: Path, authorities: Sequence[Path]) -> None:
    """Import certificate authorities for programs of a user with this home, as the page ``/trust`` says.

    Chromium on Linux reads the user's own from NSS's shared database. Raises `RigError` if certutil fails.
    """
    certutil = program("certutil", "libnss3-tools")
    folder = home / ".pki" / "nssdb"
    folder.mkdir(parents=True)
    database = ["-d", f"sql:{folder}"]
    commands = [["-N", "--empty-password"]]
    commands += [["-A", "-n", f"rig {n}", "-t", "C,,", "-i", str(pem)] for n, pem in enumerate(authorities)]
    for words in commands:
        done = subprocess.run([certutil, *database, *words], capture_output=True, text=True)
        if done.returncode:
            raise RigError(f"certutil {' '.join(words)}: {done.stderr.strip()}")


async def _through(relay: UdpRelay, route: Route) -> None:
    offer = route.request.post_data
    if route.request.method != "POST" or offer is None:
        await route.continue_()
        return
    response = await route.fetch(post_data=relay.offer(offer))
    body = await response.text()
    await route.fulfill(response=response, body=relay.answer(body) if response.status == 201 else body)


async def hear(page: Page, seconds: float, selector: str = "#audio") -> Heard:
    """Record what the media element plays, at least `seconds` of it, from now on."""
    quanta = -(-round(seconds * RATE) // QUANTUM)
    arguments = {"selector": selector, "quanta": quanta, "worklet": _WORKLET, "rate": RATE}
    sound, wall = await page.evaluate(_RECORD, arguments)
    samples = np.frombuffer(base64.b64decode(sound), np.float32).reshape(-1, 2)
    return Heard(samples, np.frombuffer(base64.b64decode(wall), np.float64))
