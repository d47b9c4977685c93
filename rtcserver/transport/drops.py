"""What the endpoint drops, by reason, in the log: a line a second at most, however much it is."""

from __future__ import annotations

import logging
from collections import Counter

from rtcserver.transport.budget import LIMITS

LOG_NS = 1_000_000_000
DROPS = (
    "udp_empty",
    "udp_oversized",
    "unknown_protocol",
    "stranger",
    "stun_malformed",
    "stun_bad_integrity",
    "stun_unknown_ufrag",
    "rtcp_not_authentic",
    "rtcp_malformed",
    "rtp_received",
    "sctp_malformed",
    "sctp_refused",
    "sctp_errors",
    "dtls_malformed",
    "peer_errors",
    *(f"over_{limit.name}" for limit in LIMITS),
    "gate_dropped",
    "udp_overflowed",
)
"""Names of counters."""

log = logging.getLogger(__name__)


class DropLog:
    """counters: the endpoint's."""

    def __init__(self, counters: Counter[str]) -> None:
        self._counters = counters
        self._logged_ns = 0
        self._logged = 0

    def tick(self, now_ns: int) -> None:
        """Log what has been dropped since the last line."""
        if now_ns - self._logged_ns < LOG_NS:
            return
        drops = sum(self._counters[name] for name in DROPS)
        if drops != self._logged:
            log.info(
                "dropped %d datagrams: %s",
                drops - self._logged,
                {name: self._counters[name] for name in DROPS if self._counters[name]},
            )
            self._logged_ns, self._logged = now_ns, drops
