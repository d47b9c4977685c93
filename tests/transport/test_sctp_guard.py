"""SCTP packets before aiortc sees them: what aiortc itself writes passes, what would hurt it does not."""

from __future__ import annotations

import contextlib
import struct

import pytest
from aiortc import rtcsctptransport as sctp
from hypothesis import given
from hypothesis import strategies as st

from rtcserver.transport.sctp_guard import MAX_CHUNKS, MAX_GAPPED, SctpError, check_packet


def packet(*chunks: bytes) -> bytes:
    return struct.pack("!HHII", 5000, 5000, 1, 0) + b"".join(chunks)


def chunk(kind: int, body: bytes, length: int | None = None) -> bytes:
    size = 4 + len(body) if length is None else length
    return struct.pack("!BBH", kind, 0, size) + body + bytes(-len(body) % 4)


def parameter(kind: int, body: bytes, length: int | None = None) -> bytes:
    return (
        struct.pack("!HH", kind, 4 + len(body) if length is None else length) + body + bytes(-len(body) % 4)
    )


INIT = struct.pack("!IIHHI", 7, 65536, 10, 10, 1)


def sack(gaps: list[tuple[int, int]], duplicates: int = 0, count: int | None = None) -> bytes:
    body = struct.pack("!IIHH", 1, 2, len(gaps) if count is None else count, duplicates)
    return chunk(3, body + b"".join(struct.pack("!HH", *g) for g in gaps) + bytes(4 * duplicates))


def written_by_aiortc() -> list[bytes]:
    init = sctp.InitChunk()
    init.initiate_tag, init.advertised_rwnd, init.initial_tsn = 7, 1000, 1
    init.outbound_streams = init.inbound_streams = 65535
    init.params = [(0xC000, b""), (0x8008, b"\xc0\x82")]
    data = sctp.DataChunk(flags=3)
    data.tsn, data.user_data = 5, b"x" * 1100
    selective = sctp.SackChunk()
    selective.gaps, selective.duplicates = [(2, 3), (5, 5)], [4]
    forward = sctp.ForwardTsnChunk()
    forward.cumulative_tsn, forward.streams = 9, [(1, 2)]
    reset = sctp.ReconfigChunk()
    reset.params = [(13, bytes(sctp.StreamResetOutgoingParam(1, 2, 3, [1])))]
    shutdown = sctp.ShutdownChunk()
    echo = sctp.CookieEchoChunk(body=bytes(24))
    heartbeat = sctp.HeartbeatChunk()
    heartbeat.params = [(1, b"time")]
    chunks = [init, data, selective, forward, reset, shutdown, echo, heartbeat, sctp.AbortChunk()]
    chunks += [
        sctp.CookieAckChunk(),
        sctp.ShutdownAckChunk(),
        sctp.ShutdownCompleteChunk(),
        sctp.ErrorChunk(),
    ]
    return [sctp.serialize_packet(5000, 5000, 1, c) for c in chunks]


@pytest.mark.parametrize("data", written_by_aiortc())
def test_what_aiortc_writes_passes(data: bytes) -> None:
    check_packet(data)


def test_unknown_chunks_pass() -> None:
    check_packet(packet(chunk(0x80, b"abc"), chunk(0, bytes(12) + b"x")))


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"", "length outside"),
        (packet(), "length outside"),
        (packet(chunk(0x80, bytes(1600))), "length outside"),
        (packet(chunk(11, b""), b"\x00\x00"), "after the last chunk"),
        (packet(chunk(11, b"", length=0)), "chunk length"),
        (packet(chunk(11, b"", length=3)), "chunk length"),
        (packet(chunk(11, b"", length=8)), "chunk length"),
        (packet(*[chunk(11, b"")] * (MAX_CHUNKS + 1)), "too many chunks"),
        (packet(chunk(1, INIT), chunk(11, b"")), "not alone"),
        (packet(chunk(11, b""), chunk(1, INIT)), "not alone"),
        (packet(chunk(1, INIT[:12])), "INIT too short"),
        (packet(chunk(1, bytes(16))), "tag is zero"),
        (packet(chunk(1, INIT + parameter(0x8008, b"", length=0))), "parameter length"),
        (packet(chunk(1, INIT + parameter(0x8008, b"", length=3))), "parameter length"),
        (packet(chunk(1, INIT + parameter(0x8008, b"", length=500))), "parameter length"),
        (packet(chunk(1, INIT + parameter(1, b"") * 40)), "too many parameters"),
        (packet(chunk(1, INIT + b"\x00\x00")), "after the last parameter"),
        (packet(chunk(0, bytes(12))), "without data"),
        (packet(chunk(0, b"")), "without data"),
        (packet(chunk(0, struct.pack("!IHHI", 1, 9999, 0, 51) + b"x")), "stream identifier"),
        (packet(chunk(3, bytes(8))), "SACK too short"),
        (packet(sack([], count=1)), "counts"),
        (packet(sack([(1, 1)], count=0)), "counts"),
        (packet(sack([(3, 2)])), "gap blocks"),
        (packet(sack([(0, 2)])), "gap blocks"),
        (packet(sack([(1, 5), (4, 6)])), "gap blocks"),
        (packet(sack([(1, MAX_GAPPED + 1)])), "gap blocks"),
        (packet(sack([(1, 65535)] * 300)), "gap blocks"),
        (packet(chunk(192, b"abc")), "FORWARD"),
        (packet(chunk(192, bytes(6))), "FORWARD"),
        (packet(chunk(192, bytes(4 + 4 * 65))), "FORWARD"),
        (packet(chunk(192, bytes(4) + b"\xff\xff\x00\x00")), "stream identifier"),
        (packet(chunk(130, parameter(13, bytes(8)))), "RE-CONFIG"),
        (packet(chunk(130, parameter(13, bytes(13)))), "RE-CONFIG"),
        (packet(chunk(130, parameter(16, bytes(4)))), "RE-CONFIG"),
        (packet(chunk(4, parameter(1, b"", length=2))), "parameter length"),
        (packet(chunk(7, b"")), "SHUTDOWN"),
    ],
)
def test_what_would_hurt_is_refused(data: bytes, rule: str) -> None:
    with pytest.raises(SctpError, match=rule):
        check_packet(data)


@given(st.binary(max_size=300))
def test_arbitrary_bytes_raise_only_sctp_errors(data: bytes) -> None:
    with contextlib.suppress(SctpError):
        check_packet(data)


@given(st.lists(st.tuples(st.sampled_from([*range(15), 130, 192]), st.binary(max_size=60)), max_size=4))
def test_what_passes_is_parsed_by_aiortc(chunks: list[tuple[int, bytes]]) -> None:
    """The guard is at least as strict as aiortc's parser: nothing that passes makes it raise or loop."""
    data = packet(*(chunk(kind, body) for kind, body in chunks))
    try:
        check_packet(data)
    except SctpError:
        return
    head = data[:8] + bytes(4) + data[12:]
    sctp.parse_packet(data[:8] + struct.pack("<I", sctp.crc32c(head)) + data[12:])
