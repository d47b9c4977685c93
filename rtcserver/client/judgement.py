"""What a listener would have heard of a stream in a browser, in figures. Pure.

The names of what Chromium counts are those of its statistics (W3C, "Identifiers for WebRTC's Statistics API"):
``concealedSamples``, ``silentConcealedSamples``, ``concealmentEvents``, ``insertedSamplesForDeceleration``,
``removedSamplesForAcceleration``, and ``jitterBufferDelay`` and ``jitterBufferTargetDelay`` over
``jitterBufferEmittedCount``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from rtcserver.client.measure import RATE, Samples
from rtcserver.client.playout import Playout, Second

_BLOCK = 480
_AUDIBLE = 4
"""Of 32,768: the greatest sample of a block that counts as silence is below this, which is -78 dBFS."""
_UNKNOWN, _SILENT, _SOUNDS = 0, 1, 2
_MAX_BLOCKS = 100 * 86_400


class Loudness:
    """Where a stream's decoded sound is silent, in blocks of 10 ms; the first day of it."""

    def __init__(self) -> None:
        self._sounds = bytearray()

    def add(self, pts: int, samples: Samples) -> None:
        """Decoded ``(frames, 2) int16`` that begin `pts` samples of 48 kHz after the first ones."""
        first, last = pts // _BLOCK, (pts + len(samples) - 1) // _BLOCK
        if not len(samples) or first < 0 or last >= _MAX_BLOCKS:
            return
        self._sounds.extend([_UNKNOWN] * (last + 1 - len(self._sounds)))
        kind = _SOUNDS if np.abs(samples.astype(np.int32)).max() >= _AUDIBLE else _SILENT
        for block in range(first, last + 1):
            self._sounds[block] = max(self._sounds[block], kind)

    def silent(self, media: int) -> bool:
        """Whether the decoded sound just before this moment is silent; False where none is known."""
        before = media // _BLOCK - 1
        return 0 <= before < len(self._sounds) and self._sounds[before] == _SILENT


@dataclass(frozen=True, slots=True)
class Judgement:
    """Figures of `seconds` of sound, as a browser's jitter buffer would have played them.

    concealed_pct: share of the samples that were made up, silent ones among them. audible_pct: those of them that sound:
    neither at the end of a long concealment, which has faded away, nor in a pause of the music. (A browser knows only the
    first kind.) events: concealments. longest_ms: the longest of them. inserted_ms, removed_ms: sound that was added and
    left out to change the delay. delay_ms: how long sound was in the buffer, on average; delay_p50_ms and delay_p95_ms:
    of the averages of the single seconds. target_ms: the delay that was aimed for, on average. late: frames that came
    after their place was over. Percent of all samples; 0 where nothing was played.
    """

    seconds: float = 0.0
    concealed_pct: float = 0.0
    audible_pct: float = 0.0
    events: int = 0
    longest_ms: float = 0.0
    inserted_ms: float = 0.0
    removed_ms: float = 0.0
    delay_ms: float = 0.0
    delay_p50_ms: float = 0.0
    delay_p95_ms: float = 0.0
    target_ms: float = 0.0
    late: int = 0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def to_text(self) -> str:
        """Two lines for a person."""
        return (
            f"in a browser: {self.audible_pct:.2f} % of the sound made up and audible ({self.concealed_pct:.2f} % in all; "
            f"concealments: {self.events}, the longest {self.longest_ms:.0f} ms; late frames: {self.late})\n"
            f"delay in its buffer: {self.delay_ms:.0f} ms (half of the seconds below {self.delay_p50_ms:.0f}, 95 % below "
            f"{self.delay_p95_ms:.0f}), target {self.target_ms:.0f} ms; {self.inserted_ms:.0f} ms of sound added, "
            f"{self.removed_ms:.0f} ms left out"
        )


def judge(playout: Playout, loudness: Loudness | None = None, rate: int = RATE) -> Judgement:
    """The figures of all that was played. loudness: of the same stream, where it is decoded."""
    seconds = [second for second in playout.seconds if second.played]
    played, emitted = _sum(seconds, "played"), _sum(seconds, "emitted")
    if not played:
        return Judgement()
    unheard = _sum(seconds, "muted")
    if loudness is not None:
        unheard += sum(samples for media, samples in playout.holes if loudness.silent(media))
    delays = [second.waited / second.emitted for second in seconds if second.emitted] or [0.0]
    concealed = _sum(seconds, "concealed")
    per_ms = rate / 1000
    return Judgement(
        seconds=round(played / rate, 2),
        concealed_pct=round(100 * concealed / played, 3),
        audible_pct=round(100 * max(0, concealed - unheard) / played, 3),
        events=int(_sum(seconds, "events")),
        longest_ms=round(playout.longest / per_ms, 1),
        inserted_ms=round(_sum(seconds, "inserted") / per_ms, 1),
        removed_ms=round(_sum(seconds, "removed") / per_ms, 1),
        delay_ms=round(_sum(seconds, "waited") / max(1, emitted), 1),
        delay_p50_ms=round(float(np.percentile(delays, 50)), 1),
        delay_p95_ms=round(float(np.percentile(delays, 95)), 1),
        target_ms=round(_sum(seconds, "target") / max(1, emitted), 1),
        late=int(_sum(seconds, "late")),
    )


def _sum(seconds: Iterable[Second], name: str) -> float:
    return float(sum(getattr(second, name) for second in seconds))
