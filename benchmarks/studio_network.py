"""Studio in a real Chromium on a bad network, and with an instrument whose clock is off.

Without arguments two networks, each for ``--seconds`` of play (default 60), through the seeded relay of the rig
(`rtcserver.network.impair`); the instrument is a looped file of noise at 44.1 kHz, the hardest sound to conceal:

- ``loss``: jitter of 0 to 5 ms, 1 % of the datagrams lost. Counted from the moment at which the server, told of the
  first losses, sends each block twice. 24 bits, so the second one is a datagram of its own.
- ``loss_16``: the same with 16 bits, where each datagram carries the block before, too.
- ``jitter``: 0 to 30 ms from the first datagram on, counted from the first sound.

With ``--drift-ppm 200`` (or −200) the instrument's clock is that much fast (or slow) and the network clean: ``--seconds
600`` for the figure. There the page plays into PulseAudio's null sink, which keeps time: Chromium's own fake output
leaves out what it was late for, which looks like a slow clock.

JSON: for each case ``underruns`` and when they were (``underruns_at_s``), ``lost`` blocks, ``repaired`` ones,
``concealed_ms`` (as the page counts), ``longest_gap_ms`` (found in the noise that the worklet handed on: the longest
stretch at less than half its level; null where the instrument plays no noise), ``page_longest_gap_ms`` (what the page
says, since it began to play), ``level_p5_ms``/``p95`` and ``target_p5_ms``/``p95`` of readings ten a second,
``error_p5_ms``/``p95`` of level less target, ``correction_ppm_p5``/``p95``, ``drift_ppm`` as the page sees it at the end
(against its own output's clock), ``exact_pct`` of readings at which samples were copied as they came,
``redundancy`` at the end, ``source_lost_frames`` that the source itself lost, ``stalls`` in which the machine itself
stood still for 4 ms and more (`benchmarks.rig.stalls`; drift only), the ``worst_stall_ms`` and ``underruns_in_stalls``,
those within half a second of one (they count as underruns like the others), ``fell_back``: it gave up and went back
to Listen, with the page's ``notice``, and ``ok``: what is demanded of this case (see `VERDICTS`).
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import itertools
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Page

from benchmarks.rig.common import MachineCpu, emit, percentile, say
from benchmarks.rig.outcome import LONG_S, main_of
from benchmarks.rig.stalls import Stalls
from rtcserver.network.impair import Impairment
from tests.rig.chromium import Chromium
from tests.rig.drift import source_drift
from tests.rig.firefox import NullSink
from tests.rig.relay import UdpRelay
from tests.rig.server import RtcServer
from tests.studio.listening import RATE, noise

LOSS = Impairment(jitter_ms=5, loss=0.01)
JITTER = Impairment(jitter_ms=30)
SEED = 5
SETTLED_S = 10
"""Underruns after this are repeated ones."""
MOST_GAP_MS = 10
COMMOTION_S = 15
"""Of a page that loads; within 10 s PulseAudio once takes a buffer more, which has nothing to do with drift."""
STEADY_MS = 5
"""The level is steady within this of its target."""
_WINDOW = 44
_STEP_MS = 100
_PATIENCE_S = 15.0
_NEAR_S = 0.5

_WATCH = """async ({seconds, stepMs}) => {
  const { studio } = window.rtcserver;
  const readings = [];
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end && studio.state === "playing") {
    const { ring, format } = studio.stats();
    readings.push({ ...ring, atS: performance.now() / 1000, redundancy: format.redundancy });
    await new Promise((resolve) => setTimeout(resolve, stepMs));
  }
  return { readings, state: studio.state, notice: studio.session.notice };
}"""
_RECORD = """async (frames) => {
  const { left, right } = await window.rtcserver.studio.record(frames);
  const text = (array) => new Promise((resolve) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.readAsDataURL(new Blob([array]));
  });
  return [await text(left), await text(right)];
}"""


@dataclass(frozen=True, slots=True)
class Run:
    """What the page said (`RingStats` of the page, ``atS``, ``redundancy``), and what left its worklet.

    sound: ``(frames, 2)`` float32 at 44.1 kHz; None if it was not recorded, or Studio ended meanwhile. began: as
    `time.time`. stalls: of the machine, as `Stalls.seen`.
    """

    readings: list[dict[str, Any]]
    fell_back: bool
    notice: str
    sound: npt.NDArray[np.float32] | None
    source_lost_frames: int = 0
    began: float = 0.0
    stalls: list[tuple[float, float]] | None = None


def longest_gap_ms(sound: npt.NDArray[np.float32], rate: int) -> float:
    """The longest stretch of steady noise with less than half of its level, by windows of 1 ms.

    sound: ``(frames, channels)``. A hole shorter than about 0.5 ms is not found.
    """
    power = np.square(sound.astype(np.float64)).mean(axis=1)
    sums = np.concatenate([[0.0], np.cumsum(power)])
    windows = (sums[_WINDOW:] - sums[:-_WINDOW]) / _WINDOW
    quiet = windows < np.median(windows) / 4
    edges = np.flatnonzero(np.diff(np.concatenate([[0], quiet.astype(np.int8), [0]])))
    runs = edges[1::2] - edges[::2]
    if not len(runs):
        return 0.0
    # A window counts from three quarters in the hole on: half a window is missing at the two ends together.
    return float((int(runs.max()) + _WINDOW / 2) * 1000 / rate)


async def begin(page: Page, timeout_s: float = 30.0) -> bool:
    """Wait until Studio is what one hears; False if the page gives it up before."""
    await page.wait_for_function(
        "window.rtcserver?.studio.state === 'playing' || window.rtcserver?.studio.session.notice",
        timeout=timeout_s * 1000,
    )
    return bool(await page.evaluate("window.rtcserver.studio.state === 'playing'"))


async def watch(page: Page, seconds: float, *, recorded: bool) -> Run:
    """What happens from now on."""
    recording = None
    if recorded:
        recording = asyncio.ensure_future(page.evaluate(_RECORD, round(seconds * RATE)))
    said = await page.evaluate(_WATCH, {"seconds": seconds, "stepMs": _STEP_MS})
    fell_back = said["state"] != "playing"
    sound = None
    if recording is not None:
        # What ends with the session is not recorded to its end: the page says so.
        with contextlib.suppress(PlaywrightError, TimeoutError):
            texts = await asyncio.wait_for(recording, _PATIENCE_S)
            sides = [np.frombuffer(base64.b64decode(text), np.float32) for text in texts]
            sound = np.stack(sides, axis=1)
    return Run(said["readings"], fell_back, said["notice"], sound)


def summary(run: Run) -> dict[str, Any]:
    """The figures of one case. Counters are those of the time watched."""
    readings = run.readings
    if not readings:
        return {"fell_back": run.fell_back, "notice": run.notice}
    first, last = readings[0], readings[-1]

    def grown(name: str) -> float:
        return round(float(last[name] - first[name]), 2)

    def spread(values: list[float], unit: str, digits: int = 2) -> dict[str, float]:
        return {f"p{p}_{unit}": round(percentile(values, p), digits) for p in (5, 95)}

    at = [
        round(now["atS"] - first["atS"], 1)
        for before, now in itertools.pairwise(readings)
        if now["underruns"] > before["underruns"]
    ]
    levels = [reading["levelMs"] for reading in readings]
    targets = [reading["targetMs"] for reading in readings]
    errors = [level - target for level, target in zip(levels, targets, strict=True)]
    corrections = [(reading["ratio"] - 1) * 1e6 for reading in readings]
    result: dict[str, Any] = {
        "seconds": round(last["atS"] - first["atS"], 1),
        "underruns": int(grown("underruns")),
        "underruns_at_s": at,
        "lost": int(grown("lost")),
        "repaired": int(grown("repaired")),
        "concealed_ms": grown("concealedMs"),
        "longest_gap_ms": None if run.sound is None else round(longest_gap_ms(run.sound, RATE), 2),
        "page_longest_gap_ms": round(last["longestGapMs"], 2),
    }
    for name, values in (("level", levels), ("target", targets), ("error", errors)):
        result |= {f"{name}_{key}": value for key, value in spread(values, "ms").items()}
    result |= {f"correction_ppm_p{p}": round(percentile(corrections, p), 1) for p in (5, 95)}
    return (
        result
        | _stalls(run, at)
        | {
            "drift_ppm": round(last["driftPpm"], 1),
            "exact_pct": round(100 * sum(reading["exact"] for reading in readings) / len(readings), 1),
            "trims": int(grown("trims")),
            "redundancy": last["redundancy"],
            "source_lost_frames": run.source_lost_frames,
            "fell_back": run.fell_back,
            "notice": run.notice,
        }
    )


def _stalls(run: Run, underruns_at_s: list[float]) -> dict[str, Any]:
    if run.stalls is None:
        return {}
    at = [when - run.began for when, _ in run.stalls]
    in_stalls = sum(any(abs(under - stall) < _NEAR_S for stall in at) for under in underruns_at_s)
    return {
        "stalls": len(at),
        "worst_stall_ms": max((late for _, late in run.stalls), default=0.0),
        "underruns_in_stalls": in_stalls,
    }


def _carried(figures: Mapping[str, Any]) -> bool:
    gap = figures.get("longest_gap_ms")
    return not figures["fell_back"] and gap is not None and gap <= MOST_GAP_MS


def _settled(figures: Mapping[str, Any]) -> bool:
    late = [at for at in figures.get("underruns_at_s", ()) if at > SETTLED_S]
    return bool(figures["fell_back"]) or len(late) <= 1


def _steady(figures: Mapping[str, Any]) -> bool:
    return (
        not figures["fell_back"]
        and figures["underruns"] == 0
        and figures["error_p5_ms"] >= -STEADY_MS
        and figures["error_p95_ms"] <= STEADY_MS
    )


VERDICTS: Mapping[str, Callable[[Mapping[str, Any]], bool]] = {
    "loss": _carried,
    "loss_16": _carried,
    "jitter": _settled,
    "drift": _steady,
}
"""loss: no gap over 10 ms. jitter: it settles without repeated underruns, or falls back. drift: no underrun, and
nine tenths of the time within 5 ms of the target."""


async def impaired(down: Impairment, seconds: float, *, bits: int = 0, twice: bool = False) -> Run:
    """Studio through the relay. twice: watch only once each block is sent twice. bits: 0 for the file's own 24."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "noise.wav"
        noise(file)
        with (
            RtcServer(instrument="file", file=file, samplerate=RATE, studio_bits=bits) as server,
            UdpRelay(("127.0.0.1", server.port), down=down, seed=SEED) as relay,
        ):
            server.wait_healthy(lambda said: bool(said["rooms"]["main"]["state"] == "live"))
            async with Chromium() as browser:
                page = await browser.open(server.room_url + "?studio=exact", relay)
                if not await begin(page):
                    return Run(
                        [], True, str(await page.evaluate("window.rtcserver.studio.session.notice")), None
                    )
                if twice:
                    await page.wait_for_function(
                        "window.rtcserver.studio.stats()?.format.redundancy || window.rtcserver.studio.session.notice",
                        timeout=30_000,
                    )
                    # What was on its way without a second copy passes.
                    await asyncio.sleep(1)
                return await watch(page, seconds, recorded=True)


async def drifting(ppm: float, seconds: float) -> Run:
    """Studio from an instrument whose clock is off by `ppm`; the loudspeaker's is the machine's."""
    with tempfile.TemporaryDirectory() as folder:
        env = source_drift(Path(folder), ppm)
        with RtcServer(instrument="tone", samplerate=RATE, env=env) as server, NullSink() as sink:
            server.wait_healthy(lambda said: bool(said["rooms"]["main"]["state"] == "live"))
            async with Chromium(muted=False, env=sink.variables) as browser:
                page = await browser.open(server.room_url + "?studio=exact")
                if not await begin(page):
                    return Run(
                        [], True, str(await page.evaluate("window.rtcserver.studio.session.notice")), None
                    )
                await asyncio.sleep(COMMOTION_S)
                before = server.health()["rooms"]["main"]["lost_frames"]
                began = time.time()
                with Stalls() as stalls:
                    run = await watch(page, seconds, recorded=False)
                lost = server.health()["rooms"]["main"]["lost_frames"] - before
                return replace(run, source_lost_frames=lost, began=began, stalls=stalls.seen())


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="watched in each case (default 60)")
    parser.add_argument("--cases", default="loss,loss_16,jitter", help='default "loss,loss_16,jitter"')
    parser.add_argument(
        "--drift-ppm", type=float, help="this case only: the instrument's clock is so much fast"
    )
    args = parser.parse_args()
    cases = args.cases.split(",") if args.drift_ppm is None else ["drift"]
    if not set(cases) <= set(VERDICTS) or args.seconds < 1 or ("drift" in cases and args.drift_ppm is None):
        parser.error("allowed are --cases of loss, loss_16 and jitter, and --seconds from 1")
    machine = MachineCpu.now()
    results: dict[str, Any] = {}
    for case in cases:
        say(f"studio_network: {case}, {args.seconds:g} s …")
        before = MachineCpu.now()
        match case:
            case "drift":
                run = asyncio.run(drifting(args.drift_ppm, args.seconds))
            case "jitter":
                run = asyncio.run(impaired(JITTER, args.seconds))
            case _:
                bits = 16 if case == "loss_16" else 0
                run = asyncio.run(impaired(LOSS, args.seconds, bits=bits, twice=True))
        figures = summary(run)
        results[case] = figures | {
            "ok": VERDICTS[case](figures),
            "machine_busy_pct": before.busy_pct(MachineCpu.now()),
        }
        say(f"  {results[case]}")
    emit(
        {
            "benchmark": "studio_network",
            **({} if args.drift_ppm is None else {"drift_ppm": args.drift_ppm}),
            "cases": results,
            "machine_busy_pct": machine.busy_pct(MachineCpu.now()),
        }
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main_of(main, LONG_S))
