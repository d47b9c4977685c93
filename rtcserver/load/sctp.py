"""The least of SCTP that opens one data channel, says one thing and keeps it open (RFC 9260, RFC 8832). Pure.

The side that sends INIT. What it gets in order is acknowledged and thrown away; what is out of order
is not, so the server sends it again. Retransmission of its own chunks is the caller's: `pending` is
what has not been answered yet.
"""

from __future__ import annotations

import struct

from google_crc32c import value as crc32c

_PORT = 5000
_WINDOW = 1 << 20
_INIT, _INIT_ACK, _SACK, _HEARTBEAT, _HEARTBEAT_ACK, _ABORT = 1, 2, 3, 4, 5, 6
_COOKIE_ECHO, _COOKIE_ACK, _DATA, _FORWARD_TSN = 10, 11, 0, 192
_COOKIE = 7
_DCEP, _STRING = 50, 51
_DCEP_OPEN, _DCEP_ACK = 3, 2
# FORWARD-TSN (RFC 3758) and RE-CONFIG (RFC 6525) are supported: what data channels need.
_EXTENSIONS = struct.pack("!HHHHBBH", 0xC000, 4, 0x8008, 6, 192, 130, 0)


class DataChannelClient:
    """One association with one data channel on stream 0: unordered and unreliable, unless something is said.

    tag, tsn: 32 bits, chosen by the caller. say: a text for the server; then the channel is ordered and reliable.
    opened: the server has acknowledged the channel, and what was said.
    """

    def __init__(self, tag: int, tsn: int, label: str = "events", say: str = "") -> None:
        self._tag = tag
        self._tsn = tsn
        self._peer_tag = 0
        self._received = 0
        self._label = label.encode()
        self._say = say.encode()
        self._acknowledged = False
        self.opened = False
        self.failed = False
        self.messages = 0
        """DATA chunks that came in order."""
        init = struct.pack("!IIHHI", tag, _WINDOW, 1024, 1024, tsn) + _EXTENSIONS
        self.pending: bytes = _packet(0, _chunk(_INIT, 0, init))
        """The packet to send now, and again until it is answered; b"" when nothing is outstanding."""

    def receive(self, packet: bytes) -> list[bytes]:
        """Handle one SCTP packet; returns the packets to send now. Malformed ones are ignored."""
        if len(packet) < 16 or int.from_bytes(packet[4:8]) != self._tag:
            return []
        answers: list[bytes] = []
        acknowledge = False
        at = 12
        while at + 4 <= len(packet):
            kind, flags, length = struct.unpack_from("!BBH", packet, at)
            if length < 4:
                break
            body = packet[at + 4 : at + length]
            at += (length + 3) & ~3
            if kind == _DATA and len(body) >= 12:
                acknowledge = True
                answers += self._take_data(body)
            elif kind == _SACK and len(body) >= 12:
                self._take_sack(body)
            elif kind == _FORWARD_TSN and len(body) >= 4:
                acknowledge = True
                ahead = (int.from_bytes(body[:4]) - self._received) & 0xFFFFFFFF
                if ahead < 0x80000000:
                    self._received = int.from_bytes(body[:4])
            elif kind == _INIT_ACK and len(body) >= 16 and not self._peer_tag:
                answers += self._take_init_ack(body)
            elif kind == _COOKIE_ACK and not self._acknowledged:
                self.pending = self._open()
                answers.append(self.pending)
            elif kind == _HEARTBEAT:
                answers.append(_packet(self._peer_tag, _chunk(_HEARTBEAT_ACK, flags, body)))
            elif kind == _ABORT:
                self.failed = True
        if acknowledge:
            sack = struct.pack("!IIHH", self._received, _WINDOW, 0, 0)
            answers.append(_packet(self._peer_tag, _chunk(_SACK, 0, sack)))
        return answers

    def _take_init_ack(self, body: bytes) -> list[bytes]:
        peer_tag, _, _, _, tsn = struct.unpack_from("!IIHHI", body)
        at = 16
        while at + 4 <= len(body):
            kind, length = struct.unpack_from("!HH", body, at)
            if length < 4:
                break
            if kind == _COOKIE:
                self._peer_tag = peer_tag
                self._received = (tsn - 1) & 0xFFFFFFFF
                self.pending = _packet(peer_tag, _chunk(_COOKIE_ECHO, 0, body[at + 4 : at + length]))
                return [self.pending]
            at += (length + 3) & ~3
        return []

    def _open(self) -> bytes:
        """DATA_CHANNEL_OPEN (RFC 8832, section 5.1): reliable and ordered, or 0x81, neither."""
        kind = 0 if self._say else 0x81
        message = struct.pack("!BBHIHH", _DCEP_OPEN, kind, 256, 0, len(self._label), 0) + self._label
        data = struct.pack("!IHHI", self._tsn, 0, 0, _DCEP) + message
        return _packet(self._peer_tag, _chunk(_DATA, 3, data))

    def _take_data(self, body: bytes) -> list[bytes]:
        tsn, _, _, protocol = struct.unpack_from("!IHHI", body)
        if tsn != (self._received + 1) & 0xFFFFFFFF:
            return []
        self._received = tsn
        self.messages += 1
        if protocol != _DCEP or body[12:13] != bytes([_DCEP_ACK]) or self._acknowledged:
            return []
        self._acknowledged = True
        if not self._say:
            self.opened = True
            self.pending = b""
            return []
        data = struct.pack("!IHHI", (self._tsn + 1) & 0xFFFFFFFF, 0, 1, _STRING) + self._say
        self.pending = _packet(self._peer_tag, _chunk(_DATA, 3, data))
        return [self.pending]

    def _take_sack(self, body: bytes) -> None:
        """The server has what was said when it acknowledges the second of our chunks (RFC 9260, section 3.3.4)."""
        if self._acknowledged and int.from_bytes(body[:4]) == (self._tsn + 1) & 0xFFFFFFFF:
            self.opened = True
            self.pending = b""


def _chunk(kind: int, flags: int, body: bytes) -> bytes:
    return struct.pack("!BBH", kind, flags, len(body) + 4) + body + bytes(-len(body) % 4)


def _packet(tag: int, chunk: bytes) -> bytes:
    head = struct.pack("!HHI", _PORT, _PORT, tag)
    # CRC-32c in little-endian order (RFC 9260, appendix A).
    return head + struct.pack("<I", crc32c(head + bytes(4) + chunk)) + chunk
