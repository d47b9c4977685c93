"""Checks that only keep consent (RFC 7675), as nearly all datagrams are that ever arrive. Pure.

An agent's checks on a path that stays as it is differ by their transaction id, and so by MESSAGE-INTEGRITY and
FINGERPRINT. `Kept` is one that has been looked at closely; the next one like it need not be.
"""

from __future__ import annotations

import hmac
from typing import NamedTuple

from rtcserver.transport import stun


class Credentials(NamedTuple):
    """One generation: ours, and theirs. An empty `remote_ufrag` is not compared (it is not known yet)."""

    ufrag: str
    password: str
    remote_ufrag: str


class Kept(NamedTuple):
    """A check that was found in order.

    mac: fresh, with the key. head, body: of the message before its transaction id, and from there to
    MESSAGE-INTEGRITY. mapped: XOR-MAPPED-ADDRESS of the reply. nominates: whether it carries USE-CANDIDATE.
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
        """None if the next one has to be looked at all the same: from an IPv6 address, or oddly built."""
        mapped = stun.mapped_address(remote)
        if mapped is None or not message.fingerprint or message.integrity_at != len(data) - stun.SEAL_BYTES:
            return None
        mac = hmac.new(credentials.password.encode(), digestmod="sha1")
        body = data[stun.HEADER_BYTES : message.integrity_at]
        return cls(credentials, mac, data[:8], body, mapped, message.use_candidate)

    def comes_again(self, data: bytes) -> bool:
        """Whether this is another check like it, and authentic."""
        if data[:8] != self.head or data[stun.HEADER_BYTES : -stun.SEAL_BYTES] != self.body:
            return False
        sealed = stun.unseal(data)
        return sealed is not None and hmac.compare_digest(self._code(sealed[0]), sealed[1])

    def reply(self, transaction_id: bytes) -> bytes:
        """As `stun.build_success` would say it."""
        signed = stun.success_head(transaction_id, len(self.mapped)) + self.mapped
        return stun.seal(signed, self._code(signed))

    def _code(self, signed: bytes) -> bytes:
        mac = self.mac.copy()
        mac.update(signed)
        return mac.digest()
