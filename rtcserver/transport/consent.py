"""Checks that only keep consent (RFC 7675), as nearly all datagrams are that ever arrive. Pure.

While its path stays as it is, an agent sends the same check again and again: only the transaction id differs, and
with it MESSAGE-INTEGRITY and FINGERPRINT. So the first check is parsed and kept as a `Kept`, and each later one is
compared with it byte by byte and authenticated, without being parsed again. That costs half as much.
"""

from __future__ import annotations

import hmac
from typing import NamedTuple

from rtcserver.transport import stun


class Credentials(NamedTuple):
    """One ICE generation: our ufrag and password, and the client's.

    remote_ufrag is "" while it is not known: then any will do. remote_password is "" if it is not known: then the
    client's answers to our requests are known by their transaction id alone.
    """

    ufrag: str
    password: str
    remote_ufrag: str
    remote_password: str = ""


class Kept(NamedTuple):
    """A check that has been parsed and was authentic.

    mac: an HMAC that holds the key and no data yet. head: the message's bytes before the transaction id. body:
    those between the transaction id and MESSAGE-INTEGRITY. mapped: XOR-MAPPED-ADDRESS of the reply. nominates:
    whether the check carries USE-CANDIDATE.
    """

    credentials: Credentials
    mac: hmac.HMAC
    head: bytes
    body: bytes
    mapped: bytes
    nominates: bool

    @classmethod
    def of(
        cls, data: bytes, message: stun.StunMessage, credentials: Credentials, remote: stun.Address
    ) -> Kept | None:
        """Keep a check; None if later ones have to be parsed all the same.

        That is so for IPv6, where XOR-MAPPED-ADDRESS depends on the transaction id, and for a message whose
        MESSAGE-INTEGRITY and FINGERPRINT are not its last two attributes.
        """
        mapped = stun.mapped_address(remote)
        if mapped is None or not message.fingerprint or message.integrity_at != len(data) - stun.SEAL_BYTES:
            return None
        mac = hmac.new(credentials.password.encode(), digestmod="sha1")
        body = data[stun.HEADER_BYTES : message.integrity_at]
        return cls(credentials, mac, data[:8], body, mapped, message.use_candidate)

    def comes_again(self, data: bytes) -> bool:
        """Whether `data` is this check again, with another transaction id, and authentic."""
        if data[:8] != self.head or data[stun.HEADER_BYTES : -stun.SEAL_BYTES] != self.body:
            return False
        sealed = stun.unseal(data)
        return sealed is not None and hmac.compare_digest(self._code(sealed[0]), sealed[1])

    def reply(self, transaction_id: bytes) -> bytes:
        """The success response, byte for byte as `stun.build_success` makes it."""
        signed = stun.success_head(transaction_id, len(self.mapped)) + self.mapped
        return stun.seal(signed, self._code(signed))

    def _code(self, signed: bytes) -> bytes:
        mac = self.mac.copy()
        mac.update(signed)
        return mac.digest()
