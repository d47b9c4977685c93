"""What a listener has to say in the end."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from rtcserver.client.judgement import Judgement
from rtcserver.client.measure import AUDIBLE_DBFS, Delivery, Samples, Side, side


@dataclass(frozen=True, slots=True)
class ListenReport:
    """A `Delivery`, the sound of both sides, and the circumstances.

    connected_ms, first_packet_ms: since the listener set out; first_packet_ms is None if none came.
    state: the peer connection's at the end. audio_missing_ms: holes between the decoded frames.
    rejected: RTP datagrams that were not authentic. foreign: packets of another SSRC than the first's.
    returns: how often the listener came back (`rtcserver.client.returning`); the figures are of its last session.
    repair: what was offered against losses (`rtcserver.client.reception.Repair`). recovered: frames that came first in a
    later packet. asked: lost packets asked for, repetitions included. browser: how a browser would have played it; None
    where it is not known.
    """

    url: str
    codec: str | None
    state: str
    connected_ms: float
    first_packet_ms: float | None
    delivery: Delivery
    left: Side
    right: Side
    audio_missing_ms: float
    rejected: int
    foreign: int
    returns: int = 0
    repair: str = "none"
    recovered: int = 0
    asked: int = 0
    browser: Judgement | None = None

    @property
    def heard(self) -> bool:
        """Whether there were packets, and a side above `AUDIBLE_DBFS`."""
        return self.delivery.packets > 0 and max(self.left.dbfs, self.right.dbfs) > AUDIBLE_DBFS

    def to_json(self) -> dict[str, Any]:
        """Flat but for ``gap_list`` and ``browser``; see `Delivery`, `Side` and `Judgement` for the figures."""
        delivered = self.delivery
        return {
            "packets": delivered.packets,
            "lost": delivered.lost,
            "duplicates": delivered.duplicates,
            "reordered": delivered.reordered,
            "jitter_ms": delivered.jitter_ms,
            "jitter_max_ms": delivered.jitter_max_ms,
            "gaps": len(delivered.gap_list),
            "gap_ms": round(delivered.gap_ms, 3),
            "timestamp_errors": delivered.timestamp_errors,
            "frame_ms": delivered.frame_ms,
            "seconds": delivered.seconds,
            "complete": delivered.complete,
            "kbps": round(delivered.bytes * 8 / 1000 / delivered.seconds, 1) if delivered.seconds else 0.0,
            "left_dbfs": self.left.dbfs,
            "right_dbfs": self.right.dbfs,
            "left_hz": self.left.hz,
            "right_hz": self.right.hz,
            "codec": self.codec,
            "state": self.state,
            "connected_ms": round(self.connected_ms, 1),
            "first_packet_ms": None if self.first_packet_ms is None else round(self.first_packet_ms, 1),
            "audio_missing_ms": round(self.audio_missing_ms, 1),
            "rejected": self.rejected,
            "foreign": self.foreign,
            "returns": self.returns,
            "repair": self.repair,
            "recovered": self.recovered,
            "asked": self.asked,
            "heard": self.heard,
            "url": self.url,
            "browser": None if self.browser is None else self.browser.to_json(),
            "gap_list": [asdict(gap) for gap in delivered.gap_list],
        }

    def to_text(self) -> str:
        """A few lines for a person."""
        delivered = self.delivery
        if not delivered.packets:
            return f"{self.url}: connected, but no packets came"

        def words(name: str, of: Side) -> str:
            return f"{name} {of.dbfs:.1f} dBFS" + ("" if of.hz is None else f", {of.hz:.1f} Hz")

        return "\n".join(
            (
                f"{self.url}: {self.codec}, {delivered.frame_ms:g} ms frames, {delivered.seconds:g} s",
                f"{delivered.packets} packets, {delivered.lost} lost, {delivered.duplicates} duplicates, "
                f"{len(delivered.gap_list)} gaps ({delivered.gap_ms:.0f} ms), "
                f"jitter {delivered.jitter_ms:.2f} ms",
                *((f"repair: {self._repaired()}",) if self.recovered or self.asked else ()),
                *((self.browser.to_text(),) if self.browser is not None else ()),
                f"{words('left', self.left)}; {words('right', self.right)}",
                *((f"came back {self.returns} times; these are the figures since",) if self.returns else ()),
            )
        )

    def _repaired(self) -> str:
        return f"{self.recovered} frames came in a later packet, {self.asked} times a packet was asked for"


def sides(samples: Samples) -> tuple[Side, Side]:
    """Left and right of ``(frames, 2) int16``."""
    return side(samples[:, 0]), side(samples[:, 1])
