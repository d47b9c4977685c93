"""Which requests to resend are worth passing on. Pure."""

from __future__ import annotations

from rtcserver.broadcast.group import MAX_HISTORY
from rtcserver.broadcast.listener import ListenerCounters
from rtcserver.peer.sent import COUNTERS_AGE_S, SENT_AT_ONCE, may_be_kept

ALL = range(0x10000)
FIRST = 30_000


def counted(packets: int) -> ListenerCounters:
    """Counters after `packets` numbers were used, some of them for packets that did not leave."""
    return ListenerCounters(1, packets - 5, 0, 0, 3, 2)


def test_before_anything_was_sent_almost_nothing_can_be_missed() -> None:
    assert may_be_kept(ALL, FIRST, 0.0, 100, None) == tuple(range(FIRST, FIRST + SENT_AT_ONCE))


def test_numbers_that_were_never_sent_are_left_out() -> None:
    kept = may_be_kept(ALL, FIRST, 3.0, 100, None)
    assert kept == tuple(range(FIRST, FIRST + 300 + SENT_AT_ONCE))


def test_numbers_that_are_long_gone_are_left_out() -> None:
    packets = 100_000  # more than once around
    kept = set(may_be_kept(ALL, FIRST, 2000.0, 100, counted(packets)))
    newest = FIRST + packets + COUNTERS_AGE_S * 100 + SENT_AT_ONCE
    assert kept == {n & 0xFFFF for n in range(FIRST + packets - MAX_HISTORY, newest)}


def test_whatever_the_broadcast_process_keeps_is_passed_on() -> None:
    # Counters are up to some seconds old: packets that were sent since are kept, too.
    for since in (0, 1, 500, 100 * COUNTERS_AGE_S):
        newest = FIRST + 5000 + since - 1
        wanted = [(newest - age) & 0xFFFF for age in range(60)]
        assert list(may_be_kept(wanted, FIRST, 50 + since / 100, 100, counted(5000))) == wanted
