"""The tokens of a server in its state folder: the key that signs them, who was given one, and which are revoked.

The command line and the running server share the folder: what is revoked there counts at the next request.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rtcserver.access.token import EVERY_ROOM, MIN_KEY, Token, sign
from rtcserver.errors import ConfigError

KEY_FILE, LIST_FILE, LOCK_FILE = "tokens.key", "tokens.json", "tokens.lock"
LINK_S = 365 * 24 * 3600
"""How long the links are valid that the server prints."""
RENEW_S = 30 * 24 * 3600
"""A printed link that ends sooner is replaced at the next start."""
PERFORMER = ("listen", "read", "perform")


class NoPlaceError(ConfigError):
    """The folder cannot be written."""


class TokenStore:
    """What one state folder keeps. "" keeps all in memory, for as long as this object lives.

    Raises ConfigError if the folder cannot be used, or the key in it is too short.
    """

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder) if folder else None
        self._memory: dict[str, dict[str, Any]] = {}
        self._revoked: frozenset[str] = frozenset()
        self._stamp: tuple[int, int] | None = None
        self.key = secrets.token_bytes(MIN_KEY) if self.folder is None else self._load_key(self.folder)

    def issue(self, rooms: Sequence[str], actions: Sequence[str], expires_s: int, name: str = "") -> str:
        """A new token as text; it is listed from now on."""
        token = Token(secrets.token_hex(6), tuple(rooms), tuple(actions), expires_s)
        with self._changing() as held:
            held[token.id] = {
                "rooms": list(rooms),
                "actions": list(actions),
                "expires_s": expires_s,
                "name": name,
                "revoked": False,
            }
        return sign(self.key, token)

    def link(self, room: str, now_s: int) -> str:
        """The token of a room's performer link: the same one at each start, until it is revoked or nearly over."""
        name = f"link of {room}"
        for token_id, entry in self.listed().items():
            if entry["name"] == name and not entry["revoked"] and entry["expires_s"] - now_s > RENEW_S:
                return sign(self.key, Token(token_id, (room,), tuple(entry["actions"]), entry["expires_s"]))
        return self.issue((room,), PERFORMER, now_s + LINK_S, name)

    def revoke(self, token_id: str) -> None:
        """It counts no more. Raises ConfigError if there is none of this id."""
        with self._changing() as held:
            if token_id not in held:
                raise ConfigError(f'there is no token "{token_id}"; `rtcserver token list` shows them')
            held[token_id]["revoked"] = True

    def listed(self) -> Mapping[str, dict[str, Any]]:
        """All tokens by id: rooms, actions, expires_s, name, revoked."""
        if self.folder is None:
            return self._memory
        path = self.folder / LIST_FILE
        try:
            held: dict[str, dict[str, Any]] = json.loads(path.read_text())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as error:
            raise ConfigError(f"{path} cannot be read: {error}") from error
        return held

    def is_revoked(self, token_id: str) -> bool:
        """Whether a token counts no more; the list is read again whenever it has changed.

        A list that cannot be read revokes all: nobody comes in by a link then.
        """
        if self.folder is not None:
            try:
                found = (self.folder / LIST_FILE).stat()
                stamp = (found.st_mtime_ns, found.st_ino)
            except FileNotFoundError:
                return False
            except OSError:
                return True
            if stamp == self._stamp:
                return token_id in self._revoked
        try:
            self._revoked = frozenset(i for i, entry in self.listed().items() if entry["revoked"])
        except (ConfigError, KeyError, TypeError, AttributeError):
            return True
        if self.folder is not None:
            self._stamp = stamp
        return token_id in self._revoked

    @contextlib.contextmanager
    def _changing(self) -> Iterator[dict[str, dict[str, Any]]]:
        if self.folder is None:
            yield self._memory
            return
        try:
            with (self.folder / LOCK_FILE).open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                held = dict(self.listed())
                yield held
                draft = self.folder / f"{LIST_FILE}.new"
                draft.write_text(json.dumps(held, indent=1))
                draft.replace(self.folder / LIST_FILE)
        except OSError as error:
            raise ConfigError(f"state_dir: {self.folder} cannot be written: {error.strerror}") from error

    @staticmethod
    def _load_key(folder: Path) -> bytes:
        path = folder / KEY_FILE
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with (folder / LOCK_FILE).open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if not path.exists():
                    _make_key(path)
            key = path.read_bytes().strip()
        except OSError as error:
            raise NoPlaceError(
                f"state_dir: {folder} cannot be used: {error.strerror}; the key of the links is kept there"
            ) from error
        if len(key) < MIN_KEY:
            raise ConfigError(f"{path}: this secret is too short: it has {len(key)} bytes, not {MIN_KEY}")
        return key


def _make_key(path: Path) -> None:
    """Whole or not at all: a full disk must leave no part of a key behind, which would end every later start."""
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "w") as file:
        file.write(secrets.token_hex(MIN_KEY))
    draft.replace(path)


def rooms_of(named: Sequence[str]) -> tuple[str, ...]:
    """The rooms of a token; none named means every room."""
    return tuple(named) or (EVERY_ROOM,)
