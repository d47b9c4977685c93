"""How long a client waits: for packets that do not come, and before it asks a server again. Pure.

The page keeps to the same law (`static/listen/backoff.js`).
"""

from __future__ import annotations

QUIET_S = 0.4
"""So long without a packet, and a client asks the server whether its session is still there."""
LOST_S = 15.0
"""So long without a packet, and it connects anew whatever the server says: a network may be away for ten seconds."""
FIRST_S = 0.1
"""The first wait for a server that does not answer; a refused connection costs both sides next to nothing."""
SPREAD_S = 0.25
"""Those who lose a server together, or are asked to wait by it, come within so long, not all at the same moment."""
ASK_S = 0.25
"""The wait before a server that has the session, and sends nothing, is asked for it again."""
GROWTH = 1.05
"""Each wait is so much longer than the one before: about a twentieth of the time that the server has been away."""
CAP_S = 15.0
RETRY_AFTER_CAP_S = 120.0
"""A server's Retry-After is honoured up to this."""


def wait_s(attempt: int, random: float, retry_after_s: float = 0.0) -> float:
    """Seconds before the next attempt: between half and all of a wait that grows slowly, so that many do not come at once.

    attempt: consecutive failures, from 1. random: in [0, 1). retry_after_s: what the server asked for; the wait is
    never shorter, and everybody's is another.
    """
    ceiling = min(CAP_S, FIRST_S * GROWTH ** min(max(attempt, 1) - 1, 200))
    wait = ceiling / 2 + ceiling / 2 * random
    asked = min(max(retry_after_s, 0.0), RETRY_AFTER_CAP_S)
    return max(wait, asked + SPREAD_S * random) if asked else wait


def ask_again_s(*, there: bool, random: float) -> float:
    """Seconds before the next question for a session that is quiet. there: the server said that it has the session."""
    return (ASK_S if there else FIRST_S) * (1 + random) / 2
