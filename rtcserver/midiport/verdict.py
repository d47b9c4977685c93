"""What the recording of one note shows: samples in, a verdict out. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rtcserver.clock import NS
from rtcserver.midi.profile import Profile

BEFORE_NS = 700_000_000
"""Recorded before the note: what is there without it."""
AFTER_NS = 1_200_000_000
"""Recorded after the note began. What comes later than this has nothing to do with it."""
SILENT_DBFS = -110.0
"""Below the noise of any converter: nothing is connected to this channel."""
LOUD_DBFS = -45.0
"""So much before the note means that somebody plays."""
RISE_DB = 12.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was recorded.

    samples: ``(frames, channels)`` float32 at `rate` Hz, in blocks of `blocksize`. The first block was in our
    hands at monotonic `first_ns`, and the note left at `note_ns`. chosen: the columns that the room's sound is
    made of.
    """

    samples: npt.NDArray[np.float32]
    rate: int
    first_ns: int
    note_ns: int
    chosen: tuple[int, ...]
    blocksize: int = 1


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `check` says.

    code: ``ok``, ``no-midi-out``, ``no-capture``, ``silence``, ``no-sound``, ``other-channels``, ``half``,
    ``noisy``. onset_ms: from the note's leaving to the block with its first sound. before_dbfs,
    note_dbfs: RMS of each channel relative to a full-scale sine.
    """

    code: str
    message: str
    onset_ms: float | None = None
    before_dbfs: tuple[float, ...] = ()
    note_dbfs: tuple[float, ...] = ()

    @property
    def ok(self) -> bool:
        return self.code == "ok"

    def to_json(self) -> dict[str, Any]:
        return {
            "ok": self.ok,
            "code": self.code,
            "message": self.message,
            "onset_ms": self.onset_ms,
            "before_dbfs": list(self.before_dbfs),
            "note_dbfs": list(self.note_dbfs),
        }


def judge(evidence: Evidence) -> Verdict:
    """What the recording of one note shows."""
    rate, samples = evidence.rate, evidence.samples
    begin = (evidence.note_ns - evidence.first_ns) * rate // NS
    before = samples[max(0, begin - BEFORE_NS * rate // NS) : max(0, begin)]
    note = samples[max(0, begin) : max(0, begin) + AFTER_NS * rate // NS]
    if len(before) < rate // 10 or len(note) < rate // 10:
        return Verdict("no-capture", "The device delivered too little sound to judge by.")
    floor, level = _dbfs(before), _dbfs(note)
    heard = [c for c in range(samples.shape[1]) if level[c] > max(floor[c], SILENT_DBFS) + RISE_DB]
    chosen = [c for c in evidence.chosen if c in heard]
    facts: dict[str, Any] = {"before_dbfs": _rounded(floor), "note_dbfs": _rounded(level)}
    if max(floor[c] for c in evidence.chosen) > LOUD_DBFS and not chosen:
        return Verdict(
            "noisy",
            f"There is sound on {_named(evidence.chosen)} already ({max(floor):.0f} dBFS), so a quiet note "
            "cannot be told from it. Stop playing, and check again.",
            **facts,
        )
    if not chosen and heard:
        return Verdict(
            "other-channels",
            f"The note was heard on {_named(heard)}, but not on {_named(evidence.chosen)}. Capture it with: "
            f"--channels {','.join(str(c + 1) for c in (heard * 2)[:2])}",
            **facts,
        )
    if not chosen and max(*level, *floor) < SILENT_DBFS:
        return Verdict(
            "silence",
            "The note was sent, and every channel stayed silent, without even noise. Is this the right MIDI "
            "port, does the instrument receive on it, and does its sound go to USB?",
            **facts,
        )
    if not chosen:
        return Verdict(
            "no-sound",
            f"The note was sent, but no sound of it came on {_named(evidence.chosen)} or any other channel. Is "
            "this the right MIDI port, does the instrument receive on this channel, and is its volume up?",
            **facts,
        )
    onset = max(0, begin) + min(_onset(before[:, c], note[:, c]) for c in chosen)
    block_ns = evidence.first_ns + onset // evidence.blocksize * evidence.blocksize * NS // rate
    onset_ms = round((block_ns - evidence.note_ns) / 1e6, 1)
    if len(chosen) < len(evidence.chosen):
        missing = [c for c in evidence.chosen if c not in chosen]
        return Verdict(
            "half",
            f"The note was heard after {onset_ms} ms on {_named(chosen)}, but not on {_named(missing)}.",
            onset_ms,
            **facts,
        )
    return Verdict("ok", f"The note was heard {onset_ms} ms after it left.", onset_ms, **facts)


def _onset(before: npt.NDArray[np.float32], note: npt.NDArray[np.float32]) -> int:
    """Sample of `note` at which it leaves what was there before, or a hundredth of its own peak."""
    threshold = max(2 * float(np.abs(before).max()), float(np.abs(note).max()) / 100)
    return int(np.argmax(np.abs(note) > threshold))


def _dbfs(samples: npt.NDArray[np.float32]) -> list[float]:
    # The loudest tenth: a short note does not drown in the silence behind it. A constant is no sound.
    size = max(1, len(samples) // 10)
    parts = samples[: size * (len(samples) // size)].reshape(-1, size, samples.shape[1]).astype(np.float64)
    power = (parts - parts.mean(axis=1, keepdims=True)) ** 2
    return [float(10 * np.log10(2 * value + 1e-15)) for value in power.mean(axis=1).max(axis=0)]


def _rounded(levels: list[float]) -> tuple[float, ...]:
    return tuple(round(level, 1) for level in levels)


def _named(columns: tuple[int, ...] | list[int]) -> str:
    numbers = [str(column + 1) for column in sorted(set(columns))]
    if len(numbers) == 1:
        return f"channel {numbers[0]}"
    return f"channels {', '.join(numbers[:-1])} and {numbers[-1]}"


def to_text(room: str, verdict: Verdict, profile: Profile) -> str:
    """A room's verdict for a person: the sentence, each channel's levels, and what to look at if it failed."""
    lines = [f"{room}: {verdict.message}"]
    lines += [
        f"  channel {number:2d}: {before:6.1f} dBFS before the note, {note:6.1f} during it"
        for number, (before, note) in enumerate(zip(verdict.before_dbfs, verdict.note_dbfs, strict=True), 1)
    ]
    if not verdict.ok:
        lines += [f"  - {item.title}. {item.text}" for item in profile.checklist]
    return "\n".join(lines)
