"""What one session may cost. How many there may be is `rtcserver.access.admission`'s. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from rtcserver.sdp.lines import SdpLimits


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """media_lines, candidates: of its descriptions. channels: DataChannels that may be open. patches_per_minute,
    restarts_per_minute: what PATCH brings, and ICE restarts among it; a minute's number may come at once."""

    media_lines: int = 32
    candidates: int = 64
    channels: int = 16
    patches_per_minute: int = 120
    restarts_per_minute: int = 20

    @property
    def sdp(self) -> SdpLimits:
        """Those of descriptions."""
        return SdpLimits(self.media_lines, self.candidates)
