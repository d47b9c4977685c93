"""Clients made of parts: a UDP socket, STUN by our codec, DTLS by pyOpenSSL, SRTP by libsrtp, SCTP chunks.

They do what the tests tell them, right or wrong. Nothing in them waits longer than `WAIT_S`.
"""

from __future__ import annotations

import asyncio
import os
import socket
from typing import Any

import pylibsrtp
from aiortc import rtcsctptransport as sctp
from aiortc.rtcdtlstransport import SRTP_PROFILES, RTCCertificate
from OpenSSL import SSL

from rtcserver.transport import stun
from rtcserver.transport.dtls import SctpParameters
from rtcserver.transport.endpoint import MediaEndpoint
from rtcserver.transport.peer import TransportPeer
from tests.transport.stock import WAIT_S, Recorder

UFRAG = "rawU"
PASSWORD = "the-password-of-the-raw-client"


def answer_to(challenge: bytes, password: str = PASSWORD) -> bytes:
    """What a full agent with this password answers to a check of the server's (RFC 8445, section 7.3)."""
    asked = stun.parse(challenge)
    assert asked.kind == stun.BINDING_REQUEST
    assert asked.controlling is False, "the server is lite, and so never controls"
    assert stun.verify(challenge, asked, password.encode())
    return stun.build_success(asked.transaction_id, ("192.0.2.1", 9), password.encode())


_certificates: list[RTCCertificate] = []


def certificate() -> RTCCertificate:
    """One for all raw clients."""
    if not _certificates:
        _certificates.append(RTCCertificate.generateCertificate())
    return _certificates[0]


class RawPeer:
    """One hostile or headless client of a session whose credentials it was given.

    target: the server's media port. ufrag, password: the server's, from its answer. source: the address to send from.
    """

    def __init__(self, target: tuple[str, int], ufrag: str, password: str, source: str = "127.0.0.1") -> None:
        self.target = target
        self.server_ufrag = ufrag
        self.server_password = password
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind((source, 0))
        self.socket.connect(self.target)
        self.ssl = SSL.Connection(certificate()._create_ssl_context(SRTP_PROFILES))
        self.ssl.set_connect_state()
        self.sent: list[bytes] = []
        self.handshake: list[bytes] = []
        """The DTLS datagrams that were sent until the handshake was complete."""
        self._reporter: pylibsrtp.Session | None = None
        self.tag = 0
        self.tsn = 1000

    def close(self) -> None:
        """Vanish: nothing is said to the server."""
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send a datagram, as it is."""
        self.sent.append(data)
        self.socket.send(data)

    async def receive(self) -> bytes:
        loop = asyncio.get_running_loop()
        return await asyncio.wait_for(loop.sock_recv(self.socket, 4096), WAIT_S)

    # ICE

    def check(self, *, nominate: bool = True, password: str = "", ufrag: str = "") -> bytes:
        """A connectivity check for this client's session."""
        return stun.build_request(
            os.urandom(12),
            f"{ufrag or self.server_ufrag}:{UFRAG}".encode(),
            (password or self.server_password).encode(),
            use_candidate=nominate,
        )

    async def bind(self, *, nominate: bool = True) -> None:
        """Become known to the server under this socket's address."""
        self.send(self.check(nominate=nominate))
        reply = stun.parse(await self.receive())
        assert reply.kind == stun.BINDING_SUCCESS

    # DTLS

    async def connect(self, *, nominate: bool = True) -> None:
        """ICE and DTLS."""
        await self.bind(nominate=nominate)
        while True:
            try:
                self.ssl.do_handshake()
            except SSL.WantReadError:
                self._flush()
                self.ssl.bio_write(await self._receive_dtls())
            else:
                self._flush()
                break

    def record(self, payload: bytes) -> bytes:
        """One DTLS record with `payload`, not sent."""
        self.ssl.send(payload)
        return self.ssl.bio_read(4096)

    def _flush(self) -> None:
        try:
            data = self.ssl.bio_read(4096)
        except SSL.WantReadError:
            return
        self.handshake.append(data)
        self.send(data)

    async def _receive_dtls(self) -> bytes:
        while True:
            data = await self.receive()
            if 20 <= data[0] <= 63:
                return data

    # SRTP

    def srtp(self) -> pylibsrtp.Session:
        """Protects as this client."""
        chosen = self.ssl.get_selected_srtp_profile()
        profile = next(p for p in SRTP_PROFILES if p.openssl_profile == chosen)
        size = 2 * (profile.key_length + profile.salt_length)
        material = self.ssl.export_keying_material(b"EXTRACTOR-dtls_srtp", size)  # RFC 5764, section 4.2
        policy = pylibsrtp.Policy(
            key=profile.get_key_and_salt(material, 0),
            ssrc_type=pylibsrtp.Policy.SSRC_ANY_OUTBOUND,
            srtp_profile=profile.libsrtp_profile,
        )
        return pylibsrtp.Session(policy)

    def report(self) -> bytes:
        """One SRTCP datagram with an empty receiver report (RFC 3550, section 6.4.2), of one session as long as it lives."""
        if self._reporter is None:
            self._reporter = self.srtp()
        return self._reporter.protect_rtcp(bytes([0x80, 201, 0, 1]) + bytes([0, 0, 0, 7]))

    # SCTP

    def packet(self, *chunks: sctp.Chunk, tag: int | None = None) -> bytes:
        """An SCTP packet with a right checksum."""
        body = b"".join(bytes(chunk) for chunk in chunks)
        return seal(self.tag if tag is None else tag, body)

    async def associate(self) -> None:
        """Set up the SCTP association, as the side that sent INIT."""
        init = sctp.InitChunk()
        init.initiate_tag, init.advertised_rwnd, init.initial_tsn = 77, 1 << 20, self.tsn
        init.outbound_streams = init.inbound_streams = 1024
        init.params = [(0xC000, b""), (0x8008, bytes([192, 130]))]
        self.send(self.record(self.packet(init, tag=0)))
        ack = await self.chunk(sctp.InitAckChunk)
        self.tag = ack.initiate_tag
        cookie = next(value for kind, value in ack.params if kind == 7)
        self.send(self.record(self.packet(sctp.CookieEchoChunk(body=cookie))))
        await self.chunk(sctp.CookieAckChunk)

    async def chunk(self, kind: type[Any]) -> Any:
        """The next chunk of a kind; others are passed over."""
        async with asyncio.timeout(WAIT_S):
            while True:
                self.ssl.bio_write(await self._receive_dtls())
                for packet in self._records():
                    for chunk in sctp.parse_packet(packet)[3]:
                        if isinstance(chunk, kind):
                            return chunk

    def _records(self) -> list[bytes]:
        records = []
        while True:
            try:
                records.append(self.ssl.recv(4096))
            except SSL.Error:
                return records

    def data(self, payload: bytes, *, stream: int = 0, protocol: int = 51, flags: int = 3) -> sctp.DataChunk:
        """The next DATA chunk."""
        chunk = sctp.DataChunk(flags=flags)
        chunk.tsn, chunk.stream_id, chunk.protocol, chunk.user_data = self.tsn, stream, protocol, payload
        self.tsn += 1
        return chunk


class RawClient(RawPeer):
    """A raw peer of an endpoint in this process."""

    def __init__(self, endpoint: MediaEndpoint, *, data: bool = True, max_channels: int = 16) -> None:
        self.endpoint = endpoint
        self.server = Recorder()
        self.peer: TransportPeer = endpoint.create_peer(
            remote_ufrag=UFRAG,
            remote_password=PASSWORD,
            fingerprints=[("sha-256", certificate().getFingerprints()[0].value)],
            listener=self.server,
            sctp=SctpParameters(max_channels=max_channels) if data else None,
        )
        super().__init__(("127.0.0.1", endpoint.port.port), self.peer.local_ufrag, self.peer.local_password)

    def check(self, *, nominate: bool = True, password: str = "", ufrag: str = "") -> bytes:
        """A connectivity check for this client's session; after an ICE restart with its new credentials."""
        self.server_ufrag, self.server_password = self.peer.local_ufrag, self.peer.local_password
        return super().check(nominate=nominate, password=password, ufrag=ufrag)

    async def connect(self, *, nominate: bool = True) -> None:
        """ICE and DTLS, until the server knows it too."""
        await super().connect(nominate=nominate)
        await self.server.until_connected()


def seal(tag: int, body: bytes) -> bytes:
    """SCTP header with a right checksum before chunks that may be anything."""
    head = (5000).to_bytes(2, "big") * 2 + tag.to_bytes(4, "big")
    checksum = sctp.crc32c(head + bytes(4) + body)
    return head + checksum.to_bytes(4, "little") + body
