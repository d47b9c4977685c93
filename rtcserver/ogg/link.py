"""A room's Opus packets as a chain of logical Ogg streams (RFC 7845). Pure.

All readers of a room get the same pages. One that comes later gets the two header pages of the present link first, and then
pages whose numbers go on from where the others are: RFC 3533 takes that for a loss, and players for a join.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping

from rtcserver import __version__
from rtcserver.clock import MEDIA_RATE
from rtcserver.encode.packet import EncodedPacket
from rtcserver.ogg.page import BEGINS, ENDS, MAX_SEGMENTS, page, segments_of

PRE_SKIP = 3840
"""Samples that a decoder drops at its begin: 80 ms, as it joins an encoder that has been running (RFC 7845, section 4.2)."""
PAGE_SAMPLES = 4800
"""Sound of a page: 100 ms."""
MAX_FILL_SAMPLES = 2 * MEDIA_RATE
"""A gap up to here is filled with silent packets; behind a longer one a new link begins."""
MIN_LINK_SAMPLES = 3 * MEDIA_RATE
"""A link goes on for so long before another title ends it."""
MAX_COMMENT_BYTES = 512
"""Of each comment; a longer one is cut."""


class Chain:
    """Packets in, pages out: one link after the other, with granule positions by the room's media time.

    PCM positions (granule position minus pre-skip) are media times, so positions in a player are those of the room's
    clock. frame_samples: samples in a packet at 48 kHz. silence: a packet of silence of that length. new_serial: makes
    serial numbers (32 bits), a different one each time. comments: of the first link (RFC 7845, section 5.2).

    head: the two header pages of the present link, which a reader needs first. links: how many have begun.
    filled: silent packets that were put into gaps.
    """

    def __init__(
        self,
        frame_samples: int,
        silence: bytes,
        new_serial: Callable[[], int],
        comments: Mapping[str, str],
    ) -> None:
        self._frame = frame_samples
        self._silence = silence
        self._new_serial = new_serial
        self._wanted = comments
        self._packets: list[bytes] = []
        self._segments = 0
        self._samples = 0
        self._next: int | None = None
        """Media time at which the next packet is to begin."""
        self._link_begins = 0
        self.links = 0
        self.filled = 0
        self._begin()

    @property
    def comments(self) -> Mapping[str, str]:
        """Those of the present link."""
        return self._comments

    def push(self, packet: EncodedPacket) -> list[bytes]:
        """Take the next packet; the pages that are complete with it, and a new link's headers if one begins.

        A packet from before the end of what was taken is left out.
        """
        pages: list[bytes] = []
        if self._next is None:
            self._link_begins = packet.media_time
        else:
            gap = packet.media_time - self._next
            if gap < 0:
                return []
            if gap > MAX_FILL_SAMPLES:
                pages += (self.farewell(), self._begin())
                self._link_begins = packet.media_time
            else:
                for _ in range(gap // self._frame):
                    self.filled += 1
                    pages += self._add(self._silence, self._next, self._frame)
        last = self._retitled and packet.media_time - self._link_begins >= MIN_LINK_SAMPLES
        return pages + self._add(packet.payload, packet.media_time, packet.duration, last=last)

    def retitle(self, comments: Mapping[str, str]) -> None:
        """Let a new link begin behind the next packet, if these are other comments and the present one is not too new."""
        self._retitled = comments != self._comments
        self._wanted = comments

    def farewell(self) -> bytes:
        """The last page, for readers whom this link ends for: what no page has yet, and a silent packet. Changes nothing."""
        position = (self._next or 0) + self._frame + PRE_SKIP
        return page(self._serial, self._number, position, (*self._packets, self._silence), ENDS)

    def _begin(self) -> bytes:
        """Begin a link; its header pages."""
        self._comments = dict(self._wanted)
        self._retitled = False
        self._serial = self._new_serial()
        self._number = 2
        self._clear()
        self.links += 1
        self.head = page(self._serial, 0, 0, (head(),), BEGINS) + page(
            self._serial, 1, 0, (tags(self._comments),)
        )
        return self.head

    def _add(self, payload: bytes, media_time: int, duration: int, *, last: bool = False) -> list[bytes]:
        pages = []
        segments = segments_of(payload)
        # One is left for the silent packet of a last page.
        if self._segments + segments >= MAX_SEGMENTS:
            pages.append(self._page())
        self._packets.append(payload)
        self._segments += segments
        self._samples += duration
        self._next = media_time + duration
        if last:
            pages += (self._page(ENDS), self._begin())
            self._link_begins = self._next
        elif self._samples >= PAGE_SAMPLES:
            pages.append(self._page())
        return pages

    def _page(self, flags: int = 0) -> bytes:
        assert self._next is not None, "packets were added"
        made = page(self._serial, self._number, self._next + PRE_SKIP, self._packets, flags)
        self._number += 1
        self._clear()
        return made

    def _clear(self) -> None:
        self._packets, self._segments, self._samples = [], 0, 0


def head() -> bytes:
    """OpusHead: version 1, two channels, 48 kHz, no gain, channel mapping family 0 (RFC 7845, section 5.1)."""
    return struct.pack("<8sBBHIhB", b"OpusHead", 1, 2, PRE_SKIP, MEDIA_RATE, 0, 0)


def tags(comments: Mapping[str, str]) -> bytes:
    """OpusTags: the vendor and ``NAME=value`` for each comment (RFC 7845, section 5.2)."""
    texts = [f"rtcserver {__version__}".encode(), *(_comment(k, v) for k, v in comments.items())]
    vendor, *others = (struct.pack("<I", len(text)) + text for text in texts)
    return b"".join((b"OpusTags", vendor, struct.pack("<I", len(others)), *others))


def plain(text: str) -> str:
    """One line of text without what cannot be shown: control characters and lone surrogates become U+FFFD."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _comment(name: str, value: str) -> bytes:
    whole = f"{name}={plain(value)}".encode()
    # What is cut may end in the middle of a character.
    return whole[:MAX_COMMENT_BYTES].decode(errors="ignore").encode()
