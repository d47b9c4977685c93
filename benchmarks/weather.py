"""Studio in a real Chromium while Wi-Fi weather comes and goes: what moves, and what is heard of it.

The page is in Studio behind the seeded relay of the rig. The network is a cable for ``--calm-s`` (the preset ``lan``),
then ``--preset`` for ``--weather-s``, and so on for ``--minutes`` (10 by default). The instrument is a looped file of
noise at 44.1 kHz: a hole in it is found, however it came about, and so is where each stretch of it belongs. The page
decides by itself which quality it plays.

JSON: ``moves``, each with ``at_s``, ``to`` and the page's sentence (``why``); ``exact_pct`` and ``light_pct`` of the
time; ``fell_back``: it left Studio, with the page's ``notice``; ``underruns`` and ``lost_ms`` as the page counts, from the
first second on; ``made_up_ms`` of sound that did not come in time, and ``made_up_at_once_ms``, the most of it within a
tenth of a second, whatever it was replaced with (`static/studio/engine/bridge.js`, `outage.js`, Opus);
``heard_gap_ms``, the longest gap found in what left the worklet (the longest stretch at less than half the noise's
level), ``gaps`` longer than 5 ms and ``turn_gap_ms``, the longest within 0.3 s of the moment at which the ring changed
from one quality to the other; ``covered_pct`` of the time that was recorded (recordings of ``--chunk-s`` follow one
another, and a few milliseconds between them are missed); ``alignment_ms``: how
far each quality's sound is from its place on the instrument's clock, at most; ``ok``: it moved both ways, stayed in
Studio, and no gap over 5 ms was heard.

With ``--hold light`` (or ``exact``) and ``--calm-s 0`` it says what a network does to one quality; ``ok`` is then that no
gap over 5 ms was heard, and not so much made up at once. ``--shots FOLDER`` keeps a picture of the page in each quality.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import itertools
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Page

from benchmarks.rig.common import MachineCpu, emit, say
from benchmarks.rig.lines import LINES
from benchmarks.rig.outcome import LONG_S, main_of
from benchmarks.studio_network import begin
from tests.rig.chromium import Chromium
from tests.rig.relay import UdpRelay
from tests.rig.server import RtcServer
from tests.studio.listening import QUANTUM, RATE, Recording, noise

SEED = 5
MOST_GAP_MS = 5.0
NEAR_S = 0.3
SHOWN_S = 8.0
"""A quality's picture is taken so long after it began."""
_WINDOW = 44
_REACH = 2 * _WINDOW
"""Frames on either side in which the sound's place is looked for: 2 ms."""
_STRETCH = 4_410

_RECORD = """async (frames) => {
  const { left, frames: places, wallMs } = await window.rtcserver.studio.record(frames);
  const text = (array) => new Promise((done) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.readAsDataURL(new Blob([array]));
  });
  const rounded = Int16Array.from(left, (value) => 32767 * value);
  return { left: await text(rounded), frames: await text(places), wallMs: await text(wallMs) };
}"""
"""One side in 16 bits, and not by the page's thread: what fetches a recording must not be what makes the ring run empty."""

_READ = """() => {
  const { studio } = window.rtcserver;
  const stats = studio.stats();
  return { state: studio.state, notice: studio.session.notice, choice: studio.choice,
    line: document.querySelector("#studio-line").textContent, ring: stats && stats.ring, wallMs: Date.now() };
}"""


@dataclass(frozen=True, slots=True)
class Gap:
    """A hole in the noise. wall_s: as `time.time`."""

    wall_s: float
    ms: float


@dataclass(frozen=True, slots=True)
class Move:
    """What is heard has changed. at_s: since the watch began. why: the page's sentence."""

    at_s: float
    wall_s: float
    to: str
    why: str


@dataclass(slots=True)
class Watched:
    """What the page said once a tenth of a second, and what was found in its recordings."""

    began_s: float = 0.0
    seconds: float = 0.0
    readings: list[dict[str, Any]] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)
    turns_s: list[float] = field(default_factory=list)
    """When the ring changed, as `time.time`."""
    gaps: list[Gap] = field(default_factory=list)
    recorded_s: float = 0.0
    alignments_ms: list[float] = field(default_factory=list)


async def record(page: Page, seconds: float) -> Recording:
    """What leaves the worklet from now on, its left side."""
    texts = await page.evaluate(_RECORD, round(seconds * RATE))
    left = np.frombuffer(base64.b64decode(texts["left"]), np.int16).astype(np.float32) / np.float32(32_767)
    places, wall_ms = (
        np.frombuffer(base64.b64decode(texts[name]), np.float64) for name in ("frames", "wallMs")
    )
    return Recording(left[:, None], places, np.zeros(len(places), np.uint8), wall_ms)


def gaps_of(recording: Recording) -> list[Gap]:
    """Stretches of steady noise with less than half of its level, by windows of 1 ms."""
    power = np.square(recording.samples.astype(np.float64)).mean(axis=1)
    sums = np.concatenate([[0.0], np.cumsum(power)])
    windows = (sums[_WINDOW:] - sums[:-_WINDOW]) / _WINDOW
    quiet = windows < np.median(windows) / 4
    edges = np.flatnonzero(np.diff(np.concatenate([[0], quiet.astype(np.int8), [0]])))
    found = []
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        wall_s = recording.wall_ms[min(start // QUANTUM, len(recording.wall_ms) - 1)] / 1000
        # A window counts from three quarters in the hole on: half a window is missing at the two ends together.
        found.append(Gap(float(wall_s), (int(end - start) + _WINDOW / 2) * 1000 / RATE))
    return found


def alignments_ms(recording: Recording, played: npt.NDArray[np.int32]) -> list[float]:
    """How far stretches of a tenth of a second are from their places on the instrument's clock, as the page names them.

    played: ``(frames, 2)``, looped from device frame 0. Stretches in which playing jumped or waited are left out.
    """
    found = []
    step = _STRETCH // QUANTUM
    for first in range(0, len(recording.frames) - step, step):
        frames = recording.frames[first : first + step]
        if np.abs(np.diff(frames) - QUANTUM).max() > 1:
            continue
        sound = recording.samples[first * QUANTUM : (first + step) * QUANTUM, 0].astype(np.float64)
        place = round(float(frames[0])) - _REACH + np.arange(len(sound) + 2 * _REACH)
        want = played[place % len(played), 0].astype(np.float64)
        likeness = np.correlate(want, sound, "valid")
        found.append(abs(int(np.argmax(likeness)) - _REACH) * 1000 / RATE)
    return found


async def _weather(relay: UdpRelay, preset: str, calm_s: float, weather_s: float) -> None:
    bad, calm = LINES[preset], LINES["lan"]
    while True:
        if calm_s > 0:
            relay.impair(up=calm.up, down=calm.down)
            await asyncio.sleep(calm_s)
        relay.impair(up=bad.up, down=bad.down)
        await asyncio.sleep(weather_s)


async def _record(
    page: Page, seconds: float, chunk_s: float, watched: Watched, played: npt.NDArray[np.int32]
) -> None:
    """One recording after the other, until the page stops playing or the time is over."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 1:
        with contextlib.suppress(PlaywrightError, TimeoutError):
            chunk = await asyncio.wait_for(record(page, min(chunk_s, left)), chunk_s + 20)
            watched.recorded_s += len(chunk.samples) / RATE
            watched.gaps += gaps_of(chunk)
            # Before the first exact sample nothing tells which of the device's frames these are.
            if any(said["choice"]["stage"] == "exact" for said in watched.readings if said["choice"]):
                watched.alignments_ms += alignments_ms(chunk, played)
            continue
        return


async def _watch(page: Page, seconds: float, watched: Watched, shots: Path | None) -> None:
    start = time.monotonic()
    heard = turn = ""
    since_s = 0.0
    shown: set[str] = set()
    while (at_s := time.monotonic() - start) < seconds:
        said = await page.evaluate(_READ)
        watched.readings.append(said | {"at_s": at_s})
        if said["state"] != "playing":
            return
        played = "light" if said["ring"]["turn"] in ("light", "trial") else "exact"
        if turn and played != turn:
            watched.turns_s.append(said["wallMs"] / 1000)
        turn = played
        now = "exact" if said["choice"]["stage"] == "exact" else "light"
        if heard and now != heard:
            watched.moves.append(Move(at_s, said["wallMs"] / 1000, now, said["line"]))
            since_s = at_s
            say(f"weather: {at_s:.0f} s: {said['line']}")
        heard = now
        if shots is not None and at_s - since_s >= SHOWN_S and now not in shown:
            shown.add(now)
            await page.screenshot(path=shots / f"{now}.png", full_page=True)
        await asyncio.sleep(0.1)


async def run(
    seconds: float,
    *,
    preset: str = "busy-wifi",
    calm_s: float = 60,
    weather_s: float = 30,
    chunk_s: float = 10,
    hold: str = "",
    shots: Path | None = None,
) -> Watched:
    """A page in Studio under this weather. hold: a quality that is pinned. shots: a folder for pictures of the page."""
    watched = Watched()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "noise.wav"
        played = noise(file)
        with (
            RtcServer(instrument="file", file=file, samplerate=RATE) as server,
            UdpRelay(("127.0.0.1", server.port), seed=SEED) as relay,
        ):
            server.wait_healthy(lambda said: bool(said["rooms"]["main"]["state"] == "live"))
            async with Chromium() as browser:
                if calm_s == 0:
                    relay.impair(up=LINES[preset].up, down=LINES[preset].down)
                page = await browser.open(server.room_url + "?studio" + (f"={hold}" if hold else ""), relay)
                if not await begin(page):
                    watched.readings.append(await page.evaluate(_READ))
                    return watched
                sky = asyncio.ensure_future(_weather(relay, preset, calm_s, weather_s))
                recording = asyncio.ensure_future(_record(page, seconds, chunk_s, watched, played))
                watched.began_s = time.time()
                await _watch(page, seconds, watched, shots)
                watched.seconds = time.time() - watched.began_s
                sky.cancel()
                await asyncio.wait([recording], timeout=chunk_s + 20)
                recording.cancel()
    return watched


def summary(watched: Watched, hold: str = "") -> dict[str, Any]:
    """The figures. hold: the quality that was pinned."""
    playing = [said for said in watched.readings if said["state"] == "playing"]
    last = watched.readings[-1]
    fell_back = last["state"] != "playing"
    if not playing:
        return {"fell_back": True, "notice": last["notice"], "ok": False}
    first = next((said for said in playing if said["at_s"] >= 1), playing[0])
    ring, end = first["ring"], playing[-1]["ring"]
    made_up = [
        said["ring"]["concealedMs"] + said["ring"]["madeUpMs"] for said in playing if said["at_s"] >= 1
    ]
    spent = {"exact": 0.0, "light": 0.0}
    for before, after in itertools.pairwise(playing):
        stage = "exact" if before["choice"]["stage"] == "exact" else "light"
        spent[stage] += after["at_s"] - before["at_s"]
    total = sum(spent.values()) or 1.0
    at_turns = [
        gap.ms for gap in watched.gaps if any(abs(gap.wall_s - at) < NEAR_S for at in watched.turns_s)
    ]
    turn_gap_ms = max(at_turns, default=0.0)
    ways = {move.to for move in watched.moves}
    heard_gap_ms = max((gap.ms for gap in watched.gaps), default=0.0)
    at_once_ms = max((after - before for before, after in itertools.pairwise(made_up)), default=0.0)
    stayed = at_once_ms <= MOST_GAP_MS if hold else ways == {"exact", "light"}
    return {
        "seconds": round(watched.seconds, 1),
        "moves": [{"at_s": round(move.at_s, 1), "to": move.to, "why": move.why} for move in watched.moves],
        **{f"{stage}_pct": round(100 * spent[stage] / total, 1) for stage in spent},
        "fell_back": fell_back,
        "notice": last["notice"],
        "underruns": int(end["underruns"] - ring["underruns"]),
        "lost_ms": round(end["lostMs"] + end["madeUpMs"] - ring["lostMs"] - ring["madeUpMs"], 1),
        "made_up_ms": round(made_up[-1] - made_up[0], 1) if made_up else None,
        "made_up_at_once_ms": round(at_once_ms, 2),
        "heard_gap_ms": round(heard_gap_ms, 2),
        "gaps": sum(gap.ms > MOST_GAP_MS for gap in watched.gaps),
        "turn_gap_ms": round(turn_gap_ms, 2),
        "covered_pct": round(100 * watched.recorded_s / max(watched.seconds, 1e-9), 1),
        "alignment_ms": round(max(watched.alignments_ms, default=float("nan")), 3),
        "ok": not fell_back and stayed and heard_gap_ms <= MOST_GAP_MS,
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="watched (default 10)")
    parser.add_argument(
        "--preset", default="busy-wifi", help="the weather, a network's name (default busy-wifi)"
    )
    parser.add_argument("--calm-s", type=float, default=60.0, help="between two spells of it (default 60)")
    parser.add_argument("--weather-s", type=float, default=30.0, help="a spell (default 30)")
    parser.add_argument("--chunk-s", type=float, default=10.0, help="a recording (default 10)")
    parser.add_argument("--hold", choices=("exact", "light"), default="", help="one quality, pinned")
    parser.add_argument("--shots", type=Path, help="a folder for pictures of the page in both qualities")
    args = parser.parse_args()
    if args.preset not in LINES or min(args.minutes, args.weather_s, args.chunk_s) <= 0 or args.calm_s < 0:
        parser.error(f"--preset is one of {', '.join(LINES)}, and times are above 0 (--calm-s may be 0)")
    machine = MachineCpu.now()
    watched = asyncio.run(
        run(
            60 * args.minutes,
            preset=args.preset,
            calm_s=args.calm_s,
            weather_s=args.weather_s,
            chunk_s=args.chunk_s,
            hold=args.hold,
            shots=args.shots,
        )
    )
    emit(
        {
            "benchmark": "weather",
            "preset": args.preset,
            "hold": args.hold or None,
            "result": summary(watched, args.hold),
            "machine_busy_pct": machine.busy_pct(MachineCpu.now()),
        }
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main_of(main, LONG_S))
