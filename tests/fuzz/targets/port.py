"""The one port as a whole: datagrams from a stranger, from a peer under way, and from a peer inside its DTLS.

Sockets and time are left out: datagrams go in by `MediaEndpoint.receive`, and what it sends is kept in a list.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Iterator

import pylibsrtp
from aiortc.rtcdtlstransport import SRTP_PROFILES
from OpenSSL import SSL

from rtcserver.clock import NS, monotonic_ns
from rtcserver.transport import stun
from rtcserver.transport.address import Path
from rtcserver.transport.dtls import SctpParameters
from rtcserver.transport.endpoint import EndpointConfig, MediaEndpoint
from tests.fuzz.target import joined, pieces, target
from tests.transport.hostile import ALERT, CHUNKS, HELLO, RECORD, RTCP, RTP
from tests.transport.raw import PASSWORD, certificate, seal
from tests.transport.stock import Recorder

TID = bytes(range(12))
STRANGER, UNDER_WAY, INSIDE = (Path(0, b"\x7f\0\0\1", 0, ("127.0.0.1", 4000 + n)) for n in range(3))
AS_IT_IS, SEALED = 0, 1


class Kept(Recorder):
    """A listener without an event loop's objects of its own to wait for."""

    def on_datachannel(self, channel: object) -> None:
        """Channels are opened and left alone."""


class Wire:
    """The port's sockets: what is sent along a path is kept."""

    port = 9

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def send(self, data: bytes, path: Path) -> bool:
        self.sent.append(data)
        return True

    def read_checks(self, wanted: bool) -> None:
        """There is nobody else who would read them."""

    def close(self) -> None:
        """There is nothing to close."""


class Port:
    """An endpoint, a peer that has only passed ICE, and one that is connected with an SCTP association."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)
        self.endpoint = MediaEndpoint(EndpointConfig(host="127.0.0.1"))
        self.wire = self.endpoint._port = Wire()  # type: ignore[assignment]
        self._now_ns = monotonic_ns()
        self._under_way = self._peer()
        self._inside = self._peer()
        self.ready()

    def _peer(self):  # type: ignore[no-untyped-def]
        return self.endpoint.create_peer(
            remote_ufrag="rawU",
            remote_password=PASSWORD,
            fingerprints=[("sha-256", certificate().getFingerprints()[0].value)],
            listener=Kept(),
            sctp=SctpParameters(),
        )

    def ready(self) -> None:
        """Bring both peers where they belong; what an input before this one ended is made anew."""
        if self._under_way.closed or not self._under_way.agent.bound:
            self._under_way.close()
            self._under_way = self._peer()
            self._bind(self._under_way, UNDER_WAY)
        if self._inside.closed or not self._inside.connected:
            self._inside.close()
            self._inside = self._peer()
            self._connect()
        self.wire.sent.clear()

    def take(self, sender: Path, how: int, data: bytes) -> None:
        """One datagram. Sealed: inside the peer's DTLS as an SCTP packet with its checksum, or as SRTCP."""
        if how == SEALED and sender is INSIDE:
            if data[:1] == b"\x80":
                data = self._srtcp.protect_rtcp(data[:1200].ljust(8, b"\0"))
            else:
                self._ssl.send(seal(self._tag, data[:1200]) or b"x")
                data = self._ssl.bio_read(4096)
        self._receive(data, sender)

    def _receive(self, data: bytes, sender: Path) -> None:
        """A datagram, so long after the one before that no peer is ever over its budget: each is looked at."""
        self._now_ns += NS
        self.endpoint.receive(data, sender, self._now_ns)

    def close(self) -> None:
        """End both peers and the loop."""
        self.endpoint.close()
        self.loop.close()
        asyncio.set_event_loop(None)

    def idle(self) -> None:
        """Let what the loop was given run, and forget its timers."""
        self.loop.call_soon(self.loop.stop)
        self.loop.run_forever()
        self.loop._scheduled.clear()  # type: ignore[attr-defined]

    def _bind(self, peer, path: Path) -> None:  # type: ignore[no-untyped-def]
        name = f"{peer.local_ufrag}:rawU".encode()
        check = stun.build_request(TID, name, peer.local_password.encode(), use_candidate=True)
        self._receive(check, path)

    def _connect(self) -> None:
        self._bind(self._inside, INSIDE)
        self._ssl = SSL.Connection(certificate()._create_ssl_context(SRTP_PROFILES))
        self._ssl.set_connect_state()
        self.wire.sent.clear()
        while not self._inside.secure.keys:
            with contextlib.suppress(SSL.WantReadError):
                self._ssl.do_handshake()
            self._receive(self._ssl.bio_read(4096), INSIDE)
            for datagram in self.wire.sent:
                self._ssl.bio_write(datagram)
            self.wire.sent.clear()
        keys = self._inside.secure.keys
        policy = pylibsrtp.Policy(
            key=keys.receive, ssrc_type=pylibsrtp.Policy.SSRC_ANY_OUTBOUND, srtp_profile=keys.profile
        )
        self._srtcp = pylibsrtp.Session(policy)
        self._tag = self._inside.secure._sctp._local_verification_tag


@functools.cache
def port() -> Port:
    """Made when it is first needed: a process that only lists targets needs none."""
    return Port()


def _datagrams() -> Iterator[bytes]:
    for data in (HELLO, RECORD, ALERT, RTP, RTCP, stun.build_request(TID, b"a:b", b"key"), bytes(40)):
        yield joined([b"\0\0" + data, b"\1\0" + data, b"\2\0" + data])
    for chunk in CHUNKS.values():
        yield joined([b"\2\1" + chunk])
    yield joined([b"\2\1" + CHUNKS["init"], b"\2\1" + CHUNKS["cookie-ack"], b"\2\1" + CHUNKS["data"]])
    yield joined([b"\2\1" + RTCP, b"\2\1" + bytes.fromhex("81cd0003000000070000000800050fff")])


@target("port", good=_datagrams)
def receive(data: bytes) -> None:
    """The first byte of each message says who sends it, the second whether it is sealed."""
    place = port()
    place.ready()
    errors = place.endpoint.counters["peer_errors"]
    for message in pieces(data, 8):
        if len(message) >= 2:
            place.take((STRANGER, UNDER_WAY, INSIDE)[message[0] % 3], message[1] & 1, message[2:])
    place.idle()
    assert place.endpoint.counters["peer_errors"] == errors
    assert len(place.endpoint.peers) <= 2
