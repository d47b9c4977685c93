"""The ``Link`` headers that tell a listener of STUN and TURN servers (RFC 9725, section 4.6), with credentials that expire.

Pure: the time comes in.
"""

from __future__ import annotations

import hmac
import secrets
from base64 import b64encode
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class IceServers:
    """What listeners may be told.

    urls: ``stun:``, ``stuns:``, ``turn:`` and ``turns:`` URLs, checked. secret: the TURN servers' shared one; b"" where
    `username` and `password` are the same for everybody. lifetime_s: how long a credential made with the secret lets
    a client begin to use the servers.
    """

    urls: tuple[str, ...] = ()
    secret: bytes = field(default=b"", repr=False)
    username: str = ""
    password: str = field(default="", repr=False)
    lifetime_s: int = 43_200

    def links(self, now_s: float) -> tuple[str, ...]:
        """A value of a ``Link`` header for each server, with credentials of its own. now_s: wall time, Unix seconds."""
        if not self.urls:
            return ()
        username, password = self.username, self.password
        if self.secret:
            # A name of its own lets the TURN server's quota be for one listener (coturn's user-quota).
            username, password = expiring(self.secret, int(now_s) + self.lifetime_s, secrets.token_hex(6))
        return tuple(_link(url, username, password) for url in self.urls)


class Told:
    """What listeners are told now; it may change while the server runs."""

    def __init__(self, servers: IceServers | None = None) -> None:
        self.servers = servers or IceServers()

    def __bool__(self) -> bool:
        return bool(self.servers.urls)


def expiring(secret: bytes, expires_s: int, name: str = "") -> tuple[str, str]:
    """Username and credential until `expires_s` (Unix seconds), as coturn's ``use-auth-secret`` takes them.

    The scheme is draft-uberti-behave-turn-rest, section 2.2: the username is the time, with a name behind a colon; the
    credential is base64(HMAC-SHA1(secret, username)).
    """
    username = f"{expires_s}:{name}" if name else str(expires_s)
    return username, b64encode(hmac.digest(secret, username.encode(), "sha1")).decode()


def _link(url: str, username: str, password: str) -> str:
    """In the order of the examples of RFC 9725: some clients read no other."""
    link = f'<{url}>; rel="ice-server"'
    if not url.lower().startswith("turn"):
        return link
    return f'{link}; username={_quoted(username)}; credential={_quoted(password)}; credential-type="password"'


def _quoted(text: str) -> str:
    """A quoted-string (RFC 9110, section 5.6.4)."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
