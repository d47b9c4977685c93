"""What a headless listener hears against what was played: ViSQOL, stereo separation, gaps.

The server plays a file (``--instrument file``) with its default encoding, ``rtcserver client --record``
listens to it over WHEP, and the recording is compared with the file:

- ``visqol``: MOS-LQO of ViSQOL in audio mode (48 kHz; its ceiling is about 4.73) on the demo piece as the
  embedded synthesizer plays it. Both sides are judged by themselves, in stretches of 8 s: ``visqol`` is the
  mean and ``visqol_worst`` the least. The reference is high-passed at 20 Hz, because the encoder removes DC,
  and both are aligned to the sample. ``visqol_dense``, ``visqol_dense_worst``: the same for a piece of five
  instruments and drums at once, which is hard on a codec.
- ``separation_db``: a tone is played on one side only: its level there against the strongest line of the
  spectrum on the other side, at whatever frequency. The least of all tones (``tones``) on either side.
- ``gaps``: of all recordings together, by the client's own definition: lost packets, holes in the arrivals,
  jumps of the timestamps. ``audio_missing_ms``: holes in the decoded sound.
- ``level_db``: of the recording against the file, each side; ``bitrate_kbps``: as received.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.signal import butter, fftconvolve, sosfilt

from benchmarks.rig.common import MachineCpu, emit, say
from benchmarks.rig.music import Stereo16, demo_piece, dense_piece, read_wav, write_wav
from benchmarks.rig.outcome import LONG_S, main_of
from rtcserver.client.measure import dbfs, tone_dbfs
from rtcserver.clock import MEDIA_RATE
from tests.rig.process import REPOSITORY
from tests.rig.server import RtcServer

TONES_HZ = (220.0, 1_000.0, 4_000.0, 9_000.0)
TONE_DBFS = -12.0
TONE_S = 2.0
STRETCH_S = 8.0
SETTLE_S = 1.0
"""Left out at the start of each recording: the decoder wakes up."""
Float = npt.NDArray[np.float64]


class Recording:
    """What the client heard, and what it said about it."""

    def __init__(self, samples: Stereo16, report: dict[str, Any]) -> None:
        self.samples = samples[round(SETTLE_S * MEDIA_RATE) :]
        self.report = report


def listen(played: Stereo16, seconds: float, folder: Path, transport: str) -> Recording:
    """Serve a loop and record it. Raises RuntimeError if the client says that it heard nothing."""
    source, heard = folder / "played.wav", folder / "heard.wav"
    write_wav(source, played)
    with RtcServer(instrument="file", file=source, transport=transport) as server:
        server.wait_healthy(lambda said: bool(said["rooms"]["main"]["state"] == "live"))
        command = [sys.executable, "-m", "rtcserver", "client", server.room_url, "--json"]
        command += ["--seconds", str(seconds + 2 * SETTLE_S), "--record", str(heard)]
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"the client failed ({done.returncode}): {done.stderr}{done.stdout}")
    return Recording(read_wav(heard), json.loads(done.stdout))


def align(heard: Stereo16, played: Stereo16) -> Stereo16:
    """That part of the loop `played` which was heard, ``len(heard)`` samples from any place of it."""
    twice = np.concatenate([played, played, played[: len(heard)]])[: len(played) + len(heard)]
    likeness = fftconvolve(twice.mean(axis=1), heard.mean(axis=1)[::-1], mode="valid")
    first = int(np.argmax(likeness))
    return twice[first : first + len(heard)]


def high_passed(samples: Stereo16) -> Float:
    """Without what is below 20 Hz, which the encoder leaves out; ``(frames, 2)`` in [-1, 1)."""
    sections = butter(2, 20, "highpass", fs=MEDIA_RATE, output="sos")
    filtered: Float = sosfilt(sections, samples.astype(np.float64) / 32_768, axis=0)
    return filtered


def visqol(heard: Stereo16, played: Stereo16) -> list[float]:
    """MOS-LQO of each stretch of each side."""
    from visqol import VisqolApi

    api = VisqolApi()
    api.create(mode="audio")
    reference, degraded = high_passed(played), heard.astype(np.float64) / 32_768
    size = min(len(heard), round(STRETCH_S * MEDIA_RATE))
    scores = []
    for first in range(0, len(heard) - size + 1, size):
        for side in range(2):
            part = slice(first, first + size), side
            result = api.measure_from_arrays(reference[part].copy(), degraded[part].copy(), MEDIA_RATE)
            scores.append(float(result.moslqo))
    return scores


def tone_sequence() -> Stereo16:
    """Each tone for `TONE_S` on the left side only, then on the right side only, and so on."""
    time = np.arange(round(TONE_S * MEDIA_RATE)) / MEDIA_RATE
    parts = []
    for hz in TONES_HZ:
        for side in range(2):
            part = np.zeros((len(time), 2), np.int16)
            part[:, side] = np.round(10 ** (TONE_DBFS / 20) * np.sin(2 * np.pi * hz * time) * 32_767)
            parts.append(part)
    return np.concatenate(parts)


def separations_db(heard: Stereo16, played: Stereo16) -> dict[str, float]:
    """For each tone and side, how far the other side is below; both aligned, in any rotation of the loop."""
    result = {}
    size = round(TONE_S * MEDIA_RATE)
    looped = np.concatenate([heard, heard])
    start = int(np.argmax(fftconvolve(looped.mean(axis=1), played.mean(axis=1)[::-1], mode="valid")))
    for number, (hz, side) in enumerate((hz, side) for hz in TONES_HZ for side in range(2)):
        # The middle half: the encoder carries a little of each tone over into the next.
        first = start + number * size + size // 4
        part = looped[first : first + size // 2]
        level = tone_dbfs(part[:, side], hz)
        result[f"{hz:g} Hz {'LR'[side]}"] = round(level - strongest_dbfs(part[:, 1 - side]), 1)
    return result


def strongest_dbfs(samples: npt.NDArray[np.int16]) -> float:
    """Level of the strongest line in the spectrum of one side."""
    window = np.hanning(len(samples))
    line = 2 * float(np.abs(np.fft.rfft(samples * window)).max()) / float(np.sum(window)) / 32_768
    return max(-120.0, 20 * float(np.log10(line))) if line > 0 else -120.0


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--transport", choices=("one-port", "aiortc"), default="one-port")
    parser.add_argument("--seconds", type=float, default=24.0, help="of music to compare (default 24)")
    args = parser.parse_args()
    if not 6 <= args.seconds <= 120:
        parser.error("--seconds: allowed are 6 to 120")
    machine = MachineCpu.now()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        samples = round(args.seconds * MEDIA_RATE)
        recordings: list[Recording] = []
        scores: dict[str, float] = {}
        for key, piece in (("visqol", demo_piece(samples)), ("visqol_dense", dense_piece(samples))):
            say(f"sound: {args.transport}, {key}: {args.seconds:g} s …")
            music = listen(piece, args.seconds, folder, args.transport)
            recordings.append(music)
            reference = align(music.samples, piece)
            each = visqol(music.samples, reference)
            scores[key], scores[f"{key}_worst"] = round(float(np.mean(each)), 3), round(min(each), 3)
            say(f"  {scores[key]}, least {scores[f'{key}_worst']}")
            if key == "visqol":
                level = [dbfs(music.samples[:, side]) - dbfs(reference[:, side]) for side in range(2)]
        sequence = tone_sequence()
        single = listen(sequence, len(sequence) / MEDIA_RATE, folder, args.transport)
        tones = separations_db(single.samples[: len(sequence)], sequence)
        say(f"  separation {tones}")
        recordings.append(single)
    emit(
        {
            "benchmark": "sound",
            "transport": args.transport,
            **scores,
            "separation_db": min(tones.values()),
            "tones": tones,
            "gaps": sum(recording.report["gaps"] for recording in recordings),
            "lost": sum(recording.report["lost"] for recording in recordings),
            "audio_missing_ms": sum(recording.report["audio_missing_ms"] for recording in recordings),
            "level_db": [round(db, 2) for db in level],
            "bitrate_kbps": recordings[0].report["kbps"],
            "machine_busy_pct": machine.busy_pct(MachineCpu.now()),
        }
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main_of(main, LONG_S))
