"""Hostile packets as data: kinds × mutations × senders, and those that need a name of their own.

A case says who sends what and which counter must tell of it. It runs beside a `Bystander`, whose
streams must have no gap; other suites bring their own bystander.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, Protocol

from aiortc import rtp

from rtcserver.transport import stun
from rtcserver.transport.endpoint import MediaEndpoint
from tests.transport.mutations import mutations
from tests.transport.raw import RawClient, RawPeer, seal
from tests.transport.stock import until

Sender = Literal["stranger", "bound", "session", "associated"]
"""How far the sender has got: no ICE at all, ICE only, DTLS too, SCTP too."""

Build = Callable[[RawPeer], list[bytes]]


@dataclass(frozen=True)
class Case:
    """counters: at least one of them must rise; () where a mutation may have left the packet harmless.

    elsewhere: what the sender built is sent from an address of its own, unknown to the server.
    """

    name: str
    sender: Sender
    build: Build
    counters: tuple[str, ...] = ()
    elsewhere: bool = False


class Bystander(Protocol):
    """Somebody with a session who must not notice anything."""

    async def start(self, endpoint: MediaEndpoint) -> None:
        """Join."""

    async def beat(self) -> None:
        """Send and receive a little; raise AssertionError if anything is missing or out of order."""

    async def finish(self) -> None:
        """Leave."""


TID = bytes(range(12))
HELLO = bytes.fromhex(
    "16feff0000000000000000007a0100006e000000000000006efefd" + "11" * 32 + "0000" + "0008c02bc02fcca9cca8"
    "01000036" + "00170000" + "ff01000100" + "000a00080006001d00170018" + "000b00020100"
    "000d000a0008040308040503080600" + "0e000b000800070008000100020000" + "000000"
)
"""Much like a ClientHello; what is wrong with it is for OpenSSL to find."""
RECORD = b"\x17\xfe\xfd\x00\x01" + bytes(5) + b"\x07\x00\x40" + bytes(range(64))
ALERT = bytes.fromhex("15fefd00000000000000000002") + b"\x02\x28"
RTP = struct.pack("!BBHII", 0x80, 111, 7, 960, 0xCAFE) + bytes(100)
RTCP = struct.pack("!BBHI", 0x80, 201, 1, 1) + bytes(30)
TURN = b"\x40\x00\x00\x04abcd"


def _fixed(data: bytes) -> Build:
    return lambda client: [data]


def _refingerprint(data: bytes) -> bytes:
    """A spoiled STUN message that has its length and FINGERPRINT right again."""
    body = data[20:-8]
    body += bytes(-len(body) % 4)
    head = data[:2] + (len(body) + 8).to_bytes(2, "big") + stun.COOKIE.to_bytes(4, "big") + data[8:20]
    checksum = stun.crc32(head + body) ^ 0x5354554E
    return head + body + struct.pack("!HHI", stun.FINGERPRINT, 4, checksum)


STRANGER_KINDS: list[tuple[str, bytes, tuple[str, ...]]] = [
    ("dtls-hello", HELLO, ("stranger",)),
    ("dtls-record", RECORD, ("stranger",)),
    ("rtp", RTP, ("stranger", "unknown_protocol")),
    ("rtcp", RTCP, ("stranger", "unknown_protocol")),
    ("turn", TURN, ("unknown_protocol",)),
]
STUN_SILENT = (
    "stun_malformed",
    "stun_bad_integrity",
    "stun_unknown_ufrag",
    "stun_incomplete",
    "stun_not_request",
    "stun_wrong_remote_ufrag",
)


def cases() -> list[Case]:
    """All of them. Names are unique."""
    found = [*_strangers(), *_bound(), *_sessions(), *_associated(), *_association_specials()]
    assert len({case.name for case in found}) == len(found)
    return found


def _strangers() -> Iterator[Case]:
    for seed, (kind, good, counters) in enumerate(STRANGER_KINDS):
        yield Case(f"stranger/{kind}/as-it-is", "stranger", _fixed(good), counters)
        for name, bad in mutations(seed, good):
            yield Case(f"stranger/{kind}/{name}", "stranger", _fixed(bad), counters)
    for name, _ in mutations(9, bytes(120)):
        yield Case(f"stranger/stun/{name}", "stranger", _mutated_check(name, False), STUN_SILENT)
    for name in [f"flip-{n}" for n in range(6)]:
        yield Case(f"stranger/stun-sealed/{name}", "stranger", _mutated_check(name, True), STUN_SILENT)
    yield Case("stranger/empty", "stranger", _fixed(b""), ("udp_empty",))
    yield Case("stranger/oversized", "stranger", _fixed(b"\x80" + bytes(1500)), ("udp_oversized",))
    yield Case("stranger/huge", "stranger", _fixed(bytes(65507)), ("udp_oversized",))
    for first in (4, 15, 19, 64, 127, 192, 255):
        counters = ("unknown_protocol",)
        yield Case(f"stranger/first-byte-{first}", "stranger", _fixed(bytes([first]) + bytes(40)), counters)
    yield Case(
        "stranger/stun/wrong-password",
        "stranger",
        lambda c: [c.check(password="x" * 24)],
        ("stun_bad_integrity",),
    )
    yield Case(
        "stranger/stun/unknown-ufrag",
        "stranger",
        lambda c: [c.check(ufrag="nobody")],
        ("stun_unknown_ufrag",),
    )
    yield Case(
        "stranger/stun/response",
        "stranger",
        _fixed(stun.build_success(TID, ("127.0.0.1", 1), b"k")),
        ("stun_not_request",),
    )
    yield Case("stranger/stun/flood", "stranger", lambda c: [c.check(password="y")] * 300, STUN_SILENT)


def _mutated_check(name: str, sealed: bool) -> Build:
    """One mutation of a check that carries the ufrag and the password of a live session."""

    def build(client: RawPeer) -> list[bytes]:
        good = client.check()
        bad = dict(mutations(9, good)).get(name, good[:-1])
        return [_refingerprint(bad) if sealed else bad]

    return build


def _bound() -> Iterator[Case]:
    for name, bad in mutations(20, HELLO):
        yield Case(f"bound/dtls-hello/{name}", "bound", _fixed(bad))
    for name, bad in mutations(21, RECORD):
        yield Case(f"bound/dtls-record/{name}", "bound", _fixed(bad))
    yield Case("bound/dtls-alert", "bound", _fixed(ALERT), ("dtls_alerts_ignored",))
    yield Case("bound/rtcp-before-keys", "bound", _fixed(RTCP), ("rtcp_before_keys",))
    yield Case("bound/rtp", "bound", _fixed(RTP), ("rtp_received",))
    yield Case("bound/empty", "bound", _fixed(b""), ("udp_empty",))
    yield Case("bound/hello-flood", "bound", _fixed_many(HELLO, 100))


def _fixed_many(data: bytes, count: int) -> Build:
    return lambda client: [data] * count


def _sessions() -> Iterator[Case]:
    authentic = ("rtcp_not_authentic", "rtcp_too_many_sources")
    report = bytes(rtp.RtcpRrPacket(ssrc=1))
    for name, _ in mutations(30, bytes(8)):
        yield Case(
            f"session/rtcp/{name}",
            "session",
            _spoiled_rtcp(name, report),
            (*authentic, "rtp_received", "unknown_protocol"),
        )
    yield Case("session/rtcp/replayed", "session", lambda c: [c.srtp().protect_rtcp(report)] * 2, authentic)
    yield Case("session/rtcp/many-sources", "session", _many_sources, ("rtcp_too_many_sources",))
    plain = {
        "short-nack": struct.pack("!BBHII", 0x81, 205, 2, 1, 2),
        "length-beyond": struct.pack("!BBHI", 0x80, 201, 9, 1),
        "count-beyond": struct.pack("!BBHI", 0x9F, 201, 1, 1),
        "bye-beyond": struct.pack("!BBHI", 0x9F, 203, 1, 1),
        "padding-beyond": struct.pack("!BBHI", 0xA0, 201, 1, 0xFF),
        "second-is-noise": report + b"\x00\x00\x00\x00",
    }
    for name, data in plain.items():
        yield Case(f"session/rtcp-plain/{name}", "session", _protected(data), ("rtcp_malformed",))
    yield Case("session/rtp", "session", lambda c: [c.srtp().protect(RTP)], ("rtp_received",))
    for name, _ in mutations(31, bytes(80)):
        yield Case(f"session/dtls-record/{name}", "session", _spoiled_record(name))
    yield Case(
        "session/dtls-record/replayed",
        "session",
        lambda c: [c.record(b"\x01" * 16)] * 2,
        ("dtls_without_data",),
    )
    yield Case("session/dtls-hello-again", "session", lambda c: [c.handshake[0]], ("dtls_without_data",))
    yield Case("session/dtls-alert", "session", _fixed(ALERT), ("dtls_without_data",))
    yield Case("session/dtls-short", "session", _fixed(b"\x17\xfe\xfd"), ("dtls_malformed",))
    replays: dict[str, tuple[Build, str]] = {
        "check": (lambda c: [c.sent[0]], "stun_replayed"),
        "hello": (lambda c: [c.handshake[0]], "stranger"),
        "record": (lambda c: [c.record(b"x" * 16)], "stranger"),
        "rtcp": (lambda c: [c.srtp().protect_rtcp(report)], "stranger"),
    }
    for name, (build, counter) in replays.items():
        yield Case(f"session/replayed-by-a-stranger/{name}", "session", build, (counter,), elsewhere=True)


def _protected(data: bytes) -> Build:
    return lambda client: [client.srtp().protect_rtcp(data)]


def _spoiled_rtcp(name: str, report: bytes) -> Build:
    def build(client: RawPeer) -> list[bytes]:
        good = client.srtp().protect_rtcp(report)
        return [dict(mutations(30, good)).get(name, good[:7])]

    return build


def _many_sources(client: RawPeer) -> list[bytes]:
    session = client.srtp()
    return [session.protect_rtcp(bytes(rtp.RtcpRrPacket(ssrc=n))) for n in range(1, 40)]


def _spoiled_record(name: str) -> Build:
    def build(client: RawPeer) -> list[bytes]:
        good = client.record(os.urandom(51))
        return [dict(mutations(31, good)).get(name, good[:9])]

    return build


CHUNKS: dict[str, bytes] = {
    "data": bytes.fromhex("00030014") + struct.pack("!IHHI", 1000, 0, 0, 51) + b"abcd",
    "init": bytes.fromhex("01000014") + struct.pack("!IIHHI", 5, 1 << 20, 10, 10, 1),
    "init-ack": bytes.fromhex("0200001c") + struct.pack("!IIHHIHHI", 5, 1 << 20, 10, 10, 1, 7, 8, 9),
    "sack": bytes.fromhex("03000018") + struct.pack("!IIHHHHI", 1, 1 << 20, 1, 1, 2, 3, 9),
    "heartbeat": bytes.fromhex("0400000c") + struct.pack("!HHI", 1, 8, 9),
    "abort": bytes.fromhex("06000008") + struct.pack("!HH", 12, 4),
    "shutdown": bytes.fromhex("07000008") + struct.pack("!I", 7),
    "shutdown-ack": bytes.fromhex("08000004"),
    "error": bytes.fromhex("0900000c") + struct.pack("!HHI", 1, 8, 9),
    "cookie-echo": bytes.fromhex("0a00001c") + bytes(24),
    "cookie-ack": bytes.fromhex("0b000004"),
    "shutdown-complete": bytes.fromhex("0e000004"),
    "reconfig": bytes.fromhex("82000018") + struct.pack("!HHIIIHH", 13, 18, 1, 2, 3, 0, 0),
    "forward-tsn": bytes.fromhex("c000000c") + struct.pack("!IHH", 1001, 0, 1),
    "unknown": bytes.fromhex("ff000008abcdabcd"),
}


def _associated() -> Iterator[Case]:
    for seed, (kind, good) in enumerate(CHUNKS.items()):
        yield Case(f"sctp/{kind}/as-it-is", "associated", _sealed(good))
        for name, bad in mutations(seed, good, flips=3):
            if name in ("cut-to-1", "cut-to-2", "cut-to-13", "long-noise", "tail", "ones", "twice"):
                continue
            yield Case(f"sctp/{kind}/{name}", "associated", _sealed(bad))
    for name, bad in mutations(40, seal(1, CHUNKS["data"])):
        yield Case(f"sctp/unsealed/{name}", "associated", _wrapped(bad), ("sctp_malformed", "sctp_wrong_tag"))


def _sealed(chunks: bytes) -> Build:
    return lambda client: [client.record(seal(client.tag, chunks))]


def _wrapped(packet: bytes) -> Build:
    return lambda client: [client.record(packet)]


def _chunk(kind: int, body: bytes) -> bytes:
    return struct.pack("!BBH", kind, 0, 4 + len(body)) + body + bytes(-len(body) % 4)


def _association_specials() -> Iterator[Case]:
    malformed = ("sctp_malformed",)
    init = CHUNKS["init"][4:]
    fixed: dict[str, tuple[bytes, tuple[str, ...]]] = {
        "parameter-of-length-0": (_chunk(1, init + bytes(4)), malformed),
        "parameter-of-length-3": (_chunk(4, b"\x00\x01\x00\x03"), malformed),
        "parameter-beyond-chunk": (_chunk(4, b"\x00\x01\xff\xff"), malformed),
        "sack-of-65535-tsns": (
            _chunk(3, struct.pack("!IIHH", 1, 1, 200, 0) + struct.pack("!HH", 1, 65535) * 200),
            malformed,
        ),
        "sack-backwards": (_chunk(3, struct.pack("!IIHHHH", 1, 1, 1, 0, 9, 2)), malformed),
        "data-without-data": (_chunk(0, bytes(12)), malformed),
        "stream-65535": (_chunk(0, struct.pack("!IHHI", 1000, 65535, 0, 51) + b"x"), malformed),
        "forward-tsn-of-odd-length": (_chunk(192, bytes(6)), malformed),
        "reconfig-too-short": (_chunk(130, struct.pack("!HHI", 13, 8, 1)), malformed),
        "two-inits": (CHUNKS["init"] + CHUNKS["init"], malformed),
        "sack-of-the-future": (_chunk(3, struct.pack("!IIHH", 0x7FFFFFFF, 1, 0, 0)), ()),
        "tsn-far-ahead": (_chunk(0, struct.pack("!IHHI", 900_000, 0, 0, 51) + b"x"), ("sctp_refused",)),
        "forward-tsn-far-ahead": (_chunk(192, struct.pack("!I", 500_000_000)), ("sctp_refused",)),
        "old-tsn": (_chunk(0, struct.pack("!IHHI", 999, 0, 0, 51) + b"x"), ()),
    }
    for name, (chunks, counters) in fixed.items():
        yield Case(f"sctp-special/{name}", "associated", _sealed(chunks), counters)
    yield Case(
        "sctp-special/init-anew",
        "associated",
        lambda c: [c.record(seal(0, CHUNKS["init"]))],
        ("sctp_refused",),
    )
    yield Case("sctp-special/out-of-order-forever", "associated", _unfinished, ("sctp_refused",))
    yield Case("sctp-special/window-overrun", "associated", _window_overrun, ("sctp_refused",))
    yield Case("sctp-special/many-channels", "associated", _many_channels, ("sctp_refused_channels",))
    yield Case("sctp-special/channel-twice", "associated", _channel_twice, ("sctp_refused_channels",))
    opens = {
        "label-beyond": struct.pack("!BBHIHH", 3, 0, 0, 0, 500, 0),
        "label-not-utf8": struct.pack("!BBHIHH", 3, 0, 0, 0, 2, 0) + b"\xff\xfe",
        "open-too-short": b"\x03\x00",
    }
    for name, message in opens.items():
        yield Case(f"sctp-special/{name}", "associated", _message(message, 50), ("sctp_refused_channels",))
    yield Case("sctp-special/ack-of-no-channel", "associated", _message(b"\x02", 50), ("sctp_refused",))
    yield Case("sctp-special/text-not-utf8", "associated", _message(b"\xff\xfe", 51), ("sctp_bad_text",))
    yield Case("sctp-special/data-without-sctp-line", "session", _message(b"x", 51), ("sctp_not_negotiated",))


def _message(payload: bytes, protocol: int) -> Build:
    return lambda c: [c.record(c.packet(c.data(payload, protocol=protocol)))]


def _unfinished(client: RawPeer) -> list[bytes]:
    client.tsn += 1  # one is missing for ever
    return [client.record(client.packet(client.data(b"x"))) for _ in range(600)]


def _window_overrun(client: RawPeer) -> list[bytes]:
    """First fragments of a message that never ends, beyond the advertised window."""
    middles = [client.data(bytes(1100), flags=2 if n == 0 else 0) for n in range(200)]
    return [client.record(client.packet(chunk)) for chunk in middles]


def _open(client: RawPeer, stream: int) -> bytes:
    label = struct.pack("!BBHIHH", 3, 0, 0, 0, 1, 0) + b"x"
    return client.record(client.packet(client.data(label, stream=stream, protocol=50)))


def _many_channels(client: RawPeer) -> list[bytes]:
    return [_open(client, stream) for stream in range(0, 100, 2)]


def _channel_twice(client: RawPeer) -> list[bytes]:
    return [_open(client, 0), _open(client, 0)]


class Scene:
    """One endpoint and one bystander for all cases."""

    def __init__(self, endpoint: MediaEndpoint, bystander: Bystander) -> None:
        self.endpoint = endpoint
        self.bystander = bystander

    async def run(self, case: Case) -> None:
        counters = self.endpoint.counters
        client = RawClient(self.endpoint, data=case.sender == "associated")
        try:
            await self.prepare(client, case)
            before = {name: counters[name] for name in case.counters}
            empties = counters["udp_empty"]
            datagrams = case.build(client)
            with self.sender(client, case) as send:
                for n, datagram in enumerate(datagrams):
                    send(datagram)
                    if n % 20 == 19:
                        await self.drained(client)
            await self.bystander.beat()
            await self.drained(client)
            if case.counters:
                rose = {name: counters[name] - before[name] for name in case.counters}
                if "udp_empty" in rose:
                    rose["udp_empty"] -= counters["udp_empty"] - empties - datagrams.count(b"")
                assert any(rose.values()), case.counters
        finally:
            client.peer.close()
            client.close()
        await self.bystander.beat()

    async def prepare(self, client: RawClient, case: Case) -> None:
        """Bring the sender as far as the case wants it."""
        if case.sender == "bound":
            await client.bind()
        elif case.sender in ("session", "associated"):
            await client.connect()
        if case.sender == "associated":
            await client.associate()

    @contextmanager
    def sender(self, client: RawClient, case: Case) -> Iterator[Callable[[bytes], object]]:
        """Send as the client, or from an address that the server does not know."""
        if not case.elsewhere:
            yield client.send
            return
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.connect(client.target)
            yield other.send

    async def drained(self, client: RawClient) -> None:
        """Wait until the server has read all that was sent: datagrams stay in order, whoever they are from."""
        before = self.endpoint.counters["udp_empty"]
        # Not from the client's own address, which may not be read at all if it has sent too much.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.sendto(b"", client.target)
        await until(lambda: self.endpoint.counters["udp_empty"] > before)
