"""Which DTLS a client has to speak: version 1.2, with forward secrecy and authenticated encryption."""

from __future__ import annotations

import pytest
from aiortc import RTCCertificate
from OpenSSL import SSL

from rtcserver.transport.aiortc_internals import PROFILES, SharedCertificate

DTLS_1_0 = 0xFEFF
SERVER = SharedCertificate.generateCertificate()
CLIENT = RTCCertificate.generateCertificate()


def agreed(ciphers: str, version: int | None = None) -> str | None:
    """The cipher that a client with these gets, or None if the handshake fails."""
    assert isinstance(SERVER, SharedCertificate)
    context = CLIENT._create_ssl_context(PROFILES)
    context.set_cipher_list(f"{ciphers}:@SECLEVEL=0".encode())
    if version is not None:
        context.set_max_proto_version(version)
    client, server = SSL.Connection(context), SSL.Connection(SERVER._create_ssl_context(PROFILES))
    for side in (client, server):
        side.set_ciphertext_mtu(1200)
    client.set_connect_state()
    server.set_accept_state()
    for _ in range(10):
        for this, that in ((client, server), (server, client)):
            try:
                this.do_handshake()
            except SSL.WantReadError:
                pass
            except SSL.Error:
                return None
            try:
                while True:
                    that.bio_write(this.bio_read(4096))
            except SSL.WantReadError:
                pass
    return client.get_cipher_name()


@pytest.mark.parametrize(
    "cipher",
    ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305"],
)
def test_authenticated_encryption_is_spoken(cipher: str) -> None:
    assert agreed(cipher) == cipher


@pytest.mark.parametrize(
    "cipher", ["ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384", "ECDHE-ECDSA-NULL-SHA", "AES128-SHA"]
)
def test_other_ciphers_are_not(cipher: str) -> None:
    assert agreed(cipher) is None


def test_dtls_1_0_is_not() -> None:
    assert agreed("ECDHE-ECDSA-AES128-SHA", DTLS_1_0) is None
    assert agreed("ALL", DTLS_1_0) is None
