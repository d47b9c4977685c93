"""What Studio light costs and how it sounds, beside Listen and exact samples: for `benchmarks.key_to_ear`."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import fmean

import numpy as np
import numpy.typing as npt

from benchmarks.rig.common import say
from benchmarks.rig.music import demo_piece, write_wav
from benchmarks.sound import align, visqol
from rtcserver.clock import MEDIA_RATE
from rtcserver.load.fleet import Fleet
from rtcserver.load.signaling import LightSignaling, WhepSignaling
from rtcserver.load.worker import Options
from tests.rig.chromium import Chromium, hear
from tests.rig.process import REPOSITORY
from tests.rig.server import RtcServer
from tests.studio import listening as studio

FRAME_MS = 5.0
MANY = 151
"""Listeners, beside one, between which a further one's CPU is told: enough for the clock of processes, of 10 ms."""
REST_S = 3.0
"""What a join costs is over by then."""
WINDOW_S = 6.0
BITS_S = 30.0
"""So long that redundancy, which begins until it is known whether there are losses, is over for the most part."""
PIECE_S = 20
HEARD_S = 9.0
SETTLE_S = 15.0
"""In Listen the jitter buffer plays faster at first, which is heard as another sound."""


def kbps_of(url: str, quality: str) -> float:
    """What a headless listener receives, RTP and its payloads. Raises RuntimeError if it hears nothing."""
    command = [sys.executable, "-m", "rtcserver", "client", url, "--json", "--mode", "studio"]
    command += ["--quality", quality, "--seconds", str(BITS_S)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    if not done.stdout:
        raise RuntimeError(f"the client failed ({done.returncode}): {done.stderr}")
    return float(json.loads(done.stdout)["kbps"])


def bits_ratio() -> float:
    """Bits a second of light, as a share of those of exact samples, here of 16 bits, while the demo piece plays.

    In a silent room light is next to nothing, which says nothing about either.
    """
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "played.wav"
        write_wav(source, demo_piece(PIECE_S * studio.RATE), studio.RATE)
        with RtcServer(instrument="file", file=source, samplerate=studio.RATE) as server:
            server.wait_healthy(lambda said: bool(said["rooms"]["main"]["state"] == "live"))
            light, exact = kbps_of(server.room_url, "light"), kbps_of(server.room_url, "exact")
    say(f"  light {light:.0f} kb/s, exact samples {exact:.0f}")
    return round(light / exact, 3)


def cpu_ms_per_listener(signaling: type[WhepSignaling]) -> float:
    """CPU of all of the server's processes in a second for one more listener."""
    with RtcServer(
        instrument="tone", samplerate=44_100, frame_ms=FRAME_MS, studio_light_frame_ms=FRAME_MS
    ) as server:
        server.wait_healthy(lambda said: bool(said["rooms"]["main"]["state"] == "live"))
        options = Options(
            server.room_url, datachannel=True, signaling=f"{signaling.__module__}:{signaling.__name__}"
        )
        with Fleet(options, workers=1) as fleet:
            spent = []
            for listeners in (1, MANY - 1):
                fleet.join(listeners)
                fleet.sleep(REST_S)
                before = server.cpu_s()
                window = fleet.measure(WINDOW_S)
                spent.append(server.cpu_s() - before)
                if window.silent or window.least_share < 0.9:
                    raise RuntimeError(f"of {window.expected} packets {window.received} came, to some few")
    return 1000 * (spent[1] - spent[0]) / (MANY - 1) / WINDOW_S


def cpu_ratio() -> float:
    """CPU for one more listener of light against one more in Listen, at the same frame length."""
    light, listen = cpu_ms_per_listener(LightSignaling), cpu_ms_per_listener(WhepSignaling)
    say(f"  a listener a second: light {light:.2f} ms, Listen {listen:.2f} ms")
    return round(light / listen, 2)


async def _heard(server: RtcServer, mode: str) -> npt.NDArray[np.float32]:
    async with Chromium() as browser:
        page = await browser.open(f"{server.room_url}?{'listen' if mode == 'listen' else 'studio=light'}")
        playing = "state === 'live'" if mode == "listen" else "studio?.state === 'playing'"
        async with asyncio.timeout(20):
            while not await page.evaluate(f"window.rtcserver?.{playing}"):  # noqa: ASYNC110  # the page has no event for it
                await asyncio.sleep(0.1)
        await asyncio.sleep(SETTLE_S)
        if mode == "listen":
            return (await hear(page, HEARD_S)).samples
        # It counts frames at 44.1 kHz; the piece has 48.
        return (await studio.record(page, HEARD_S * MEDIA_RATE / studio.RATE)).samples


def sound_of(mode: str) -> float:
    """ViSQOL of what the worklet plays of the demo piece, the mean of both sides."""
    played = demo_piece(PIECE_S * MEDIA_RATE)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "played.wav"
        write_wav(source, played)
        with RtcServer(instrument="file", file=source) as server:
            server.wait_healthy(lambda said: bool(said["rooms"]["main"]["state"] == "live"))
            samples = asyncio.run(_heard(server, mode))
    heard = np.clip(np.rint(samples * 32_767), -32_768, 32_767).astype(np.int16)
    return round(fmean(visqol(heard, align(heard, played))), 3)


def costs() -> dict[str, float]:
    """All of it."""
    say("key_to_ear: what light costs …")
    found = {"bits_ratio_exact": bits_ratio(), "cpu_ratio_listen": cpu_ratio()}
    say("key_to_ear: how it sounds …")
    return found | {"visqol": sound_of("light"), "visqol_listen": sound_of("listen")}
