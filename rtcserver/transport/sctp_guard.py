"""What an SCTP packet must look like before aiortc's association sees it (RFC 9260, RFC 3758, RFC 6525).

Pure. aiortc 1.16 parses trustingly: a parameter of length 0 loops, a gap block of 65,535 entries
expands to as many set members, a short chunk raises `struct.error` out of the parser. Every packet
is authenticated by DTLS, so what is refused here harms no one but its sender; the point is that it
costs the server nothing.

Common header, then chunks padded to four bytes::

    | source port   | destination port | verification tag | CRC-32c |
    | type | flags | length, unpadded | value ...
"""

from __future__ import annotations

import struct

MAX_PACKET = 1500
MAX_CHUNKS = 64
MAX_STREAMS = 256
"""Stream identifiers accepted. Browsers count up from 0 or 1; nobody needs more channels."""
MAX_GAPPED = 4096
"""TSNs that one SACK's gap blocks may span. More than the congestion window can ever have in flight."""
MAX_FORWARD_STREAMS = 64
MAX_PARAMETERS = 32

DATA, INIT, INIT_ACK, SACK, HEARTBEAT, HEARTBEAT_ACK, ABORT, SHUTDOWN = range(8)
ERROR = 9
RECONFIG, FORWARD_TSN = 130, 192
RESET_OUTGOING, RESET_RESPONSE, ADD_OUTGOING = 13, 16, 17

_CHUNK = struct.Struct("!BBH")
_U16x2 = struct.Struct("!HH")
_RECONFIG_MIN = {RESET_OUTGOING: 12, RESET_RESPONSE: 8, ADD_OUTGOING: 8}


class SctpError(ValueError):
    """The packet is not well-formed, or asks for more than a data channel needs."""


def check_packet(data: bytes) -> int:
    """The number of chunks. Raises `SctpError`, and nothing else, unless every length and count in the packet holds.

    The checksum is left to aiortc, which verifies it while parsing.
    """
    size = len(data)
    if not 16 <= size <= MAX_PACKET:
        raise SctpError("length outside of 16..1500 bytes")
    at = 12
    chunks = 0
    while at < size:
        if size - at < 4:
            raise SctpError("bytes after the last chunk")
        kind, _, length = _CHUNK.unpack_from(data, at)
        if length < 4 or at + length > size:
            raise SctpError("chunk length does not fit")
        chunks += 1
        if chunks > MAX_CHUNKS:
            raise SctpError("too many chunks")
        if kind in (INIT, INIT_ACK) and (at != 12 or at + length + 3 < size):
            raise SctpError("INIT is not alone in its packet")
        _check_chunk(kind, data[at + 4 : at + length])
        at += (length + 3) & ~3
    return chunks


def _check_chunk(kind: int, body: bytes) -> None:
    size = len(body)
    if kind == DATA:
        # RFC 9260, section 3.3.1: a DATA chunk without user data is an error.
        if size < 13:
            raise SctpError("DATA without data")
        if _U16x2.unpack_from(body, 4)[0] >= MAX_STREAMS:
            raise SctpError("stream identifier too large")
    elif kind == SACK:
        _check_sack(body)
    elif kind in (INIT, INIT_ACK):
        if size < 16:
            raise SctpError("INIT too short")
        if body[:4] == b"\x00\x00\x00\x00":
            raise SctpError("initiate tag is zero")
        _check_parameters(body[16:])
    elif kind == FORWARD_TSN:
        if size < 4 or size & 3 or (size - 4) // 4 > MAX_FORWARD_STREAMS:
            raise SctpError("FORWARD-TSN of wrong length")
        for at in range(4, size, 4):
            if _U16x2.unpack_from(body, at)[0] >= MAX_STREAMS:
                raise SctpError("stream identifier too large")
    elif kind == RECONFIG:
        for parameter, value in _check_parameters(body):
            if len(value) < _RECONFIG_MIN.get(parameter, 0) or len(value) & 1:
                raise SctpError("RE-CONFIG parameter too short")
    elif kind in (HEARTBEAT, HEARTBEAT_ACK, ABORT, ERROR):
        _check_parameters(body)
    elif kind == SHUTDOWN and size != 4:
        raise SctpError("SHUTDOWN of wrong length")


def _check_sack(body: bytes) -> None:
    if len(body) < 12:
        raise SctpError("SACK too short")
    gaps, duplicates = _U16x2.unpack_from(body, 8)
    if len(body) != 12 + 4 * (gaps + duplicates):
        raise SctpError("SACK counts do not fit")
    last = 0
    for index in range(gaps):
        start, end = _U16x2.unpack_from(body, 12 + 4 * index)
        if start <= last or end < start or end > MAX_GAPPED:
            raise SctpError("SACK gap blocks out of order or too wide")
        last = end


def _check_parameters(body: bytes) -> list[tuple[int, bytes]]:
    parameters: list[tuple[int, bytes]] = []
    at = 0
    while at < len(body):
        if len(body) - at < 4:
            raise SctpError("bytes after the last parameter")
        kind, length = _U16x2.unpack_from(body, at)
        if length < 4 or at + length > len(body):
            raise SctpError("parameter length does not fit")
        parameters.append((kind, body[at + 4 : at + length]))
        if len(parameters) > MAX_PARAMETERS:
            raise SctpError("too many parameters")
        at += (length + 3) & ~3
    return parameters
