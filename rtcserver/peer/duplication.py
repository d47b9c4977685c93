"""Whether a listener gets each packet twice, by what it loses. Pure.

For listeners that can read no redundancy (`rtcserver.peer.redundancy`) and do not ask for what they miss: Firefox, aiortc
and others. The second copy is the same SRTP packet some milliseconds later, which a receiver that has the first drops as
a replay. It doubles what the listener is sent, so it gets copies only while it loses packets:

- on: with the first report of losses of more than `SMALL`;
- off: after `CALM_S` without any. What a copy repairs is lost no more by the reports, so this is a trial: where losses
  come back within as long again, the next one comes after twice the time, up to `MOST_CALM_S`;
- never again once the listener asks for a packet: then it gets what it asks for.

A listener that reports losses that are not true gets at most each packet twice.
"""

from __future__ import annotations

from rtcserver.peer.losses import SMALL, LossShare

CALM_S = 30.0
MOST_CALM_S = 480.0


class Duplication:
    """One listener's."""

    def __init__(self) -> None:
        self.on = False
        """Whether each packet is to be sent twice."""
        self.used = False
        """Whether that was ever so: more packets may have come than were sent once."""
        self._asks = False
        self._share = LossShare()
        self._calm_s = 0.0
        self._needed_s = CALM_S

    def asked(self) -> None:
        """The listener asks for packets that it misses."""
        self._asks = True
        self.on = False

    def forgive(self) -> None:
        """What was lost of late was lost since too much was sent: more of it would not repair that."""
        self.on = False
        self._calm_s = 0.0
        self._share.clear()

    def report(self, expected: int, lost: int, elapsed_s: float) -> bool:
        """`on` after a report.

        expected, lost: packets of the interval; `lost` may be negative when late ones came. elapsed_s: its length.
        """
        share = self._share.add(expected, lost, elapsed_s)
        if share is None or self._asks:
            return self.on
        elapsed_s = self._share.elapsed_s
        self._share.clear()
        if share <= SMALL:
            self._calm_s += elapsed_s
            if self._calm_s >= self._needed_s:
                # Without copies for as long: whatever the trial was for is over.
                self._needed_s = self._needed_s if self.on else CALM_S
                self.on = False
                self._calm_s = 0.0
            return self.on
        if not self.on and self.used:
            # The trial failed, unless it is so long ago that `_needed_s` is back where it began.
            self._needed_s = min(2 * self._needed_s, MOST_CALM_S)
        self.on = self.used = True
        self._calm_s = 0.0
        return True
