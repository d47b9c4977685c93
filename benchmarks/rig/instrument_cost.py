"""This build's instrument process against an earlier build's, in turns: CPU, wake-ups, and ViSQOL of what is heard.

Each process has one reader of its packets, as a room with listeners has. In every round each build is measured once, and
who begins alternates. The sound is judged without a clock: a piece is encoded and decoded in both builds, at 48 kHz and at
44.1 kHz, where it is resampled, too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.signal import fftconvolve, resample_poly

from benchmarks.rig.common import say
from benchmarks.rig.compare import ROOT, earlier
from benchmarks.rig.music import demo_piece, dense_piece
from benchmarks.sound import visqol
from rtcserver.clock import MEDIA_RATE
from tests.rig.jack import JackServer, Tones

DEVICE = {"instrument": "portaudio", "device": "MONTAGE", "channels": "3,4"}
INSTRUMENTS: dict[str, dict[str, Any]] = {"portaudio": DEVICE, "fluidsynth": {"instrument": "fluidsynth"}}
FIGURES = ("cpu_pct", "wakeups_per_s", "packets_per_s")
PIECE_S = 9.0
"""Of each piece that is judged: a stretch of eight seconds, and what the encoder needs to begin."""
RATES = (48_000, 44_100)


def listened(folder: Path, asked: dict[str, Any]) -> dict[str, Any]:
    """What `benchmarks.rig.listened` finds in a tree. Raises RuntimeError with what it said."""
    text = (Path(__file__).parent / "listened.py").read_text()
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [sys.executable, "-c", text, json.dumps(asked)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise RuntimeError(f"the measurement failed: {done.stderr.strip()}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@contextmanager
def device(instrument: str) -> Iterator[None]:
    """What the instrument needs: JACK with tones for PortAudio, found through the environment."""
    if instrument != "portaudio":
        yield
        return
    with JackServer() as jack, Tones(jack):
        before = dict(os.environ)
        os.environ.update(jack.variables)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


def costs(instrument: str, before: Path, rounds: int, seconds: float) -> dict[str, Any]:
    """Medians of both builds, and this one's CPU over the earlier one's: the median of the rounds' ratios."""
    found: tuple[list[dict[str, Any]], list[dict[str, Any]]] = ([], [])
    with device(instrument):
        for number in range(rounds):
            for build in (0, 1) if number % 2 else (1, 0):
                asked = {"config": INSTRUMENTS[instrument], "seconds": seconds}
                found[build].append(listened((ROOT, before)[build], asked))
                cpu = found[build][-1]["cpu_pct"]
                say(f"  {instrument}, {'before' if build else 'this build'}: {cpu:.2f} % of a core")
    ratios = [ours["cpu_pct"] / theirs["cpu_pct"] for ours, theirs in zip(*found, strict=True)]
    return {
        **{key: round(median(one[key] for one in found[0]), 2) for key in FIGURES},
        **{f"{key}_before": round(median(one[key] for one in found[1]), 2) for key in FIGURES},
        "cpu_ratio": round(median(ratios), 3),
        "cpu_ratios": [round(ratio, 3) for ratio in sorted(ratios)],
    }


def scores(before: Path) -> dict[str, float]:
    """ViSQOL by build, piece and rate: ``visqol_dense_44100``, ``visqol_dense_44100_before``…; ``visqol_least_gain``.

    The last is the least difference, this build's minus the earlier one's.
    """
    found: dict[str, float] = {}
    samples = round(PIECE_S * MEDIA_RATE)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pieces = {"demo": demo_piece(samples), "dense": dense_piece(samples)}
        for rate in RATES:
            for piece, sound in pieces.items():
                np.save(folder / f"{piece}.npy", at_rate(sound, rate))
            for build, tree in (("", ROOT), ("_before", before)):
                jobs = [(f"{folder}/{piece}.npy", f"{folder}/{piece}.out.npy") for piece in pieces]
                listened(tree, {"pieces": jobs, "rate": rate})
                for piece, sound in pieces.items():
                    heard = np.load(folder / f"{piece}.out.npy")
                    found[f"visqol_{piece}_{rate}{build}"] = score(heard, sound)
                    say(f"  ViSQOL, {piece}, {rate} Hz{build}: {found[f'visqol_{piece}_{rate}{build}']}")
    gains = [value - found[f"{key}_before"] for key, value in found.items() if f"{key}_before" in found]
    return {**found, "visqol_least_gain": round(min(gains), 4)}


def at_rate(sound: npt.NDArray[np.int16], rate: int) -> npt.NDArray[np.int16]:
    """The sound at another rate, by a filter that is far longer than any of ours."""
    if rate == MEDIA_RATE:
        return sound
    window = ("kaiser", 14.0)
    common = int(np.gcd(rate, MEDIA_RATE))
    other = resample_poly(sound.astype(np.float64), rate // common, MEDIA_RATE // common, window=window)
    clipped: npt.NDArray[np.int16] = np.clip(np.rint(other), -32_768, 32_767).astype(np.int16)
    return clipped


def score(heard: npt.NDArray[np.float32], played: npt.NDArray[np.int16]) -> float:
    """The mean of both sides' ViSQOL over one stretch, aligned to the sample."""
    whole = np.clip(np.rint(heard * 32_768), -32_768, 32_767).astype(np.int16)[4_800:]
    size = min(len(whole), len(played) - 9_600)
    likeness = fftconvolve(played.mean(axis=1), whole[: size - 9_600].mean(axis=1)[::-1], mode="valid")
    first = int(np.argmax(likeness))
    length = min(len(whole), len(played) - first, 8 * MEDIA_RATE)
    return round(fmean(visqol(whole[:length], played[first : first + length])), 4)


def compare(
    revision: str, instruments: Sequence[str], rounds: int, seconds: float, *, sound: bool
) -> dict[str, Any]:
    """All of it, by instrument; ``visqol`` if the sound is to be judged, too."""
    with earlier(revision) as before:
        found: dict[str, Any] = {name: costs(name, before, rounds, seconds) for name in instruments}
        if sound:
            found["visqol"] = scores(before)
    return found
