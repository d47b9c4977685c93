"""When a packet's sound was captured, in the RTP header extension ``abs-capture-time``. Pure.

Whoever's answer names it gets it with the first packet and once a second: so a page, also one that is not ours, knows how
old its sound is. The one-byte form of RFC 8285, section 4.2, and the long form of the element::

    0                   1                   2                   3
    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +-------------------------------+-------------------------------+
    |            0xBEDE             |          length = 5           |
    +-------+-------+---------------+-------------------------------+
    |  id   |  15   |  absolute capture timestamp, UQ32.32, NTP ...  |
    +-------+-------+-----------------------------------------------+
    |  ... estimated capture clock offset, Q32.32, then zeros ...    |
    +---------------------------------------------------------------+

The offset is from the capture clock to the sender's, which are one here.
"""

from __future__ import annotations

import struct

from rtcserver.clock import NS, ntp_from_wall

MAX_ID = 14
"""Of an element in the one-byte form (RFC 8285, section 4.2)."""
SIZE = 24
"""Bytes of the whole header extension."""
INTERVAL_NS = NS
_EXTENSION = struct.Struct("!HHBQq3x")


def extension(number: int, wall_ns: int) -> bytes:
    """The header extension. number: the id that the answer gives it, 1 to `MAX_ID`. wall_ns: when the packet's first sample
    was captured, ns since 1970."""
    if not 1 <= number <= MAX_ID:
        raise ValueError(f"the id of a header extension is {number}: allowed is 1 to {MAX_ID}")
    return _EXTENSION.pack(0xBEDE, SIZE // 4 - 1, number << 4 | 15, ntp_from_wall(wall_ns), 0)
