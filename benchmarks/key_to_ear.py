"""From a key in the page to its sound in the page: a rig figure, without a real synth and sound card.

The way: a key of the page in a real Chromium → DataChannel → server → python-rtmidi on JACK → FluidSynth as a virtual
MONTAGE → PortAudio on JACK at 44.1 kHz → Opus (or Studio's PCM) → an AudioWorklet of the same page. Presses come
0.5 to 0.7 s apart after ``--settle`` seconds. A press is timed by the page's clock as it calls its keyboard; an onset
is the first sample beyond a tenth of the note's peak, timed by the wall clock in the worklet's ``process()`` call (see
`benchmarks.listen_latency` for what that leaves out: bursts of 10 ms, and the sound system).

Hops (medians, ms): ``up`` key → server, by the page's media clock; ``instrument`` server → the onset's captured
sample (rtmidi, JACK, FluidSynth, PortAudio), found in what a headless listener decodes; ``capture_encode`` that
sample → its packet at the headless listener's socket; ``jitter_buffer`` → the worklet. Studio's last two are one,
``to_worklet``; ``ring``, of that, is the mean level that the page reports. The rest is small here, and may be below
zero: a synthesizer on JACK makes a block as a whole, so its last samples are there before their time has come.
``light_skew``: when a key lit, less when its onset was heard by the worklet's steady clock and the page's output
latency; negative: too early. ``output_light_skew``: less when the true output (below) had it.

The true output is measured in a second page, with ``--output-presses``: it plays through PulseAudio into a null sink,
whose monitor is recorded (`benchmarks.rig.monitor`). That holds Chromium's output buffer and PulseAudio's, but no converter.

Studio light (``--mode studio --quality light``) is measured beside Listen: ``listen_p50_ms`` and ``listen_p95_ms`` are of
the same presses there. ``bits_ratio_exact``: its bits a second, as a share of those of exact samples of 16 bits, both of
the demo piece; ``cpu_ratio_listen``: the server's CPU for one more listener, against one in Listen at the same frame
length; ``visqol`` and ``visqol_listen``: of what the worklet plays of the demo piece (`benchmarks.sound`).
``--network``: the page's, by UDP; then without those costs.

JSON: ``mode``, ``quality``, ``network``, ``presses``, ``heard``, ``p50_ms``, ``p95_ms``, ``output_p50_ms``,
``output_p95_ms``,
``output_worklet_p50_ms`` (to the worklet in that second page), ``output_light_skew_p50_ms``,
``output_light_skew_p95_abs_ms``, ``listen_p50_ms`` (`listen_latency` in the same run, 10 ms
frames), ``hops``, ``ring`` (Studio: medians of what the page says), ``light_skew_p50_ms``, ``light_skew_p95_abs_ms``,
``rig``: true, ``machine_busy_pct``.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Page

from benchmarks import listen_latency
from benchmarks.rig.clicks import click_track
from benchmarks.rig.common import MachineCpu, emit, percentile, say
from benchmarks.rig.light import costs
from benchmarks.rig.lines import LINES, relay_of
from benchmarks.rig.midi_client import when_ns
from benchmarks.rig.monitor import RATE as OUTPUT_RATE
from benchmarks.rig.monitor import Monitor
from benchmarks.rig.music import write_wav
from benchmarks.rig.outcome import LONG_S, main_of
from benchmarks.rig.witness import Witness
from rtcserver.clock import MEDIA_RATE, monotonic_ns
from tests.rig.chromium import QUANTUM, RATE, Chromium, Heard, hear
from tests.rig.firefox import NullSink
from tests.rig.jack import FluidSynthOnJack, JackServer
from tests.rig.perform import performer_token
from tests.rig.server import RtcServer
from tests.studio import listening

BATCH = 20
BESIDE = ("listen_p95_ms", "bits_ratio_exact", "cpu_ratio_listen", "visqol", "visqol_listen")
"""What is said of light only."""
_RING = "({...window.rtcserver.studio.stats()?.ring, atMs: performance.now()})"
NOTES = (72, 76, 79, 74, 77, 81, 84, 71)
_PATIENCE_S = 60.0
QUERIES = {"listen": "listen", "studio": "studio=exact"}
"""What the page's address says in each mode."""
Monitored = tuple[npt.NDArray[np.float64], float]
"""What `Monitor.take` returns."""
LATEST_MS = 450.0
"""An onset after this belongs to no press."""

_PRESS = """async ({notes}) => {
  const midi = window.rtcserver.midi;
  // Where Date.now(), the worklet's clock, ticks on the page's finer one.
  let before = Date.now();
  while (Date.now() === before);
  const offset = before + 1 - performance.now();
  const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  const pressed = [];
  for (const note of notes) {
    const at = performance.now();
    midi.press(note, 110);
    pressed.push({note, wall: at + offset, media: midi.mediaAt(at)});
    await sleep(150);
    pressed.at(-1).ring = window.rtcserver.studio.stats()?.ring.levelMs ?? null;
    midi.release(note);
    await sleep(350 + 200 * Math.random());
  }
  return {pressed, offset, lit: midi.events};
}"""


@dataclass(frozen=True, slots=True)
class Press:
    """One key. Times in ms, None where a hop was not found."""

    total_ms: float
    output_ms: float | None
    up_ms: float | None
    instrument_ms: float | None
    encode_ms: float | None
    ring_ms: float | None
    skew_ms: float | None
    output_skew_ms: float | None


def onset(sound: npt.NDArray[np.float64], begin: int, end: int) -> int | None:
    """Index of the first sample from `begin` that is beyond a tenth of the peak until `end`."""
    begin = max(0, begin)
    window = np.abs(sound[begin:end])
    if len(window) < 64:
        return None
    residue = float(np.abs(sound[max(0, begin - 480) : begin]).max(initial=0.0))
    peak = float(window.max())
    if peak < 0.01 or peak < 4 * residue:
        return None
    return begin + int(np.flatnonzero(window > max(peak / 10, 2 * residue))[0])


@dataclass(frozen=True, slots=True)
class Played:
    """All presses of one page, and the figures of its ring before and after those of each batch (none in Listen)."""

    presses: list[Press]
    before: list[dict[str, float]]
    rings: list[dict[str, float]]


def output_ms(press: dict[str, Any], monitor: Monitored | None) -> float | None:
    """From a press to its onset in what the monitor recorded."""
    if monitor is None:
        return None
    sound, starts_ms = monitor
    begin = round((press["wall"] - starts_ms) * OUTPUT_RATE / 1000)
    at = onset(sound, begin, begin + round(LATEST_MS * OUTPUT_RATE / 1000))
    return None if at is None else starts_ms + at * 1000 / OUTPUT_RATE - press["wall"]


def judge(
    said: dict[str, Any], heard: Heard, rate: int, witness: Witness, monitor: Monitored | None
) -> list[Press]:
    """One batch. rate: of the samples heard."""
    sound = heard.samples.astype(np.float64).mean(axis=1)
    reference = witness.sound()
    called = heard.wall_ms + 0.5
    starts = np.arange(len(called)) * QUANTUM * 1000 / rate
    steady = float(np.percentile(called - starts, 99))
    clock = {"now_ns": (now := monotonic_ns()), "media_now": witness.midi.clock.media_at(now)}
    found = []
    for press in said["pressed"]:
        begin = int(np.searchsorted(heard.wall_ms, press["wall"])) * QUANTUM
        at = onset(sound, begin, begin + round(LATEST_MS * rate / 1000))
        if at is None:
            continue
        total = float(called[at // QUANTUM]) - press["wall"]
        up = instrument = encode = skew = output_skew = None
        output = output_ms(press, monitor)
        lit = [
            each
            for each in said["lit"]
            if each["note"] == press["note"]
            and -2400 <= each["media_time"] - press["media"] < MEDIA_RATE * 0.4
        ]
        if lit:
            media = lit[-1]["media_time"]
            up = (media - press["media"]) * 1000 / MEDIA_RATE
            captured = onset(reference, witness.index_of(media), witness.index_of(media) + MEDIA_RATE // 5)
            if captured is not None:
                instrument = (captured - witness.index_of(media)) * 1000 / MEDIA_RATE
                arrival = witness.arrival_ns(captured)
                onset_ns = when_ns(clock, round(media + instrument * MEDIA_RATE / 1000))
                encode = None if arrival is None else (arrival - onset_ns) / 1e6
            audible = steady + at * 1000 / rate + lit[-1]["latency_ms"]
            lit_at = lit[-1]["lit_at_ms"] + said["offset"]
            skew = lit_at - audible
            if output is not None:
                output_skew = lit_at - press["wall"] - output
        found.append(Press(total, output, up, instrument, encode, press["ring"], skew, output_skew))
    return found


async def record(page: Page, mode: str, seconds: float) -> tuple[Heard, int]:
    """What the page plays from now on, and its sample rate."""
    if mode == "listen":
        return await hear(page, seconds), RATE
    recording = await listening.record(page, seconds)
    return Heard(recording.samples, recording.wall_ms), listening.RATE


async def until(page: Page, expression: str, timeout_s: float = 20.0) -> None:
    """Poll until an expression is true in the page."""
    async with asyncio.timeout(timeout_s):
        while not await page.evaluate(expression):  # noqa: ASYNC110  # the page has no event for it
            await asyncio.sleep(0.1)


async def play(
    server: RtcServer,
    mode: str,
    presses: int,
    settle_s: float,
    sink: NullSink | None = None,
    *,
    query: str = "",
    batch: int = BATCH,
    network: str | None = None,
) -> Played:
    """All batches, in one page. sink: where it plays; by default Chromium's fake output, paced by a timer.

    query: of its address, by default the mode. batch: presses that are recorded at a time. network: a preset that
    its media goes through.
    """
    live = {
        "listen": "window.rtcserver?.state === 'live'",
        "studio": "window.rtcserver?.studio?.state === 'playing'",
    }[mode]
    played = Played([], [], [])
    witness = Witness(server.room_url)
    async with contextlib.AsyncExitStack() as stack:
        browser = await stack.enter_async_context(
            Chromium() if sink is None else Chromium(muted=False, env=sink.variables)
        )
        await stack.enter_async_context(witness.ear)
        await witness.midi.wait_welcome()
        relay = None
        if network is not None:
            relay = stack.enter_context(relay_of(network, ("127.0.0.1", server.port)))
        url = f"{server.room_url}?{query or QUERIES[mode]}#perform={performer_token(server)}"
        page = await browser.open(url, relay)
        await until(page, live)
        await until(page, "window.rtcserver.midi.role === 'performer' && window.rtcserver.midi.playable")
        await asyncio.sleep(settle_s)
        await until(page, "window.rtcserver.midi.mediaAt(performance.now()) !== null")
        monitor = None if sink is None else await stack.enter_async_context(Monitor(sink))
        for first in range(0, presses, batch):
            notes = [NOTES[number % len(NOTES)] for number in range(first, min(presses, first + batch))]
            recording = asyncio.ensure_future(record(page, mode, 1.6 + 0.72 * len(notes)))
            await asyncio.sleep(0.8)
            rings = [await page.evaluate(_RING)]
            said = await page.evaluate(_PRESS, {"notes": notes})
            # Before the recording is fetched, which keeps the page busy.
            rings.append(await page.evaluate(_RING))
            try:
                heard, rate = await asyncio.wait_for(recording, _PATIENCE_S)
            except (PlaywrightError, TimeoutError) as error:
                now = await page.evaluate("[window.rtcserver.state, window.rtcserver.studio.state]")
                raise RuntimeError(
                    f"the page did not play through the run, it says {now}: {error}"
                ) from error
            if mode == "studio":
                played.before.append(rings[0])
                played.rings.append(rings[1])
            found = judge(said, heard, rate, witness, None if monitor is None else monitor.take())
            played.presses.extend(found)
            if found:
                middle = percentile([press.total_ms for press in found], 50)
                say(f"  {len(found)} of {len(notes)} heard, p50 {middle:.1f} ms")
        await page.context.close()
    return played


def median(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(percentile(known, 50), 2) if known else None


def summary(mode: str, presses: int, played: Played) -> dict[str, Any]:
    found = played.presses
    totals = [press.total_ms for press in found]
    rest = [
        None
        if press.up_ms is None or press.instrument_ms is None
        else press.total_ms - press.up_ms - press.instrument_ms
        for press in found
    ]
    hops: dict[str, float | None] = {
        "up": median([press.up_ms for press in found]),
        "instrument": median([press.instrument_ms for press in found]),
    }
    if mode == "studio":
        hops["to_worklet"] = median(rest)
        hops["ring"] = median([press.ring_ms for press in found])
    else:
        hops["capture_encode"] = median([press.encode_ms for press in found])
        hops["jitter_buffer"] = median(
            [
                None if after is None or press.encode_ms is None else after - press.encode_ms
                for after, press in zip(rest, found, strict=True)
            ]
        )
    return {
        "mode": mode,
        "presses": presses,
        "heard": len(found),
        "p50_ms": round(percentile(totals, 50), 2) if totals else None,
        "p95_ms": round(percentile(totals, 95), 2) if totals else None,
        "hops": hops,
        "ring": {
            name: median([each[name] for each in played.rings])
            for name in ("levelMs", "targetMs", "burst", "jitterMs", "underruns", "ratio")
            if played.rings
        },
        **skew_summary("light_skew", [press.skew_ms for press in found]),
        "rig": True,
    }


def skew_summary(name: str, skews: list[float | None]) -> dict[str, float | None]:
    known = [abs(skew) for skew in skews if skew is not None]
    return {
        f"{name}_p50_ms": median(skews),
        f"{name}_p95_abs_ms": round(percentile(known, 95), 2) if known else None,
    }


def output_summary(played: Played) -> dict[str, float | None]:
    heard = [press.output_ms for press in played.presses if press.output_ms is not None]
    return {
        "output_p50_ms": round(percentile(heard, 50), 2) if heard else None,
        "output_p95_ms": round(percentile(heard, 95), 2) if heard else None,
        "output_worklet_p50_ms": median([press.total_ms for press in played.presses]),
        **skew_summary("output_light_skew", [press.output_skew_ms for press in played.presses]),
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mode", choices=("listen", "studio"), default="listen")
    parser.add_argument("--quality", choices=("exact", "light"), default="exact", help="of Studio")
    parser.add_argument("--network", choices=tuple(LINES), help="the page's, by UDP (docs/networks.md)")
    parser.add_argument("--presses", type=int, default=100)
    parser.add_argument("--output-presses", type=int, default=40, help="for the true output; 0: leave it out")
    parser.add_argument("--settle", type=float, default=15.0, help="seconds before the first (default 15)")
    parser.add_argument("--loads", type=int, default=2, help="page loads of listen_latency; 0: leave it out")
    args = parser.parse_args()
    if args.presses < 1 or args.output_presses < 0:
        parser.error("--presses is at least 1, --output-presses at least 0")
    light = args.quality == "light"
    if light and args.mode != "studio":
        parser.error("--quality is that of --mode studio")
    query = "studio=light" if light else ""
    machine = MachineCpu.now()
    listen_p50 = None
    beside: dict[str, float | None] = {}
    if args.loads and not light:
        say(f"key_to_ear: listen_latency of this machine now, {args.loads} loads …")
        with tempfile.TemporaryDirectory() as folder:
            wav = Path(folder) / "clicks.wav"
            write_wav(wav, click_track())
            same = asyncio.run(listen_latency.measure(10, "one-port", args.loads, args.settle, 8.0, wav))
        listen_p50 = same["p50_ms"]
    say(f"key_to_ear: {args.mode}, {args.presses} presses …")
    with (
        JackServer() as jack,
        FluidSynthOnJack(jack) as synth,
        RtcServer(
            env=jack.variables,
            instrument="portaudio",
            device=synth.name,
            midi_api="jack",
            midi_output=synth.midi_port,
            midi_profile="gm",
            frame_ms=10,
        ) as server,
    ):
        server.wait_healthy(lambda said: bool(said["rooms"]["main"]["state"] == "live"))
        if light:
            say("key_to_ear: the same presses in Listen …")
            alike = asyncio.run(play(server, "listen", args.presses, args.settle, network=args.network))
            said = summary("listen", args.presses, alike)
            listen_p50, beside["listen_p95_ms"] = said["p50_ms"], said["p95_ms"]
        found = asyncio.run(
            play(server, args.mode, args.presses, args.settle, query=query, network=args.network)
        )
        output: dict[str, float | None] = {}
        if args.output_presses:
            say(f"key_to_ear: the true output, {args.output_presses} presses …")
            with NullSink() as sink:
                output = output_summary(
                    asyncio.run(play(server, args.mode, args.output_presses, args.settle, sink, query=query))
                )
    if light and args.network is None:
        beside |= costs()
    emit(
        {
            "benchmark": "key_to_ear",
            **summary(args.mode, args.presses, found),
            "quality": args.quality if args.mode == "studio" else None,
            "network": args.network,
            **output,
            "listen_p50_ms": listen_p50,
            **{name: beside.get(name) for name in BESIDE},
            "machine_busy_pct": machine.busy_pct(MachineCpu.now()),
        }
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main_of(main, LONG_S))
