"""Where a capture run lies on the room's timeline.

Pure. The device's own sample count is the media clock; monotonic time is only used once per run
(an *epoch*) to place its first frame after what came before.
"""

from __future__ import annotations

from dataclasses import dataclass

from rtcserver.clock import ns_to_samples
from rtcserver.encode.resample import media_position


@dataclass(frozen=True, slots=True)
class Anchor:
    """A moment known on both clocks: `media_time` (48 kHz samples) was at monotonic `at_ns`."""

    media_time: int
    at_ns: int

    def media_at(self, now_ns: int) -> int:
        """Media time at `now_ns`, extrapolated at the nominal 48 kHz."""
        return self.media_time + ns_to_samples(now_ns - self.at_ns)


@dataclass(frozen=True, slots=True)
class Epoch:
    """One capture run: device frame 0 is at media time `base`; the device runs at `rate` Hz."""

    number: int
    base: int
    rate: int

    @classmethod
    def begin(cls, number: int, anchor: Anchor, first_frame_ns: int, rate: int) -> Epoch:
        """Place a run whose first frame was converted at monotonic `first_frame_ns`.

        Never before the anchor: media time must not run backwards when clocks disagree.
        """
        return cls(number, max(anchor.media_at(first_frame_ns), anchor.media_time), rate)

    def media_time(self, device_frame: int) -> int:
        """Media time of a device frame, exact to half a sample."""
        return media_position(self.base, device_frame, self.rate)
