"""Performer tokens: who opens the performer link may play. HMAC-SHA256 over room and expiry. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json

MAX_TOKEN = 1024


def sign(secret: bytes, room: str, expires_s: int) -> str:
    """A token for `room`, valid until wall time `expires_s` (seconds since 1970). URL-safe."""
    body = json.dumps({"room": room, "exp": expires_s, "role": "performer"}, separators=(",", ":")).encode()
    return f"{_encode(body)}.{_encode(_mac(secret, body))}"


def verify(secret: bytes, token: str, room: str, now_s: float) -> bool:
    """Whether `token` was signed with `secret`, is for `room`, and has not expired. Never raises."""
    body_text, dot, mac_text = token.partition(".")
    if not dot or len(token) > MAX_TOKEN:
        return False
    try:
        body, mac = _decode(body_text), _decode(mac_text)
        # Checked before anything inside is looked at.
        if not hmac.compare_digest(mac, _mac(secret, body)):
            return False
        claims = json.loads(body)
        return bool(claims["room"] == room and claims["role"] == "performer" and now_s < claims["exp"])
    except (ValueError, KeyError, TypeError, binascii.Error):
        return False


def _mac(secret: bytes, body: bytes) -> bytes:
    return hmac.digest(secret, body, hashlib.sha256)


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
