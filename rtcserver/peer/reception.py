"""Which receiver reports can be true, and what of the sound's way they tell. Pure.

A report says what a listener's own stack counted (RFC 3550, section 6.4.1), and stacks count wrongly: some begin at
sequence number 0 and take all before the first packet for lost, some count one packet twice, some state a sequence
number that was never sent. Believed, such a report is a listener with 92 % of loss for ever. So a report is judged by
what this server knows for certain: which sequence numbers it sent, and how often it sent one again.

Losses are counted from report to report. A report that cannot be true is left out, but its sum is where the next one
counts from, so that one wrong start does not spoil what follows.
"""

from __future__ import annotations

from dataclasses import dataclass

from rtcserver.clock import MEDIA_RATE
from rtcserver.transport.rtcp import ReportBlock

MAX_JITTER = 5 * MEDIA_RATE
"""Samples at 48 kHz. More is a clock of another rate, or none."""
MAX_ROUND_TRIP = 10 * 65_536
"""In 1/65536 s: later than this nobody waits for sound."""
MISSED_REPORTS = 3
"""Reports in a row that may have been lost on the way: the fraction is of the last interval alone."""


@dataclass(frozen=True, slots=True)
class Reception:
    """What a report that can be true says.

    expected, lost: packets since the report before; lost is negative when packets that were missing came after all.
    jitter: in samples at 48 kHz, None from a listener that does not measure it. round_trip_s: None likewise.
    """

    expected: int
    lost: int
    jitter: int | None
    round_trip_s: float | None

    def values(self) -> dict[str, float]:
        """By the names that pages use in their own reports (`rtcserver.channel.telemetry.STATS_FIELDS`)."""
        values = {"packets": float(self.expected - self.lost), "lost": float(self.lost)}
        if self.jitter is not None:
            values["jitter_ms"] = self.jitter * 1000 / MEDIA_RATE
        if self.round_trip_s is not None:
            values["rtt_ms"] = self.round_trip_s * 1000
        return values


class ReceptionJudge:
    """One listener's reports. first_sequence: of the first packet that it was sent."""

    def __init__(self, first_sequence: int) -> None:
        self._first = first_sequence
        self._highest = first_sequence - 1
        self._told = 0
        """The sum of lost packets in the report before, whether it could be true or not."""
        self.lost = 0
        """Packets lost, by the reports that can be true; negative if more came than were sent once."""
        self.reports = 0
        self.left_out = 0

    def judge(self, block: ReportBlock, sent: int, resent: int, ntp_mid: int) -> Reception | None:
        """What a report says, or None if it cannot be true. Its jitter is in samples at 48 kHz.

        sent: packets sent so far, at most. resent: packets sent again so far, at most. ntp_mid: the middle 32 bits
        of the present NTP time, by the clock of the sender reports.
        """
        self.reports += 1
        if not self._first <= block.highest_sequence < self._first + sent:
            self.left_out += 1
            return None  # it is about packets that do not exist: nothing in it is of use
        expected = block.highest_sequence - self._highest
        lost = block.lost - self._told
        true = expected >= 0 and self._can_be(block, expected, lost, resent)
        self._told = block.lost
        self._highest = max(self._highest, block.highest_sequence)
        if not true:
            self.left_out += 1
            return None
        self.lost += lost
        return Reception(expected, lost, block.jitter or None, _round_trip_s(block, ntp_mid))

    def _can_be(self, block: ReportBlock, expected: int, lost: int, resent: int) -> bool:
        # The packet with the highest number has come, so not all can be lost.
        if lost > max(0, expected - 1):
            return False
        # More can only have come than were sent once if some were sent twice.
        if self.lost + lost < -resent:
            return False
        if block.jitter > MAX_JITTER:
            return False
        if self._highest < self._first or not block.fraction_lost:
            return True
        # The fraction is of an interval that ends with this report, and the sum has grown in it.
        return lost > 0 and block.fraction_lost * expected <= 256 * (1 + MISSED_REPORTS) * (lost + 1)


def _round_trip_s(block: ReportBlock, ntp_mid: int) -> float | None:
    """RFC 3550, section 6.4.1: now, less the last sender report, less the time that it lay with the receiver."""
    if not block.last_sr or not block.delay_since_sr:
        return None  # none came yet; nobody answers at once, so 0 is a receiver that does not measure
    since = (ntp_mid - block.last_sr - block.delay_since_sr) & 0xFFFF_FFFF
    return since / 65_536 if since <= MAX_ROUND_TRIP else None
