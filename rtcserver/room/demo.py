"""The demo piece as a room's members see it. Loop-bound.

Its notes are known beforehand, so they are not sent: a member is told when the piece began, and its page has them from
``GET /api/rooms/{room}/demo``. To send them as those of performers are sent would cost 25 messages a second to each
listener, for as long as nobody plays.
"""

from __future__ import annotations

from collections.abc import Callable

from rtcserver.capture import demo
from rtcserver.capture.kinds import kind_of
from rtcserver.channel import announce
from rtcserver.clock import MEDIA_RATE
from rtcserver.errors import PeerError
from rtcserver.instrument.supervisor import InstrumentSupervisor


class DemoPiece:
    """Tells everyone when the instrument's demo piece begins and ends.

    tell_all: says JSON to every member. played: the piece as it is told now, None while it does not play.
    """

    def __init__(self, instrument: InstrumentSupervisor, tell_all: Callable[[str], None]) -> None:
        self.played: dict[str, object] | None = None
        self._instrument = instrument
        self._tell_all = tell_all
        instrument.on_demo = self._on_demo

    @property
    def title(self) -> str:
        """Its title while it plays, else ""."""
        return demo.TITLE if self.played is not None else ""

    def score(self) -> dict[str, object]:
        """Every note of a round: `rtcserver.capture.demo.notes`. Raises PeerError(404) where it is never played."""
        config = self._instrument.config
        if "demo" not in kind_of(config).settings or not config.demo:
            raise PeerError(404, "no_demo", "The instrument of this room plays no demo piece.")
        return {"title": demo.TITLE, "notes": demo.notes()}

    def _on_demo(self) -> None:
        status = self._instrument.status
        if status.demo_ns and status.rate:
            # A round is a whole number of the instrument's frames, and so no whole number of samples at 44.1 kHz.
            round_samples = demo.loop_frames(status.rate) * MEDIA_RATE / status.rate
            self.played = {
                "since": self._instrument.anchor.media_at(status.demo_ns),
                "round": round(round_samples, 6),
            }
        else:
            self.played = None
        self._tell_all(announce.demo(self.played))
