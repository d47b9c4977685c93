"""Studio on a machine of which one core is busy with something else, beside Listen and beside an earlier build.

In each round a page of each build plays Studio's exact samples, and one of this build plays Listen, while
``stress-ng --cpu 1`` runs beside everything: server, synthesizer, JACK and browser. Keys are pressed and their onsets
found as in `benchmarks.key_to_ear`, which says what that is; presses begin ``--settle`` seconds after the page plays.
The builds take turns, and who begins alternates. The earlier build is made from git in a temporary folder: its server and
its page, with this .venv.

JSON: ``p50_ms`` and ``p95_ms`` of this build's presses, ``listen_p50_ms`` and ``before_p50_ms`` of the others,
``ratio_listen`` and ``ratio_before`` (this build's median over theirs), ``underruns_per_minute`` (while keys were
pressed), ``ring_ms`` and ``target_ms`` (when the last key has been pressed, medians over the rounds), these five
with ``before_`` of the earlier build,
``hops`` (as in `key_to_ear`), ``heard`` of ``presses`` of this build, ``rounds``, ``calm`` (true with ``--calm``: no
stress-ng), ``machine_busy_pct``.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.key_to_ear import Played, median, play, summary
from benchmarks.rig.busy import busy
from benchmarks.rig.common import MachineCpu, percentile, say
from benchmarks.rig.compare import ROOT, earlier
from benchmarks.rig.outcome import LONG_S, Result, main_of
from tests.rig.jack import FluidSynthOnJack, JackServer
from tests.rig.server import RtcServer

KEYS = ("p50_ms", "p95_ms", "underruns_per_minute", "ring_ms", "target_ms")
_QUERIES = {"studio": "studio=exact", "listen": "listen"}


def once(folder: Path, mode: str, presses: int, settle_s: float, *, calm: bool) -> Played:
    """One page of one build."""
    with JackServer() as jack, FluidSynthOnJack(jack) as synth:
        server = RtcServer(
            env={**jack.variables, "PYTHONPATH": str(folder)},
            instrument="portaudio",
            device=synth.name,
            midi_api="jack",
            midi_output=synth.midi_port,
            midi_profile="gm",
            frame_ms=10,
        )
        with server, contextlib.nullcontext() if calm else busy(1):
            server.wait_healthy(lambda said: bool(said["rooms"]["main"]["state"] == "live"))
            return asyncio.run(play(server, mode, presses, settle_s, query=_QUERIES[mode], batch=presses))


def figures(pages: Sequence[Played]) -> dict[str, Any]:
    """Of all presses of one build's pages."""
    totals = [press.total_ms for page in pages for press in page.presses]
    rings = [ring for page in pages for ring in page.rings]
    spans = [span for page in pages for span in zip(page.before, page.rings, strict=True)]
    underruns = sum(last["underruns"] - first["underruns"] for first, last in spans)
    minutes = sum(last["atMs"] - first["atMs"] for first, last in spans) / 60_000
    return {
        "p50_ms": round(percentile(totals, 50), 2) if totals else None,
        "p95_ms": round(percentile(totals, 95), 2) if totals else None,
        "underruns_per_minute": round(underruns / minutes, 2) if minutes else None,
        "ring_ms": median([ring["levelMs"] for ring in rings]),
        "target_ms": median([ring["targetMs"] for ring in rings]),
    }


def rounds(result: Result, before: Path | None, args: argparse.Namespace) -> None:
    """All pages; what is known when the time is up or a page fails counts."""
    builds = [ROOT] if before is None else [ROOT, before]
    found: dict[Path, list[Played]] = {folder: [] for folder in builds}
    listened: list[Played] = []

    def add(folder: Path, mode: str, pages: list[Played]) -> None:
        pages.append(once(folder, mode, args.presses, args.settle, calm=args.calm))
        name = f"{'this build' if folder == ROOT else 'before'}, {mode}"
        say(f"  {name}: {figures(pages[-1:])}")

    for number in range(args.rounds):
        for folder in builds if number % 2 == 0 else builds[::-1]:
            add(folder, "studio", found[folder])
        if not args.no_listen:
            add(ROOT, "listen", listened)
    with result.peer("studio", (*KEYS, "heard", "presses", "hops")) as one:
        one |= figures(found[ROOT])
        together = Played(
            [press for page in found[ROOT] for press in page.presses],
            [],
            [ring for page in found[ROOT] for ring in page.rings],
        )
        whole = summary("studio", args.presses * len(found[ROOT]), together)
        one |= {key: whole[key] for key in ("heard", "presses", "hops")}
    if listened:
        result.figures["listen_p50_ms"] = figures(listened)["p50_ms"]
        result.ratio("ratio_listen", "p50_ms", "listen_p50_ms")
    if before is not None:
        result.figures |= {f"before_{key}": value for key, value in figures(found[before]).items()}
        result.ratio("ratio_before", "p50_ms", "before_p50_ms")


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--before", metavar="REVISION", help="an earlier build, to be measured in turns")
    parser.add_argument("--rounds", type=int, default=2, help="how often each is measured (default 2)")
    parser.add_argument("--presses", type=int, default=60, help="of each page (default 60)")
    parser.add_argument("--settle", type=float, default=20.0, help="seconds before the first (default 20)")
    parser.add_argument("--no-listen", action="store_true", help="leave Listen out")
    parser.add_argument("--calm", action="store_true", help="without stress-ng")
    args = parser.parse_args()
    if args.rounds < 1 or args.presses < 1:
        parser.error("--rounds and --presses are at least 1")
    machine, result = MachineCpu.now(), Result(peers=1)
    with earlier(args.before) if args.before else contextlib.nullcontext() as before:
        rounds(result, before, args)
    return result.emit(
        benchmark="studio_busy",
        rounds=args.rounds,
        calm=args.calm,
        machine_busy_pct=machine.busy_pct(MachineCpu.now()),
    )


if __name__ == "__main__":
    raise SystemExit(main_of(main, LONG_S))
