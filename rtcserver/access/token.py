"""Signed tokens: who may do what, where, and until when. JSON Web Tokens (RFC 7519) with HMAC-SHA256. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import jwt

MAX_TOKEN = 1024
MIN_KEY = 32
"""Bytes of a key: as many as the hash has (RFC 7518, section 3.2)."""
EVERY_ROOM = "*"


@dataclass(frozen=True, slots=True)
class Token:
    """What a token says. id: to revoke it by. rooms: names, or `EVERY_ROOM`. expires_s: seconds since 1970."""

    id: str
    rooms: tuple[str, ...]
    actions: tuple[str, ...]
    expires_s: int

    def covers(self, action: str, room: str | None) -> bool:
        """Whether it is for this action there; room None is the server as a whole, which takes every room."""
        return action in self.actions and (EVERY_ROOM in self.rooms or room in self.rooms)


def sign(key: bytes, token: Token) -> str:
    """The token as text, URL-safe. The same token gives the same text."""
    claims = {
        "jti": token.id,
        "rooms": list(token.rooms),
        "actions": list(token.actions),
        "exp": token.expires_s,
    }
    return jwt.encode(claims, key, algorithm="HS256")


def read(key: bytes, text: str) -> Token | None:
    """What a token of this key says, expired or not; None for anything else. Never raises."""
    if len(text) > MAX_TOKEN:
        return None
    try:
        # The time is the caller's to compare: this module reads no clock.
        claims = jwt.decode(
            text,
            key,
            algorithms=["HS256"],
            options={"verify_exp": False, "require": ["exp", "jti"]},
        )
        # 1e999 is a number in JSON, and no time.
        rooms, actions, expires_s = claims["rooms"], claims["actions"], int(claims["exp"])
    except (jwt.InvalidTokenError, KeyError, ValueError, TypeError, OverflowError, RecursionError):
        return None
    if not isinstance(rooms, list) or not isinstance(actions, list) or not isinstance(claims["jti"], str):
        return None
    return Token(claims["jti"], tuple(map(str, rooms)), tuple(map(str, actions)), expires_s)
