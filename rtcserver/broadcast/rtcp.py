"""What a sender says in RTCP (RFC 3550, section 6), before SRTCP. Pure."""

from __future__ import annotations

import struct

from rtcserver.clock import NS, ns_to_samples, samples_to_ns

SENDER_REPORT = 200
SOURCE_DESCRIPTION = 202
BYE = 203
_CNAME_ITEM = 1
_SR = struct.Struct("!BBHIQIII")
_WINDOW_NS = NS


def sender_report(ssrc: int, ntp: int, rtp_timestamp: int, packets: int, octets: int) -> bytes:
    """A sender report without reception blocks (section 6.4.1); counts are taken mod 2³²."""
    return _SR.pack(
        0x80,
        SENDER_REPORT,
        6,
        ssrc,
        ntp,
        rtp_timestamp & 0xFFFF_FFFF,
        packets & 0xFFFF_FFFF,
        octets & 0xFFFF_FFFF,
    )


def source_description(ssrc: int, cname: str) -> bytes:
    """An SDES packet with the CNAME item (section 6.5). Raises ValueError if it is over 255 bytes."""
    text = cname.encode()
    if not 0 < len(text) < 256:
        raise ValueError(f"a CNAME of {len(text)} bytes")
    chunk = struct.pack("!IBB", ssrc, _CNAME_ITEM, len(text)) + text
    # At least one zero ends the list of items, and more pad it to 32 bits.
    chunk += bytes(4 - len(chunk) % 4)
    return struct.pack("!BBH", 0x81, SOURCE_DESCRIPTION, len(chunk) // 4) + chunk


def bye(ssrc: int) -> bytes:
    """A BYE packet without a reason (section 6.6)."""
    return struct.pack("!BBHI", 0x81, BYE, 1, ssrc)


class CaptureClock:
    """Which media time is being captured at a monotonic time: the pair that a sender report states.

    A packet arrives when the block that completes it does, late by up to a block's length. The least
    late one of the last one to two seconds is the best witness of the capture clock; drift within
    two seconds is far below one sample.
    """

    def __init__(self) -> None:
        self._epoch: int | None = None
        self._window_ns = 0
        self._best: int | None = None
        """Monotonic ns of media time 0, by the earliest packet of this window."""
        self._previous: int | None = None

    def observe(self, media_time: int, duration: int, captured_ns: int, epoch: int) -> None:
        """Take a packet's first sample, length and capture time."""
        origin = captured_ns - samples_to_ns(media_time + duration)
        if epoch != self._epoch:
            self._epoch, self._best, self._previous = epoch, None, None
            self._window_ns = captured_ns
        if captured_ns - self._window_ns >= _WINDOW_NS:
            self._window_ns = captured_ns
            self._previous, self._best = self._best, None
        self._best = origin if self._best is None else min(self._best, origin)

    def captured_ns(self, media_time: int) -> int | None:
        """Monotonic ns at which this media time was captured, or None before the first packet."""
        witnesses = [origin for origin in (self._best, self._previous) if origin is not None]
        return min(witnesses) + samples_to_ns(media_time) if witnesses else None

    def media_at(self, now_ns: int) -> int | None:
        """Media time at monotonic `now_ns`, or None before the first packet."""
        witnesses = [origin for origin in (self._best, self._previous) if origin is not None]
        return ns_to_samples(now_ns - min(witnesses)) if witnesses else None
