"""aiortc's DTLS, reached through its private parts. Only this module and `aiortc_sctp` do so.

Pinned to aiortc 1.16.0; `tests/transport/test_aiortc_contract.py` fails when a name used here moves.

What stays aiortc's: the certificate, the TLS options and ciphers, the check of the peer's
fingerprints, the SRTP profiles and key layout, the whole SCTP association and its data channels.
What is different here:

- aiortc runs a task per peer that awaits datagrams. Here a datagram *steps* the connection: no task,
  no queue, nothing that `close()` could wait for. It also means that aiortc's SCTP coroutines never
  find anything to wait for, so `run_now` runs them to their end at once.
- One TLS context serves all peers of a server start.
- No SRTP session is made for sending. The broadcast process owns outbound SRTP and SRTCP.
- SCTP input is checked before aiortc sees it (`sctp_guard`) and against the association's state
  (`aiortc_sctp`), and memory is bounded.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from aiortc.rtcdtlstransport import (
    SRTP_AEAD_AES_128_GCM,
    SRTP_AEAD_AES_256_GCM,
    SRTP_AES128_CM_SHA1_80,
    SRTP_PROFILES,
    RTCCertificate,
    RTCDtlsFingerprint,
    RTCDtlsParameters,
    RTCDtlsTransport,
    SRTPProtectionProfile,
    State,
)
from OpenSSL import SSL
from pyee.asyncio import AsyncIOEventEmitter

AIORTC_VERSION = "1.16.0"

PROFILES = [
    profile
    for profile in (SRTP_AEAD_AES_128_GCM, SRTP_AEAD_AES_256_GCM, SRTP_AES128_CM_SHA1_80)
    if profile in SRTP_PROFILES
]
"""In the server's order of preference: AES-128-GCM is the cheapest to protect with (RFC 7714, RFC 5764)."""

DTLS_MTU = 1200
"""Bytes of a datagram: no fragments at any usual path MTU."""

_DTLS_1_2 = 0xFEFD
_CIPHERS = b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305"
"""Authenticated encryption alone; the first is what everybody has to speak (RFC 8827, section 6.5)."""
_EXTRACTOR = b"EXTRACTOR-dtls_srtp"  # RFC 5764, section 4.2
_MAX_RECORDS = 64


class SharedCertificate(RTCCertificate):
    """The server's certificate, with one TLS context for all peers (aiortc makes one of 21 KB for each)."""

    _context: SSL.Context | None = None

    def _create_ssl_context(self, srtp_profiles: list[SRTPProtectionProfile]) -> SSL.Context:
        if self._context is None:
            context = super()._create_ssl_context(srtp_profiles)
            # Buffers of 17 KB each way are given back while a connection is idle.
            context.set_mode(SSL.MODE_RELEASE_BUFFERS)
            # Sessions are never resumed: a peer that comes back gets fresh keys.
            context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
            context.set_options(SSL.OP_NO_QUERY_MTU)
            # DTLS 1.2, what every browser speaks: its records are all framed the same way (see `_flush`).
            context.set_min_proto_version(_DTLS_1_2)
            context.set_max_proto_version(_DTLS_1_2)
            context.set_cipher_list(_CIPHERS)
            self._context = context
        return self._context

    def sha256_fingerprint(self) -> str:
        """``AB:CD:…`` for ``a=fingerprint:sha-256``."""
        return next(f.value for f in self.getFingerprints() if f.algorithm == "sha-256")


@dataclass(frozen=True, slots=True)
class SrtpKeys:
    """What DTLS-SRTP yields for one peer (RFC 5764, section 4.2).

    profile: libsrtp's number (``pylibsrtp.Policy.SRTP_PROFILE_*``). name: the profile's in its RFC:
    ``SRTP_AEAD_AES_128_GCM``, ``SRTP_AEAD_AES_256_GCM`` or ``SRTP_AES128_CM_HMAC_SHA1_80``.
    send, receive: master key followed by master salt, for what we send and what the peer sends.
    """

    profile: int
    name: str
    send: bytes
    receive: bytes


class IceSide(AsyncIOEventEmitter):
    """What aiortc's DTLS transport takes for an RTCIceTransport: our lite agent, always controlled.

    Datagrams are pushed, so `_recv`, which aiortc's own tasks would await, has nothing to give.
    """

    role = "controlled"
    state = "completed"

    def __init__(self, send: Callable[[bytes], None]) -> None:
        super().__init__()
        self.send_datagram = send

    async def _send(self, data: bytes) -> None:
        self.send_datagram(data)

    async def _recv(self) -> bytes:
        raise ConnectionError("datagrams are pushed, not pulled")

    async def start(self, remote_parameters: object) -> None:
        """Nothing to do: the registry answers checks from the start."""

    async def stop(self) -> None:
        """Nothing to do: the endpoint removes the agent."""


class SteppedDtls(RTCDtlsTransport):
    """The server side of one DTLS connection, moved on by datagrams. Not thread-safe.

    `state` is aiortc's: new, connecting, connected, closed, failed.
    """

    def __init__(self, ice: IceSide, certificate: SharedCertificate) -> None:
        super().__init__(ice, [certificate])  # type: ignore[arg-type]  # IceSide stands in for an RTCIceTransport
        self._set_role("server")
        self._certificate = certificate
        self._ice = ice
        self._answered = False
        self.datagrams_sent = 0
        self.keys: SrtpKeys | None = None

    def begin(self) -> None:
        """Make the TLS connection; the peer speaks first."""
        ssl = SSL.Connection(self._certificate._create_ssl_context(PROFILES))
        ssl.set_ciphertext_mtu(DTLS_MTU)
        ssl.set_accept_state()
        self._ssl = ssl
        self._answered = False
        self._set_state(State.CONNECTING)

    def handshake(self, datagram: bytes, remote: RTCDtlsParameters) -> bool:
        """Take one datagram of the handshake. Returns whether it is complete, with `keys` set.

        On failure `state` is "failed".
        """
        ssl = self._tls
        ssl.bio_write(datagram)
        try:
            ssl.do_handshake()
        except SSL.WantReadError:
            self._flush()
            return False
        except SSL.Error:
            if not self._answered:
                # Garbage ahead of the first ClientHello costs nobody anything: start anew.
                self.begin()
                return False
            self._flush()
            self._set_state(State.FAILED)
            return False
        self._flush()
        self._validate_peer_identity(remote)
        if self._state == State.FAILED:
            return False
        self.keys = self._export_keys()
        if self.keys is None:
            self._set_state(State.FAILED)
            return False
        self.encrypted = True
        self._set_state(State.CONNECTED)
        return True

    def receive(self, datagram: bytes) -> list[bytes] | None:
        """Decrypt one datagram after the handshake: its application data, or None for close_notify."""
        ssl = self._tls
        ssl.bio_write(datagram)
        records: list[bytes] = []
        closed = False
        for _ in range(_MAX_RECORDS):
            try:
                record = ssl.recv(16384)
            except SSL.ZeroReturnError:
                closed = True
                break
            except SSL.Error:
                break  # nothing more, or not authentic: DTLS discards silently (RFC 6347, section 4.1.2.7)
            records.append(record)
        self._flush()
        if closed:
            self._set_state(State.CLOSED)
            return None
        return records

    def retransmit(self) -> bool:
        """Resend the last flight if its timer has run out (RFC 6347, section 4.2.4).

        Returns whether a timer is still running.
        """
        ssl = self._tls
        left = ssl.DTLSv1_get_timeout()
        if left is None:
            return False
        if left <= 0.0:
            try:
                ssl.DTLSv1_handle_timeout()
            except SSL.Error:
                self._set_state(State.FAILED)
                return False
            self._flush()
        return True

    def shut_down(self) -> None:
        """Send close_notify and drop the TLS connection. Idempotent."""
        if self._ssl is not None and self._state == State.CONNECTED:
            with contextlib.suppress(SSL.Error):
                self._ssl.shutdown()
            self._flush()
        if self._state != State.FAILED:
            self._set_state(State.CLOSED)
        self._ssl = None
        self.remove_all_listeners()

    async def _send_data(self, data: bytes) -> None:
        self.send_data(data)

    def send_data(self, data: bytes) -> None:
        """For the SCTP association. What cannot be sent is lost, as a datagram would be."""
        if self._state == State.CONNECTED and self._ssl is not None:
            try:
                self._ssl.send(data)
            except SSL.Error:
                return
            self._flush()

    async def _send_rtp(self, data: bytes) -> None:
        raise RuntimeError("outbound RTP and RTCP belong to the broadcast process")

    @property
    def _tls(self) -> SSL.Connection:
        assert self._ssl is not None, "begin() comes first"
        return self._ssl

    def _export_keys(self) -> SrtpKeys | None:
        chosen = self._tls.get_selected_srtp_profile()
        for profile in PROFILES:
            if profile.openssl_profile == chosen:
                break
        else:
            return None
        material = self._tls.export_keying_material(
            _EXTRACTOR, 2 * (profile.key_length + profile.salt_length)
        )
        return SrtpKeys(
            profile=profile.libsrtp_profile,
            name=profile.openssl_profile.decode().replace("CM_SHA1", "CM_HMAC_SHA1"),
            send=profile.get_key_and_salt(material, 1),
            receive=profile.get_key_and_salt(material, 0),
        )

    def _flush(self) -> None:
        """Send what OpenSSL wrote. Its memory buffer joins records; a datagram must not cut one."""
        try:
            data = self._tls.bio_read(65536)
        except SSL.Error:
            return
        self._answered = True
        at = start = 0
        while at + 13 <= len(data):
            end = at + 13 + int.from_bytes(data[at + 11 : at + 13], "big")
            if end - start > DTLS_MTU and at > start:
                self._send_datagram(data[start:at])
                start = at
            at = end
        self._send_datagram(data[start:])

    def _send_datagram(self, data: bytes) -> None:
        self.datagrams_sent += 1
        self._ice.send_datagram(data)


def is_bare_alert(datagram: bytes) -> bool:
    """Whether it is a DTLS alert without protection (epoch 0).

    Anyone who can forge a source address can send one, so they do not count: an honest peer that gives
    up its handshake runs into the deadline.
    """
    return datagram[:1] == b"\x15" and datagram[3:5] == b"\x00\x00"


def remote_parameters(fingerprints: list[tuple[str, str]]) -> RTCDtlsParameters:
    """(algorithm, value) pairs as aiortc wants them."""
    return RTCDtlsParameters(fingerprints=[RTCDtlsFingerprint(a, v) for a, v in fingerprints])
