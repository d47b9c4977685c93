"""The DTLS client of load listeners: OpenSSL over memory buffers, one context for all of them."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from OpenSSL import SSL
from pylibsrtp import Policy

MTU = 1200
_PROFILES = b"SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80"
_KEYS = {
    b"SRTP_AEAD_AES_128_GCM": (16, 12, Policy.SRTP_PROFILE_AEAD_AES_128_GCM),
    b"SRTP_AES128_CM_SHA1_80": (16, 14, Policy.SRTP_PROFILE_AES128_CM_SHA1_80),
}
_EXTRACTOR = b"EXTRACTOR-dtls_srtp"  # RFC 5764, section 4.2


class DtlsError(Exception):
    """The handshake failed, or the server is not the one that its SDP announced."""


@dataclass(frozen=True, slots=True)
class ReceiveKeys:
    """Master key followed by salt of what the server sends, and libsrtp's number of the profile."""

    profile: int
    master: bytes


class ClientContext:
    """A certificate and what all connections share. fingerprint: SHA-256 as SDP writes it."""

    def __init__(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "load")])
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=30))
            .sign(key, hashes.SHA256())
        )
        self.fingerprint = _colons(certificate.fingerprint(hashes.SHA256()))
        context = SSL.Context(SSL.DTLS_METHOD)
        context.set_max_proto_version(0xFEFD)
        context.use_certificate(certificate)
        context.use_privatekey(key)
        # The fingerprint in the SDP is what authenticates (RFC 5763, section 5); checked after the handshake.
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)
        context.set_tlsext_use_srtp(_PROFILES)
        context.set_mode(SSL.MODE_RELEASE_BUFFERS)
        context.set_options(SSL.OP_NO_QUERY_MTU)
        self._context = context

    def connection(self) -> SSL.Connection:
        """A connection that will speak first."""
        ssl = SSL.Connection(self._context)
        ssl.set_ciphertext_mtu(MTU)
        ssl.set_connect_state()
        return ssl


def step(ssl: SSL.Connection, datagram: bytes, fingerprint: str) -> ReceiveKeys | None:
    """Take a datagram of the handshake (b"" to begin). The keys when it is done; raises DtlsError."""
    try:
        if datagram:
            ssl.bio_write(datagram)
        ssl.do_handshake()
    except SSL.WantReadError:
        return None
    except SSL.Error as error:
        raise DtlsError("the DTLS handshake failed") from error
    certificate = ssl.get_peer_certificate(as_cryptography=True)
    if certificate is None or _colons(certificate.fingerprint(hashes.SHA256())) != fingerprint:
        raise DtlsError("the server's certificate is not the one in its SDP")
    chosen = _KEYS.get(ssl.get_selected_srtp_profile())
    if chosen is None:
        raise DtlsError("no SRTP profile was agreed on")
    key, salt, profile = chosen
    material = ssl.export_keying_material(_EXTRACTOR, 2 * (key + salt))
    # Client key, server key, client salt, server salt (RFC 5764, section 4.2).
    return ReceiveKeys(profile, material[key : 2 * key] + material[2 * key + salt :])


def outgoing(ssl: SSL.Connection) -> list[bytes]:
    """The datagrams that OpenSSL wrote, whole records each."""
    try:
        data = ssl.bio_read(65536)
    except SSL.Error:
        return []
    datagrams: list[bytes] = []
    at = start = 0
    while at + 13 <= len(data):
        end = at + 13 + int.from_bytes(data[at + 11 : at + 13])
        if end - start > MTU and at > start:
            datagrams.append(data[start:at])
            start = at
        at = end
    return [*datagrams, data[start:]]


def records(ssl: SSL.Connection, datagram: bytes) -> list[bytes]:
    """The application data in a datagram that came after the handshake."""
    ssl.bio_write(datagram)
    found: list[bytes] = []
    while True:
        try:
            found.append(ssl.recv(16384))
        except SSL.Error:
            return found


def said_goodbye(ssl: SSL.Connection) -> bool:
    """Whether the server has ended the connection by a close_notify (RFC 5246, section 7.2.1)."""
    return bool(ssl.get_shutdown() & SSL.RECEIVED_SHUTDOWN)


def _colons(digest: bytes) -> str:
    return digest.hex(":").upper()
