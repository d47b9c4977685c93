"""Listen mode: from a sample of the source to the AudioWorklet of a real Chromium.

The instrument is a looped file of clicks over the demo piece, each click at a known frame of the source's
clock; ``/healthz`` says at which monotonic time a media time was converted, so the moment of each click is
known (the source's clock is the monotonic clock, exactly; the block of 128 frames in which a click waits to
be captured counts). A page of the server listens, as a person would, and AudioWorklets on its ``<audio>``
element's stream record every sample, with the wall time of each call of ``process()``. A click's arrival is the
time of the call that brought its first sample, found to the sample by correlation. Wall and monotonic time are
compared in this process before and after each load, and the browser's own reading of wall time is bracketed by
ours. For each page load: a fresh profile, ``--settle`` seconds for the jitter buffer to come to rest, then
``--hear`` seconds of clicks (four a second, at all phases of frames, blocks and playout ticks).

Between WebRTC, which delivers 10 ms at a time, and an AudioContext lies a FIFO whose phase is left to chance when
the context begins. So three contexts record each load, begun at different phases. They ask for the least
latency (``latencyHint: 0``), and call ``process()`` every 2.7 ms. A fourth has Chromium's default, "interactive",
which calls ``process()`` in bursts of 10 ms of quanta.

JSON: ``frame_ms`` → for each Opus frame duration (keys "20", "10", "5") ``p50_ms`` and ``p95_ms`` over all clicks
of all loads and of the three contexts; ``interactive_p50_ms`` of the fourth; ``loads`` one by one (``p50_ms``,
``p95_ms``, ``clicks``, ``buffer_ms`` and ``target_ms`` of the jitter buffer as the page shows them, ``gap_ms``
concealed, ``machine_busy_pct``); ``paced_p50_ms``; ``missed`` clicks; ``clock_error_ms``, by how much at least the
browser's wall time is off from ours (0: it may be the same).

Caveats. Samples reach a worklet a quantum at a time, so before a steadily running output would want them:
``paced_p50_ms`` takes, for each sample, the time at which it would leave if they ran steadily and never late. The
sound system and the loudspeaker come on top (about 28 ms of Chromium and PulseAudio on the machine where that was
measured). Without a sound card the page's output is a fake device that is paced by a timer. Wall time in a worklet
comes in whole milliseconds: half of one is added, which leaves no bias and ±0.3 ms of spread. A machine that is
busy with other things makes the jitter buffer grow: look at ``target_ms``, which rests at 20 on a quiet one.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from playwright.async_api import Page

from benchmarks.rig.clicks import CLICKS, SPACING, Click, click_track, find
from benchmarks.rig.common import MachineCpu, emit, percentile, say
from benchmarks.rig.music import write_wav
from benchmarks.rig.outcome import LONG_S, main_of
from benchmarks.rig.worklet import record
from rtcserver.clock import MEDIA_RATE, NS, monotonic_ns, wall_ns
from tests.rig.chromium import QUANTUM, Chromium, Heard
from tests.rig.server import RtcServer

FRAMES_MS = (20, 10, 5)
LEAST_MS = 2.0
"""No click arrives sooner: where latency is counted from, modulo the clicks' distance."""
SPACING_MS = SPACING * 1000 / MEDIA_RATE
_BRACKETS = 30
_HINTS: list[float | str] = [0, 0, 0, "interactive"]
_LOWEST = 3
"""So many of them ask for the least latency."""
_PLAYED = "document.querySelector('#audio').currentTime * 48000"


@dataclass(frozen=True, slots=True)
class SourceClock:
    """The click before which no sample was: monotonic ns of click number 0 of the source."""

    first_click_ns: float

    @classmethod
    def of(cls, server: RtcServer) -> SourceClock:
        """From one report of the instrument process. The source runs at 48 kHz."""
        room = server.health()["rooms"]["main"]
        if room["rate"] != MEDIA_RATE or room["lost_frames"]:
            raise RuntimeError(f"the source's clock is not whole: {room}")
        # The first frame of the file is the first of the epoch.
        return cls(room["at_ns"] - (room["media_time"] - room["base"]) * NS / MEDIA_RATE)

    def latency_ms(self, arrived_ns: float) -> float:
        """Age of the newest click that can have arrived at this monotonic time."""
        age_ms = (arrived_ns - self.first_click_ns) / 1e6 - LEAST_MS
        return age_ms % SPACING_MS + LEAST_MS


@dataclass(slots=True)
class Load:
    """One page load. latencies_ms, paced_ms: of each click, by the two definitions.

    interactive_ms: latencies in the AudioContext with the default latency hint.
    """

    latencies_ms: list[float]
    paced_ms: list[float]
    interactive_ms: list[float]
    missed: int
    clock_error_ms: float
    busy_pct: float
    page: dict[str, Any]


def wall_minus_monotonic_ns() -> int:
    """The offset between both clocks, from the quickest of some readings."""
    best = (NS, 0)
    for _ in range(_BRACKETS):
        before = monotonic_ns()
        wall = wall_ns()
        after = monotonic_ns()
        best = min(best, (after - before, wall - (before + after) // 2))
    return best[1]


async def browser_clock_error_ms(page: Page) -> float:
    """Least amount by which the browser's wall time must be off from ours; 0 if it may be the same."""
    late = early = 0.0
    for _ in range(_BRACKETS):
        before = time.time() * 1000
        said = float(await page.evaluate("Date.now()"))
        after = time.time() * 1000
        # It says whole milliseconds, rounded down.
        early = max(early, before - 1 - said)
        late = max(late, said - after)
    return round(max(early, late), 3)


def arrivals(heard: Heard, clicks: list[Click], offset_ns: float) -> tuple[list[float], list[float]]:
    """Monotonic ns at which each click's first sample came, and at which it would leave if paced steadily."""
    indices = np.arange(len(heard.wall_ms)) * QUANTUM
    called_ms = heard.wall_ms + 0.5
    # The worklet's sample clock on the wall clock, drawn so that few quanta came later than they left.
    lag_ms = called_ms - indices * 1000 / MEDIA_RATE
    steady_ms = float(np.percentile(lag_ms, 95))
    came = [float(called_ms[int(click.at) // QUANTUM]) * 1e6 - offset_ns for click in clicks]
    left = [(steady_ms + click.at * 1000 / MEDIA_RATE) * 1e6 - offset_ns for click in clicks]
    return came, left


async def load(browser: Chromium, server: RtcServer, settle_s: float, hear_s: float) -> Load:
    """One page load, from opening to closing."""
    page = await browser.open(server.room_url + "?listen")
    try:
        await page.wait_for_function("window.rtcserver?.state === 'live'", timeout=20_000)
        await asyncio.sleep(settle_s)
        before = wall_minus_monotonic_ns()
        error = await browser_clock_error_ms(page)
        played = float(await page.evaluate(_PLAYED))
        began = monotonic_ns()
        machine = MachineCpu.now()
        heard = await record(page, hear_s, _HINTS)
        busy = machine.busy_pct(MachineCpu.now())
        rate = (float(await page.evaluate(_PLAYED)) - played) * NS / (monotonic_ns() - began)
        said = await page.evaluate("window.rtcserver.stats()")
        offset = (before + wall_minus_monotonic_ns()) / 2
        source = SourceClock.of(server)
    finally:
        await page.context.close()
    if abs(rate / MEDIA_RATE - 1) > 0.05:
        raise RuntimeError(f"Chromium played {rate:.0f} samples a second: this run says nothing")
    result = Load([], [], [], 0, error, busy, said)
    for number, each in enumerate(heard):
        sound: npt.NDArray[np.float64] = each.samples[:, 0].astype(np.float64)
        clicks = find(sound)
        came, left = arrivals(each, clicks, offset)
        if number < _LOWEST:
            result.latencies_ms.extend(source.latency_ms(at) for at in came)
            result.paced_ms.extend(source.latency_ms(at) for at in left)
            result.missed += max(0, len(sound) // SPACING - len(clicks))
        else:
            result.interactive_ms.extend(source.latency_ms(at) for at in came)
    return result


async def measure(
    frame_ms: int, transport: str, loads: int, settle_s: float, hear_s: float, wav: Path
) -> Any:
    """All loads with one frame duration, on a fresh server."""
    results: list[Load] = []
    with RtcServer(instrument="file", file=wav, frame_ms=frame_ms, transport=transport) as server:
        server.wait_healthy(lambda said: bool(said["rooms"]["main"]["state"] == "live"))
        async with Chromium() as browser:
            for number in range(loads):
                results.append(await load(browser, server, settle_s, hear_s))
                last = results[-1]
                if not last.latencies_ms:
                    raise RuntimeError("not one click was recognised")
                say(
                    f"  load {number + 1}: p50 {percentile(last.latencies_ms, 50):.1f} ms, "
                    f"buffer {rounded(last.page['bufferMs'])} ms (target {rounded(last.page['targetMs'])}), "
                    f"machine {last.busy_pct} % busy"
                )
    together = [each for result in results for each in result.latencies_ms]
    return {
        "p50_ms": round(percentile(together, 50), 2),
        "p95_ms": round(percentile(together, 95), 2),
        "min_ms": round(min(together), 2),
        "max_ms": round(max(together), 2),
        "paced_p50_ms": round(percentile([each for result in results for each in result.paced_ms], 50), 2),
        "interactive_p50_ms": round(
            percentile([each for result in results for each in result.interactive_ms], 50), 2
        ),
        "clicks": len(together),
        "missed": sum(result.missed for result in results),
        "clock_error_ms": max(result.clock_error_ms for result in results),
        "loads": [
            {
                "p50_ms": round(percentile(result.latencies_ms, 50), 2),
                "p95_ms": round(percentile(result.latencies_ms, 95), 2),
                "clicks": len(result.latencies_ms),
                "buffer_ms": rounded(result.page["bufferMs"]),
                "target_ms": rounded(result.page["targetMs"]),
                "gap_ms": rounded(result.page["gapTotalMs"]),
                "machine_busy_pct": result.busy_pct,
            }
            for result in results
        ],
    }


def rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--transport", choices=("one-port", "aiortc"), default="one-port")
    parser.add_argument("--loads", type=int, default=5, help="page loads for each frame duration (default 5)")
    parser.add_argument("--frames", default="20,10,5", help='frame durations in ms (default "20,10,5")')
    parser.add_argument("--settle", type=float, default=11.0, help="seconds before listening (default 11)")
    parser.add_argument("--hear", type=float, default=8.0, help="seconds of clicks for each load (default 8)")
    args = parser.parse_args()
    frames = [int(word) for word in args.frames.split(",")]
    if (
        not set(frames) <= set(FRAMES_MS)
        or args.loads < 1
        or not 1 <= args.hear <= CLICKS * SPACING_MS / 1000
    ):
        parser.error("allowed are --frames of 20, 10 and 5, --loads from 1, --hear from 1 to 25")
    machine = MachineCpu.now()
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "clicks.wav"
        write_wav(wav, click_track())
        result = {}
        for frame_ms in frames:
            say(f"listen_latency: {args.transport}, {frame_ms} ms frames, {args.loads} loads …")
            result[str(frame_ms)] = asyncio.run(
                measure(frame_ms, args.transport, args.loads, args.settle, args.hear, wav)
            )
    emit(
        {
            "benchmark": "listen_latency",
            "transport": args.transport,
            "frame_ms": result,
            "machine_busy_pct": machine.busy_pct(MachineCpu.now()),
        }
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main_of(main, LONG_S))
