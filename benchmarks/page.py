"""What a room's page costs until it plays, and while it does, on a slow phone and line; beside an earlier build's.

The line is Chromium's own emulation (CDP) of 1.6 Mb/s down, 0.75 up and 150 ms; the phone is its processor slowed down
four times. Each round opens every page in a fresh profile, in turns, MediaMTX's reader page too. What the emulation does
to media: each datagram waits 150 ms, so a round trip takes 300, and a TCP connection for media (ICE-TCP) is not slowed
down at all. Chromium takes that one here where a server offers it, as ours does by itself. So there is the press by UDP
alone as well, and that is compared with MediaMTX, which offers no TCP for media by itself.

bytes, requests: of HTTP from the navigation to the first audible sample. button_ms: from the navigation to the page's
script having taken the button; a press before that is lost in a build that keeps none. press_to_sound_ms: from the click
to the first sample above -40 dBFS in an AudioWorklet on the stream that the page plays; udp_press_to_sound_ms: the same
with ``media_tcp = false``. MediaMTX's page has no button: it counts from its first request for the stream. All are medians.

main_thread_pct: of a core, the time that tasks of the page's main thread run while it plays and somebody plays eight notes
a second; hidden_pct: the same while another tab is in front of it. ratio_hidden is hidden_pct over the earlier build's
main_thread_pct. heap_growth_mb: of the JavaScript heap after garbage collection over thirty minutes of that; of a shorter
run (--minutes) the rest is projected (`benchmarks.rig.playing.growth_mb`). MediaMTX is built by script/players mediamtx;
without it its figure is null.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from playwright.async_api import CDPSession, Page

from benchmarks.rig.common import MachineCpu, say
from benchmarks.rig.compare import ROOT, earlier
from benchmarks.rig.outcome import LONG_S, Result, main_of
from benchmarks.rig.playing import play
from tests.rig.chromium import Chromium

BEFORE = "fd68b8f"
"""The last build that delivered the page file by file."""
PAGE = (
    "bytes",
    "requests",
    "button_ms",
    "press_to_sound_ms",
    "udp_press_to_sound_ms",
    "main_thread_pct",
    "hidden_pct",
    "heap_growth_mb",
)
THEIRS = "mediamtx_press_to_sound_ms"
LINE = {"offline": False, "latency": 150, "downloadThroughput": 200_000, "uploadThroughput": 93_750}
"""Bytes a second, and ms from a request to the first byte of its answer."""
SLOWER = 4
LIMIT_S = 40.0
SLOW_ROUNDS = 3
"""In so many rounds the earlier build is opened by UDP alone: there it waits seconds for a nomination."""
ADDRESS = "127.0.0.1"
MEDIAMTX = """
logLevel: error
rtsp: no
rtmp: no
hls: no
srt: no
moq: no
webrtcAddress: {address}:{port}
webrtcLocalUDPAddress: {address}:{media}
webrtcAdditionalHosts: [{address}]
paths:
  main:
    source: whep://{address}:{ours}/r/main/whep
"""
WATCH = r"""(() => {
  const watch = window.watch = {};
  const now = () => performance.timeOrigin + performance.now();
  const worklet = `registerProcessor("bench-ear", class extends AudioWorkletProcessor {
    process([[left]]) {
      if (!left?.some((x) => Math.abs(x) > 0.01)) return true;
      this.port.postMessage(Date.now());
      return false;
    }
  });`;
  const context = new AudioContext();
  const ready = context.audioWorklet.addModule(URL.createObjectURL(new Blob([worklet], {type: "text/javascript"})));
  const listen = async (stream) => {
    await Promise.all([ready, context.resume()]);
    const ear = new AudioWorkletNode(context, "bench-ear", {numberOfOutputs: 1});
    ear.port.onmessage = ({data}) => watch.heard ??= data;
    context.createMediaStreamSource(stream).connect(ear).connect(context.destination);
  };
  const {set, get} = Object.getOwnPropertyDescriptor(HTMLMediaElement.prototype, "srcObject");
  Object.defineProperty(HTMLMediaElement.prototype, "srcObject", {
    get,
    set(stream) {
      set.call(this, stream);
      if (stream) listen(stream);
    },
    configurable: true,
  });
  addEventListener("click", () => watch.pressed ??= now(), true);
  const {fetch} = window;
  window.fetch = (address, options) => {
    if (/\/whep(\?|$)/.test(String(address?.url ?? address))) watch.asked ??= now();
    return fetch.call(window, address, options);
  };
  const look = setInterval(() => {
    if (!window.rtcserver) return;
    watch.button = performance.now();
    clearInterval(look);
  }, 4);
})();"""


@dataclass
class Opened:
    """The figures of each opening of one page."""

    bytes: list[int] = field(default_factory=list)
    requests: list[int] = field(default_factory=list)
    button_ms: list[float] = field(default_factory=list)
    press_to_sound_ms: list[float] = field(default_factory=list)
    udp_press_to_sound_ms: list[float] = field(default_factory=list)

    def medians(self) -> dict[str, float]:
        return {name: round(median(values), 1) for name, values in vars(self).items() if values}


@dataclass
class Traffic:
    """What a page has fetched so far."""

    bytes: int = 0
    requests: int = 0

    def watch(self, cdp: CDPSession) -> None:
        cdp.on("Network.requestWillBeSent", self._asked)
        cdp.on("Network.loadingFinished", self._came)

    def _asked(self, event: dict[str, Any]) -> None:
        self.requests += event["request"]["url"].startswith("http")

    def _came(self, event: dict[str, Any]) -> None:
        self.bytes += round(event["encodedDataLength"])


async def until(page: Page, expression: str) -> Any:
    """A JavaScript expression's value, as soon as it is true. Raises RuntimeError after a while."""
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        if value := await page.evaluate(expression):
            return value
        await asyncio.sleep(0.05)
    raise RuntimeError(f"not in {LIMIT_S:g} s: {expression}")


@contextlib.asynccontextmanager
async def fresh(browser: Chromium, *scripts: str) -> AsyncIterator[tuple[Page, CDPSession]]:
    """An empty page in a profile of its own, with scripts that run before any page's."""
    page = await browser.open("about:blank")
    try:
        for script in scripts:
            await page.add_init_script(script)
        cdp = await page.context.new_cdp_session(page)
        await cdp.send("Network.enable")
        yield page, cdp
    finally:
        await page.context.close()


async def open_room(browser: Chromium, url: str, opened: Opened, *, udp: bool) -> None:
    """Opens a room's page on the slow line and phone, presses Listen as soon as that works, and waits for the sound.

    udp: whether the server has UDP only: then nothing but the time to the sound is noted.
    """
    async with fresh(browser, WATCH) as (page, cdp):
        traffic = Traffic()
        traffic.watch(cdp)
        await slowed(cdp)
        await page.goto(url, wait_until="commit")
        button_ms = await until(page, "window.watch?.button")
        await page.click("#listen", no_wait_after=True)
        heard = await until(page, "watch.heard && watch.heard - watch.pressed")
        if udp:
            opened.udp_press_to_sound_ms.append(heard)
            return
        opened.bytes.append(traffic.bytes)
        opened.requests.append(traffic.requests)
        opened.button_ms.append(button_ms)
        opened.press_to_sound_ms.append(heard)


async def open_theirs(browser: Chromium, url: str) -> float:
    """MediaMTX's reader page: ms from its first request for the stream to the sound."""
    async with fresh(browser, WATCH) as (page, cdp):
        await slowed(cdp)
        await page.goto(url, wait_until="commit")
        return float(await until(page, "window.watch?.heard && watch.heard - watch.asked"))


async def slowed(cdp: CDPSession) -> None:
    await cdp.send("Network.emulateNetworkConditions", LINE)
    await cdp.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})


@contextlib.contextmanager
def serving(folder: Path, instrument: str, log: Path | None = None, **settings: str) -> Iterator[int]:
    """A server of one of the two trees, ready; its port. log: where it writes."""
    port = free_port()
    words = ["--instrument", instrument, "--host", ADDRESS, "--port", str(port), "--log-level", "error"]
    with (log or Path(os.devnull)).open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "rtcserver", "serve", *words],
            cwd=folder,
            env={**os.environ, **{f"RTCSERVER_{name.upper()}": value for name, value in settings.items()}},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        try:
            wait_for(f"http://{ADDRESS}:{port}/healthz")
            yield port
        finally:
            end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port() -> int:
    """A port of this machine that is free for TCP and UDP at this moment."""
    while True:
        with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            tcp.bind((ADDRESS, 0))
            with contextlib.suppress(OSError):
                udp.bind(tcp.getsockname())
                return int(tcp.getsockname()[1])


def wait_for(url: str) -> None:
    """Until something answers there. Raises RuntimeError after a while."""
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5):
            return
        time.sleep(0.05)
    raise RuntimeError(f"nothing answers at {url}")


@contextlib.contextmanager
def mediamtx(ours: int) -> Iterator[str]:
    """MediaMTX, which pulls our room; the address of its reader page. Raises RuntimeError if it is not built."""
    binary = ROOT / ".cache" / "players" / "mediamtx"
    if not binary.exists():
        raise RuntimeError("it is not built: script/players mediamtx does that.")
    port, media = free_port(), free_port()
    with tempfile.TemporaryDirectory() as temporary:
        config = Path(temporary) / "mediamtx.yml"
        config.write_text(MEDIAMTX.format(address=ADDRESS, port=port, media=media, ours=ours))
        process = subprocess.Popen([binary, config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_for(f"http://{ADDRESS}:{port}/main/")
            time.sleep(4)  # it shows a stream two seconds after it has connected
            yield f"http://{ADDRESS}:{port}/main/?muted=false"
        finally:
            end(process)


async def opening(folders: dict[str, Path], rounds: int, result: Result) -> dict[str, dict[str, float]]:
    """The first figures of each build, by name, and MediaMTX's in `result`."""
    opened = {name: Opened() for name in folders}
    theirs: list[float] = []
    with contextlib.ExitStack() as stack:
        ports = {
            (name, udp): stack.enter_context(serving(folder, "tone", media_tcp=str(not udp).lower()))
            for name, folder in folders.items()
            for udp in (False, True)
        }
        with result.peer("mediamtx", (THEIRS,)) as found:
            reader = stack.enter_context(mediamtx(ports["now", False]))
            async with Chromium() as browser:
                theirs.append(await open_theirs(browser, reader))
        async with Chromium() as browser:
            for number in range(rounds):
                for name, udp in list(ports)[:: 1 if number % 2 else -1]:
                    if udp and name != "now" and number >= SLOW_ROUNDS:
                        continue
                    await open_room(
                        browser, f"http://{ADDRESS}:{ports[name, udp]}/r/main", opened[name], udp=udp
                    )
                    last = {key: values[-1] for key, values in vars(opened[name]).items() if values}
                    say(f"  {name}{' by UDP' if udp else ''}: {last}")
                if theirs:
                    theirs.append(await open_theirs(browser, reader))
                    say(f"  mediamtx: {theirs[-1]:.0f} ms")
    if theirs:
        found[THEIRS] = result.figures[THEIRS] = round(median(theirs), 1)
    return {name: one.medians() for name, one in opened.items()}


def playing(folders: dict[str, Path], seconds: float, minutes: float) -> dict[str, dict[str, float]]:
    """The figures of playing of each build."""
    with contextlib.ExitStack() as stack:
        rooms = {}
        for name, folder in folders.items():
            log = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "log"
            settings = {"print_links": "always", "demo": "false"}
            port = stack.enter_context(serving(folder, "fluidsynth", log, **settings))
            found = re.search(r"#perform=(\S+)", log.read_text())
            if found is None:
                raise RuntimeError(f"the server of {name} printed no performer's link")
            rooms[name] = (f"http://{ADDRESS}:{port}/r/main", found[1])
        return asyncio.run(play(rooms, seconds, minutes))


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="script/bench page", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--before", default=BEFORE, help=f"the earlier build (default {BEFORE})")
    parser.add_argument("--rounds", type=int, default=8, help="openings of each page (default 8)")
    parser.add_argument(
        "--seconds", type=float, default=10, help="of each look at the main thread (default 10)"
    )
    parser.add_argument(
        "--minutes", type=float, default=3.5, help="of playing, for the heap (default 3.5); 0: no playing"
    )
    args = parser.parse_args()
    if args.rounds < 1 or args.seconds <= 0 or args.minutes < 0:
        parser.error("--rounds and --seconds are 1 or more, --minutes is not below 0")
    result, cpu = Result(peers=1), MachineCpu.now()
    figures: dict[str, dict[str, float]] = {}
    with earlier(args.before) as folder:
        folders = {"before": folder, "now": ROOT}
        found = asyncio.run(opening(folders, args.rounds, result))
        for part in (found, playing(folders, args.seconds, args.minutes) if args.minutes else {}):
            for name, values in part.items():
                figures.setdefault(name, {}).update(values)
    now, before = ({key: figures[name].get(key) for key in PAGE} for name in ("now", "before"))
    result.figures |= now
    ratios = {key: round(a / b, 3) for key in PAGE if (a := now[key]) is not None and (b := before[key])}
    return result.emit(
        before=before,
        ratios=ratios,
        ratio_hidden=over(now["hidden_pct"], before["main_thread_pct"]),
        ratio_mediamtx=over(now["udp_press_to_sound_ms"], result.figures.get(THEIRS)),
        heap_minutes=args.minutes,
        machine_busy_pct=cpu.busy_pct(MachineCpu.now()),
    )


def over(value: float | None, other: float | None) -> float | None:
    """Their ratio, if both are there."""
    return round(value / other, 3) if value and other else None


if __name__ == "__main__":
    raise SystemExit(main_of(main, LONG_S))
