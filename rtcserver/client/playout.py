"""What a browser would play of the packets that arrive: an adaptive jitter buffer, without the sound. Pure.

A model of WebRTC's NetEq (`rtcserver.client.delay_target` has the sources), which plays 10 ms at a time:

- the next frame is there: it is played. Where the delay is below the target, a piece of the sound is played twice; where
  it is above the target and all that packets have lately been late, a piece is left out (*stretch*);
- it is not there: the sound before it is drawn out (*concealment*). If a later frame is there, playback goes on with it
  as soon as the hole is as long as what is missing, or the buffer is full enough. If none is there, playback waits: the
  frame is played whenever it comes, and all sound is later by so much;
- it comes after a later one was played: it is *late*, and of no use.

Left out of the model: the contents of the sound. NetEq's pieces are whole periods of it, ours are `PIECE_MS` long.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto

from rtcserver.client.delay_target import DelayTarget
from rtcserver.client.measure import Unwrapper

TICK_MS = 10
"""One call for sound. Arrivals are known to the tick, as in NetEq."""
PIECE_MS = 5
"""NetEq's are of 2.5 to 15 ms."""
FADED_MS = 250
"""So long a concealment has lost half of its loudness; then playback waits for half of the target."""
MUTED_MS = 500
"""So long a concealment has ended in silence."""
MAX_FRAMES = 200
"""As many wait at most; with one more, all are thrown away."""
_PAUSE_TICKS = 5
"""Between two stretches."""
_WINDOW_MS = 2000
"""How long the earliest arrival counts, by which lateness is measured."""
_ROOM_MS = 20
"""Delay above the target and the lateness that nobody minds."""
_SURPLUS_MS = 50
"""Buffered sound above the target with which a hole is not waited for."""
_JUMP_S = 5
"""Further back than this is no late frame but another stream."""
_TICK_NS = TICK_MS * 1_000_000
_MAX_IDLE_TICKS = 100 * 600
"""After a longer silence, e.g. of a machine that slept, the rest of it is not played through."""
_MAX_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of a packet. timestamp: RTP, 32 bits. samples: its duration. redundant: whether it is an earlier one."""

    timestamp: int
    samples: int
    redundant: bool = False


@dataclass(slots=True)
class Second:
    """What was played in one second, in samples but for `events`, `late` (frames) and the sums of ms times samples."""

    played: int = 0
    concealed: int = 0
    muted: int = 0
    """Of those concealed: at the silent end of a long concealment."""
    events: int = 0
    inserted: int = 0
    removed: int = 0
    late: int = 0
    emitted: int = 0
    waited: float = 0.0
    """Emitted samples, each times the ms that it was in the buffer."""
    target: float = 0.0
    """Emitted samples, each times the target in ms."""


class _Act(Enum):
    """What is done for a tick."""

    PLAY = auto()
    SLOW = auto()
    FAST = auto()
    CONCEAL = auto()


class Playout:
    """One stream's. `arrive` for each packet, in order of arrival; `until` at the end. Times are monotonic, in ns.

    seconds: what was played, second by second from the first packet on, the last one incomplete. holes: ``(media,
    samples)`` of what was concealed and not muted; media: where, in samples since the first frame. longest: samples of
    the longest concealment.
    """

    def __init__(self, rate: int = 48_000) -> None:
        self.seconds: deque[Second] = deque([Second()], maxlen=_MAX_SECONDS)
        self.holes: deque[tuple[int, int]] = deque(maxlen=_MAX_SECONDS)
        self.longest = 0
        self._per_ms = rate // 1000
        self._tick = TICK_MS * self._per_ms
        self._first_ns: int | None = None
        self._ticks = 0
        self._times = Unwrapper(32)
        self._frames: dict[int, tuple[int, int]] = {}
        """Media time → (samples, tick of arrival)."""
        self._seen: set[int] = set()
        self._restart()

    def _restart(self) -> None:
        self._end: int | None = None
        """Media time of the next frame; None before the first one."""
        self._ahead = 0
        """Samples that are decoded and not yet played."""
        self._concealing = 0
        """Ticks of the present concealment; 0 while there is none."""
        self._may_stretch = 0
        self._forget_arrivals()

    def _forget_arrivals(self) -> None:
        self._target = DelayTarget()
        self._newest: int | None = None
        # Both monotonic: in front the earliest and the latest arrival of the window, against media time.
        self._earliest: deque[tuple[int, int]] = deque()
        self._latest: deque[tuple[int, int]] = deque()

    def arrive(self, arrival_ns: int, frames: Iterable[Frame]) -> int:
        """A packet's frames, the newest first. Returns how many redundant ones of them are new."""
        if self._first_ns is None:
            self._first_ns = arrival_ns
        self.until(arrival_ns)
        recovered = 0
        for frame in frames:
            place = self._times.near if frame.redundant else self._times.extend
            media = place(frame.timestamp)
            if frame.samples > 0 and media not in self._seen:
                self._insert(media, frame.samples)
                recovered += frame.redundant
        return recovered

    def until(self, now_ns: int) -> None:
        """Play what is due by then."""
        if self._first_ns is None:
            return
        due = (now_ns - self._first_ns + _TICK_NS // 2) // _TICK_NS
        self._ticks = max(self._ticks, due - _MAX_IDLE_TICKS)
        while self._ticks < due:
            self._ticks += 1
            self._play()

    def _insert(self, media: int, samples: int) -> None:
        if len(self._frames) >= MAX_FRAMES:
            self._frames.clear()
            self._restart()
        self._frames[media] = (samples, self._ticks)
        self._seen.add(media)
        if len(self._seen) > 4 * MAX_FRAMES:
            self._seen = {one for one in self._seen if one >= media - _WINDOW_MS * self._per_ms}
        if self._end is not None:
            self._measure(media)

    def _measure(self, media: int) -> None:
        """Take an arrival into account for the target."""
        overtaken = self._newest is not None and media < self._newest
        if not overtaken:
            self._newest = media
            oldest = media - _WINDOW_MS * self._per_ms
            arrival = (self._ticks * self._tick - media, media)
            for kept in (self._earliest, self._latest):
                while kept and kept[0][1] < oldest:
                    kept.popleft()
            while self._earliest and self._earliest[-1][0] >= arrival[0]:
                self._earliest.pop()
            while self._latest and self._latest[-1][0] <= arrival[0]:
                self._latest.pop()
            self._earliest.append(arrival)
            self._latest.append(arrival)
        self._target.arrive(self._delay_ms(media), self._ticks * TICK_MS, overtaken=overtaken)

    def _delay_ms(self, media: int) -> float:
        """How much later this moment of the sound is now than the earliest arrival would have allowed."""
        if not self._earliest:
            return 0.0
        return max(0, self._ticks * self._tick - media - self._earliest[0][0]) / self._per_ms

    def _play(self) -> None:
        """One tick."""
        second = self.seconds[-1]
        if second.played >= 100 * self._tick:
            second = Second()
            self.seconds.append(second)
        if self._end is None:
            if not self._frames:
                return
            self._begin(min(self._frames))
        self._drop_late(second)
        following = min(self._frames, default=None)
        act = self._decide(following)
        second.played += self._tick
        if act is _Act.CONCEAL:
            if self._ahead < self._tick:
                self._conceal(second)
                return
        elif act is not _Act.PLAY or self._ahead < self._tick:
            assert following is not None
            self._take(act, following, second)
        self._ahead -= self._tick

    def _begin(self, media: int) -> None:
        self._restart()
        self._end = media
        self._may_stretch = self._ticks + _PAUSE_TICKS + 1

    def _drop_late(self, second: Second) -> None:
        assert self._end is not None
        for media in [one for one in self._frames if one < self._end]:
            if self._end - media > _JUMP_S * 1000 * self._per_ms:
                self._begin(min(self._frames))
                return
            del self._frames[media]
            second.late += 1

    def _decide(self, following: int | None) -> _Act:
        assert self._end is not None
        if following is None:
            return _Act.CONCEAL
        concealing = self._concealing > 0
        newest = max(self._frames)
        buffered_ms = (newest - following) / self._per_ms + (self._ticks - self._frames[newest][1]) * TICK_MS
        if concealing and self._concealing * TICK_MS >= FADED_MS and buffered_ms < self._target.ms / 2:
            return _Act.CONCEAL
        if following > self._end:
            early = following - self._end > self._concealing * self._tick
            if not concealing or (early and buffered_ms <= self._target.ms + _SURPLUS_MS):
                return _Act.CONCEAL
            return _Act.PLAY
        if concealing:
            return _Act.PLAY
        delay_ms = self._delay_ms(self._end - self._ahead)
        most_ms = self._target.ms + self._lateness_ms() + _ROOM_MS
        if delay_ms >= 4 * most_ms:
            return _Act.FAST
        if self._ticks > self._may_stretch:
            if delay_ms >= most_ms:
                return _Act.FAST
            if delay_ms < self._target.ms:
                return _Act.SLOW
        return _Act.PLAY

    def _lateness_ms(self) -> float:
        return (self._latest[0][0] - self._earliest[0][0]) / self._per_ms if self._earliest else 0.0

    def _conceal(self, second: Second) -> None:
        assert self._end is not None
        samples = self._tick - self._ahead
        self._ahead = 0
        second.events += self._concealing == 0
        self._concealing += 1
        second.concealed += samples
        if self._concealing * TICK_MS > MUTED_MS:
            second.muted += samples
        else:
            self.holes.append((self._end, samples))
        self.longest = max(self.longest, self._concealing * self._tick)

    def _take(self, act: _Act, following: int, second: Second) -> None:
        """Decode for a tick, and stretch. What is left out of is at least three ticks of sound, collected before."""
        enough = 3 * self._tick
        wanted = self._tick
        if act is not _Act.PLAY and self._ahead < 2 * self._tick:
            wanted = 2 * self._tick
            if act is _Act.FAST:
                act = _Act.PLAY
        if act is _Act.PLAY or self._ahead < enough:
            self._end = following
            self._decode(wanted, second)
        if act is _Act.FAST and self._ahead < enough:
            act = _Act.PLAY
        self._concealing = 0
        if act is not _Act.PLAY:
            piece = PIECE_MS * self._per_ms
            if act is _Act.SLOW:
                self._ahead += piece
                second.inserted += piece
            else:
                self._ahead -= piece
                second.removed += piece
            self._may_stretch = self._ticks + _PAUSE_TICKS
        if self._ahead < self._tick:
            # Frames shorter than a tick, and no further one is there.
            second.concealed += self._tick - self._ahead
            self._ahead = self._tick

    def _decode(self, wanted: int, second: Second) -> None:
        """Take frames that follow each other out of the buffer, `wanted` samples or as many as are there."""
        assert self._end is not None
        got = 0
        while got < wanted and self._end in self._frames:
            samples, arrived = self._frames.pop(self._end)
            second.emitted += samples
            second.waited += samples * (self._ticks - arrived) * TICK_MS
            second.target += samples * self._target.ms
            self._end += samples
            got += samples
        self._ahead += got
