"""What a listener received, in figures: packets, time and sound. Pure, no I/O, no clock.

Levels are in dBFS relative to a full-scale *sine*: a sine that just touches full scale is 0 dBFS, its
RMS being 1/√2, so a full-scale square wave is +3.01 (the convention of AES17). Silence is `SILENCE_DBFS`.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt

RATE = 48_000
SILENCE_DBFS = -120.0
AUDIBLE_DBFS = -80.0
"""Below this a side counts as silent, and has no frequency."""
HOLE_MS = 100.0
"""How much later than the packet before it one may come; a jitter buffer of this depth runs dry beyond."""

Samples = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Packet:
    """One received RTP datagram.

    arrival_ns: monotonic. sequence: as on the wire, 16 bits. timestamp: 32 bits, in samples at `RATE`. size: bytes of the
    datagram.
    """

    arrival_ns: int
    sequence: int
    timestamp: int
    size: int


@dataclass(frozen=True, slots=True)
class Gap:
    """A span in which no audio was delivered.

    kind: ``lost`` packets; ``late``, an arrival hole; ``jump`` of the timestamps without a loss; ``end``,
    nothing more came. at_s: media time since the first packet. ms: its length.
    """

    kind: str
    at_s: float
    ms: float


@dataclass(frozen=True, slots=True)
class Delivery:
    """The packets of a window of media time that begins with the first packet.

    packets: distinct ones. lost: those missing between them. duplicates, reordered: datagrams. frame_ms: the
    usual step of the timestamps, 0 if there is none. jitter_ms, jitter_max_ms: last and greatest value of the
    interarrival jitter (RFC 3550, section 6.4.1). timestamp_errors: steps that are not the frame duration
    times the step of the sequence numbers. seconds: media time that the window covers. complete: whether
    the stream went on beyond the window that was asked for.
    """

    packets: int = 0
    lost: int = 0
    duplicates: int = 0
    reordered: int = 0
    frame_ms: float = 0.0
    jitter_ms: float = 0.0
    jitter_max_ms: float = 0.0
    timestamp_errors: int = 0
    seconds: float = 0.0
    bytes: int = 0
    complete: bool = False
    gap_list: list[Gap] = field(default_factory=list)

    @property
    def gap_ms(self) -> float:
        return sum(gap.ms for gap in self.gap_list)


@dataclass(frozen=True, slots=True)
class _Placed:
    """A packet with the counters unwrapped: `number` and `media` start at 0 with the first packet."""

    number: int
    media: int
    arrival_ns: int
    size: int


class Unwrapper:
    """Extends a wrapping counter of `bits` bits to one that starts at 0 and does not wrap."""

    def __init__(self, bits: int) -> None:
        self._modulus = 1 << bits
        self._last: int | None = None
        self._extended = 0

    def extend(self, value: int) -> int:
        """Nearest extension of `value` to the one before it (half the range either way)."""
        if self._last is not None:
            step = (value - self._last) % self._modulus
            if step >= self._modulus // 2:
                step -= self._modulus
            self._extended += step
        self._last = value
        return self._extended

    def near(self, value: int) -> int:
        """The extension of `value` that is nearest to the last one's, which stays the last."""
        if self._last is None:
            return 0
        step = (value - self._last) % self._modulus
        return self._extended + (step - self._modulus if step >= self._modulus // 2 else step)


def delivery(
    packets: Iterable[Packet],
    seconds: float | None = None,
    *,
    until_ns: int | None = None,
    hole_ms: float = HOLE_MS,
    rate: int = RATE,
) -> Delivery:
    """Judge `packets`, in order of arrival, all of one SSRC.

    seconds: media time from the first packet on; None for all. until_ns: how long somebody listened; if the
    window is not complete by then, the wait since the last packet is a gap too.
    """
    end = None if seconds is None else round(seconds * rate)
    distinct: dict[int, _Placed] = {}
    arrived: list[_Placed] = []
    duplicates = reordered = 0
    highest = -1
    numbers, times = Unwrapper(16), Unwrapper(32)
    for packet in packets:
        placed = _Placed(
            numbers.extend(packet.sequence), times.extend(packet.timestamp), packet.arrival_ns, packet.size
        )
        inside = placed.number >= 0 and placed.media >= 0 and (end is None or placed.media < end)
        if placed.number in distinct:
            duplicates += inside
            continue
        distinct[placed.number] = placed
        if inside:
            arrived.append(placed)
            reordered += placed.number < highest
            highest = max(highest, placed.number)
    if not arrived:
        return Delivery()
    ordered = [distinct[number] for number in sorted(distinct) if number >= 0]
    frame = _frame(ordered)
    lost, errors, gaps = _breaks(ordered, frame, end, rate)
    last = max(arrived, key=lambda placed: placed.media)
    complete = end is not None and any(placed.media >= end for placed in ordered)
    covered = end if complete and end is not None else last.media + frame
    gaps += _holes(arrived, hole_ms, rate)
    if until_ns is not None and not complete and end is not None:
        waited_ms = (until_ns - arrived[-1].arrival_ns) / 1e6 - frame * 1000 / rate
        if waited_ms > hole_ms:
            gaps.append(Gap("end", covered / rate, round(waited_ms, 3)))
    final, greatest = interarrival_jitter_ms([(each.arrival_ns, each.media) for each in arrived], rate)
    return Delivery(
        packets=len(arrived),
        lost=lost,
        duplicates=duplicates,
        reordered=reordered,
        frame_ms=frame * 1000 / rate,
        jitter_ms=round(final, 3),
        jitter_max_ms=round(greatest, 3),
        timestamp_errors=errors,
        seconds=covered / rate,
        bytes=sum(each.size for each in arrived),
        complete=complete,
        gap_list=sorted(gaps, key=lambda gap: gap.at_s),
    )


def interarrival_jitter_ms(arrivals: Sequence[tuple[int, int]], rate: int = RATE) -> tuple[float, float]:
    """Last and greatest jitter in ms of ``(arrival_ns, media)`` pairs (RFC 3550, section 6.4.1)."""
    jitter = greatest = 0.0
    previous: float | None = None
    for arrival_ns, media in arrivals:
        transit_ms = arrival_ns / 1e6 - media * 1000 / rate
        if previous is not None:
            jitter += (abs(transit_ms - previous) - jitter) / 16
            greatest = max(greatest, jitter)
        previous = transit_ms
    return jitter, greatest


def _frame(ordered: Sequence[_Placed]) -> int:
    """The most common timestamp step of neighbours, in samples."""
    steps = Counter(
        after.media - before.media for before, after in pairwise(ordered) if after.number == before.number + 1
    )
    return max(steps, key=lambda step: (steps[step], -step)) if steps else 0


def _breaks(ordered: Sequence[_Placed], frame: int, end: int | None, rate: int) -> tuple[int, int, list[Gap]]:
    """Losses, timestamp errors, and the gaps that they make, between packets in sequence order."""
    lost = errors = 0
    gaps = []
    for before, after in pairwise(ordered):
        if end is not None and before.media >= end:
            break
        missing = after.number - before.number - 1
        if missing and end is not None and frame:
            # Those that would have lain beyond the window are not missed in it.
            missing = min(missing, max(0, -(-(end - before.media) // frame) - 1))
        at_s = (before.media + frame) / rate
        if missing:
            lost += missing
            gaps.append(Gap("lost", at_s, missing * frame * 1000 / rate))
        jump = after.media - before.media - (after.number - before.number) * frame
        if jump and (end is None or before.media + frame < end):
            errors += 1
            if jump > 0:
                gaps.append(Gap("jump", at_s, jump * 1000 / rate))
    return lost, errors, gaps


def _holes(arrived: Sequence[_Placed], hole_ms: float, rate: int) -> list[Gap]:
    """Arrivals that came more than `hole_ms` later than their timestamps account for."""
    gaps = []
    for before, after in pairwise(arrived):
        late_ms = (after.arrival_ns - before.arrival_ns) / 1e6 - (after.media - before.media) * 1000 / rate
        if after.number > before.number and late_ms > hole_ms:
            gaps.append(Gap("late", after.media / rate, round(late_ms, 3)))
    return gaps


@dataclass(frozen=True, slots=True)
class Side:
    """One channel. dbfs: RMS level. hz: frequency of its strongest partial, None if it is silent."""

    dbfs: float
    hz: float | None


def dbfs(samples: npt.NDArray[np.float64] | Samples) -> float:
    """RMS level of int16 samples (or floats of the same scale) relative to a full-scale sine."""
    if not len(samples):
        return SILENCE_DBFS
    mean_square = float(np.mean(np.square(np.asarray(samples, np.float64) / 32_768)))
    return max(SILENCE_DBFS, 10 * float(np.log10(2 * mean_square))) if mean_square > 0 else SILENCE_DBFS


def dominant_hz(samples: Samples, rate: int = RATE, lowest_hz: float = 15.0) -> float | None:
    """Frequency of the strongest partial above `lowest_hz`; None for less than 1024 samples or silence.

    A Hann window, and a parabola through the logarithms of the strongest bin and its neighbours.
    """
    if len(samples) < 1024 or dbfs(samples) < AUDIBLE_DBFS:
        return None
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    first = max(1, int(np.ceil(lowest_hz * len(samples) / rate)))
    peak = first + int(np.argmax(spectrum[first:]))
    offset = 0.0
    if 0 < peak < len(spectrum) - 1:
        low, mid, high = np.log(spectrum[peak - 1 : peak + 2] + 1e-12)
        bend = low - 2 * mid + high
        offset = float((low - high) / (2 * bend)) if bend else 0.0
    return (peak + offset) * rate / len(samples)


def tone_dbfs(samples: Samples, hz: float, rate: int = RATE) -> float:
    """Level of what one side carries at exactly `hz`, by projection under a Hann window."""
    window = np.hanning(len(samples))
    turn = np.exp(-2j * np.pi * hz * np.arange(len(samples)) / rate)
    amplitude = 2 * abs(np.sum(samples * window * turn)) / np.sum(window) / 32_768
    return max(SILENCE_DBFS, float(20 * np.log10(amplitude))) if amplitude > 0 else SILENCE_DBFS


def side(samples: Samples, rate: int = RATE) -> Side:
    """Level and dominant frequency of one channel, ``(frames,) int16``."""
    hz = dominant_hz(samples, rate)
    return Side(round(dbfs(samples), 2), None if hz is None else round(hz, 3))


class AudioMeter:
    """Collects decoded stereo audio; bounded, it keeps the last `keep_s` seconds for `recent`.

    pts: 48 kHz samples since the first decoded frame. A hole in them becomes silence.
    """

    def __init__(self, keep_s: float = 30.0, rate: int = RATE) -> None:
        self.end = 0
        self.missing = 0
        self._keep = round(keep_s * rate)
        self._rate = rate
        self._parts: deque[Samples] = deque()
        self._held = 0

    def add(self, pts: int, samples: Samples, before: int | None = None) -> Samples:
        """Append ``(frames, 2) int16`` up to pts `before`; returns what that added, silence included."""
        begin = max(pts, self.end)
        limit = pts + len(samples) if before is None else min(before, pts + len(samples))
        hole = max(0, min(begin, limit) - self.end)
        fresh = samples[begin - pts : max(begin, limit) - pts]
        self.missing += hole
        self.end = max(self.end, limit)
        added: Samples = np.concatenate([np.zeros((min(hole, self._keep), 2), np.int16), fresh])
        self._parts.append(added)
        self._held += len(added)
        while self._held - len(self._parts[0]) >= self._keep:
            self._held -= len(self._parts.popleft())
        return added

    def recent(self, seconds: float | None = None) -> Samples:
        """The last `seconds` (all that is kept by default), ``(frames, 2) int16``."""
        if not self._parts:
            return np.zeros((0, 2), np.int16)
        everything: Samples = np.concatenate(self._parts)
        return everything if seconds is None else everything[-round(seconds * self._rate) :]
