"""Users with passwords, for players that know HTTP's Basic authentication (RFC 7617) and nothing else. Pure.

A password is kept as a hash by scrypt (RFC 7914): ``scrypt$14$8$5$SALT$HASH``, with the logarithm of N, r and p, and salt
and hash in base64 for URLs. Its cost, 16 MiB and about a tenth of a second, is what guessing costs, too.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rtcserver.access.rules import ACTIONS

LOG_N, R, P = 14, 8, 5
MAX_LOG_N, MAX_R, MAX_P = 17, 16, 16
"""What a hash in a configuration may cost at most: 256 MiB."""
MAX_COST = 1 << 21
"""N times r times p: about a second, for which all others' passwords wait."""
SALT_BYTES, HASH_BYTES = 16, 32
MIN_PASSWORD = 8
MAX_PASSWORD = 256
USUAL = ("listen", "read")
"""What a user may do whose table does not say it."""
_FORM = re.compile(r"scrypt\$(\d{1,2})\$(\d{1,2})\$(\d{1,2})\$([\w-]+={0,2})\$([\w-]+={0,2})")
_NAME = re.compile(r"[\w.@-]{1,64}")
_KEYS = ("name", "password", "actions", "rooms")


@dataclass(frozen=True, slots=True)
class User:
    """Somebody with a password. password: its hash. rooms: names; empty for all, and for the server as a whole."""

    name: str
    password: str = field(repr=False)
    actions: tuple[str, ...] = USUAL
    rooms: tuple[str, ...] = ()

    def covers(self, action: str, room: str | None) -> bool:
        """Whether they may do this there; room None is the server as a whole."""
        return action in self.actions and (not self.rooms or room in self.rooms)


def hashed(password: str) -> str:
    """The hash of a password. Takes a tenth of a second. Raises ValueError for one that is too short or too long."""
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise ValueError(
            f"a password has {MIN_PASSWORD} to {MAX_PASSWORD} characters; this one has {len(password)}"
        )
    salt = secrets.token_bytes(SALT_BYTES)
    try:
        password.encode()
    except UnicodeEncodeError:
        raise ValueError("this password is not UTF-8 text, as which players send it") from None
    found = _scrypt(password, salt, LOG_N, R, P)
    return f"scrypt${LOG_N}${R}${P}${_text(salt)}${_text(found)}"


NOBODY = f"scrypt${LOG_N}${R}${P}${'A' * 22}==${'A' * 43}="
"""A hash of no password that is known: a name that does not exist costs as much as one that does."""


def matches(password: str, kept: str) -> bool:
    """Whether a password is the one of a hash. Takes as long as the hash costs, and as long for a wrong one."""
    parts = _parts(kept)
    if parts is None or len(password) > MAX_PASSWORD:
        return False
    log_n, r, p, salt, wanted = parts
    return hmac.compare_digest(_scrypt(password, salt, log_n, r, p), wanted)


def parse(tables: Any, rooms: Sequence[str]) -> tuple[User, ...]:
    """The users of ``[[users]]`` tables. Raises ValueError with the user's number, its key and what is allowed."""
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise ValueError("users must be tables such as [[users]]")
    users = tuple(_user(f"user {number}", table, rooms) for number, table in enumerate(tables, 1))
    names = [user.name for user in users]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f'two users have the name "{name}"')
    return users


def _user(where: str, table: Mapping[str, Any], rooms: Sequence[str]) -> User:
    for key in table:
        if key not in _KEYS:
            raise ValueError(f"{where}: there is no key {key}; allowed are {', '.join(_KEYS)}")
    name, password = table.get("name"), table.get("password")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"{where}: name is 1 to 64 letters, digits, dots, @, - and _")
    where = f'{where} ("{name}")'
    if not isinstance(password, str) or _parts(password) is None:
        raise ValueError(
            f"{where}: password is a hash that `rtcserver token hash` makes, never the password itself"
        )
    actions = _texts(where, table, "actions", ACTIONS) if "actions" in table else USUAL
    named = _texts(where, table, "rooms", rooms) if "rooms" in table else ()
    return User(name, password, actions, named)


def _texts(where: str, table: Mapping[str, Any], key: str, allowed: Sequence[str]) -> tuple[str, ...]:
    value = table[key]
    if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
        raise ValueError(f'{where}: {key} is a list of texts, such as ["{allowed[0]}"]')
    for item in value:
        if item not in allowed:
            raise ValueError(f'{where}: {key} knows no "{item}"; allowed are {", ".join(allowed)}')
    return tuple(value)


def _parts(kept: str) -> tuple[int, int, int, bytes, bytes] | None:
    form = _FORM.fullmatch(kept)
    if form is None:
        return None
    log_n, r, p = int(form[1]), int(form[2]), int(form[3])
    try:
        salt, wanted = (base64.urlsafe_b64decode(text) for text in (form[4], form[5]))
    except (binascii.Error, ValueError):
        return None
    bounded = 1 <= log_n <= MAX_LOG_N and 1 <= r <= MAX_R and 1 <= p <= MAX_P
    # RFC 7914, section 6: N is less than 2^(128 * r / 8).
    bounded = bounded and log_n < 16 * r and (r * p << log_n) <= MAX_COST
    whole = len(salt) >= 8 and len(wanted) == HASH_BYTES
    return (log_n, r, p, salt, wanted) if bounded and whole else None


def _scrypt(password: str, salt: bytes, log_n: int, r: int, p: int) -> bytes:
    n = 1 << log_n
    return hashlib.scrypt(
        password.encode("utf-8", "surrogatepass"),
        salt=salt,
        n=n,
        r=r,
        p=p,
        maxmem=128 * r * (n + p + 2) + 4096,
        dklen=HASH_BYTES,
    )


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode()
