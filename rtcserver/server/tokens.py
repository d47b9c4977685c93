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

from rtcserver.access.token import EVERY_ROOM, MAX_TOKEN, MIN_KEY, Token, sign
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
        self._valid: frozenset[str] = frozenset()
        self._stamp: tuple[int, ...] | None = None
        self.key = secrets.token_bytes(MIN_KEY) if self.folder is None else self._load_key(self.folder)

    def issue(
        self, rooms: Sequence[str], actions: Sequence[str], expires_s: int, name: str = "", by: str = ""
    ) -> str:
        """A new token as text; it is listed from now on. Raises ConfigError if it says too much for a token.

        by: who asked for it, another token's id for one that does not outlive that; "" for the operator.
        """
        token = Token(secrets.token_hex(6), tuple(rooms), tuple(actions), expires_s)
        text = sign(self.key, token)
        if len(text) > MAX_TOKEN:
            raise ConfigError(
                f"a token has at most {MAX_TOKEN} characters; this one would have {len(text)}: name fewer rooms, "
                "or none for every room"
            )
        self.keep(token, name, by)
        return text

    def keep(self, token: Token, name: str = "", by: str = "") -> None:
        """List a token: only what is listed counts."""
        with self._changing() as held:
            held[token.id] = {
                "rooms": list(token.rooms),
                "actions": list(token.actions),
                "expires_s": token.expires_s,
                "name": name,
                "revoked": False,
            } | ({"by": by} if by else {})

    def link(self, room: str, now_s: int) -> str:
        """The token of a room's performer link: the same one at each start, until it is revoked or nearly over."""
        name = f"link of {room}"
        says = {"name": name, "rooms": [room], "actions": list(PERFORMER), "revoked": False}
        for token_id, entry in self.listed().items():
            # Somebody else's token may have the same name, and be for more or for less.
            if entry.items() >= says.items() and entry["expires_s"] - now_s > RENEW_S:
                return sign(self.key, Token(token_id, (room,), PERFORMER, entry["expires_s"]))
        return self.issue((room,), PERFORMER, now_s + LINK_S, name)

    def revoke(self, token_id: str) -> None:
        """It counts no more. Raises ConfigError if there is none of this id."""
        with self._changing() as held:
            if token_id not in held:
                raise ConfigError(f'there is no token "{token_id}"; `rtcserver token list` shows them')
            held[token_id]["revoked"] = True

    def listed(self) -> Mapping[str, dict[str, Any]]:
        """All tokens by id: rooms, actions, expires_s, name, revoked. Raises ConfigError if they cannot be read."""
        if self.folder is None:
            return self._memory
        path = self.folder / LIST_FILE
        try:
            held = json.loads(path.read_text())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as error:
            raise ConfigError(f"{path} cannot be read: {error}") from error
        if not isinstance(held, dict) or not all(map(_is_entry, held.values())):
            raise ConfigError(f"{path} cannot be read: it is no list of tokens")
        return held

    def is_revoked(self, token_id: str) -> bool:
        """Whether a token counts no more; the list is read again whenever it has changed.

        Only what is listed counts: with a list that is gone, cannot be read, or has lost its revocations with its
        entries, nobody comes in by a link.
        """
        if self.folder is None:
            return token_id not in _valid(self._memory)
        try:
            found = (self.folder / LIST_FILE).stat()
            # Two changes within a tick of the file system's clock may even have the same inode.
            stamp = (found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_size)
            if stamp != self._stamp:
                self._valid = _valid(self.listed())
                self._stamp = stamp
        except (OSError, ConfigError):
            return True
        return token_id not in self._valid

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
            if not path.exists():
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                with (folder / LOCK_FILE).open("w") as lock:
                    fcntl.flock(lock, fcntl.LOCK_EX)
                    if not path.exists():
                        _make_key(path)
            # What is there is whole, and enough for the links that were given out, in a folder that can only be read, too.
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


def _is_entry(entry: Any) -> bool:
    """Whether this is what the list says of a token."""

    def texts(value: Any) -> bool:
        return isinstance(value, list) and all(isinstance(item, str) for item in value)

    return (
        isinstance(entry, dict)
        and texts(entry.get("rooms"))
        and texts(entry.get("actions"))
        and type(entry.get("expires_s")) is int
        and isinstance(entry.get("name"), str)
        and isinstance(entry.get("revoked"), bool)
        and isinstance(entry.get("by", ""), str)
    )


def _valid(listed: Mapping[str, Mapping[str, Any]]) -> frozenset[str]:
    """What counts: neither the token is revoked, nor the one by which it was made."""
    revoked = {token_id for token_id, entry in listed.items() if entry["revoked"]}
    while more := {
        token_id
        for token_id, entry in listed.items()
        if entry.get("by", "") in revoked and token_id not in revoked
    }:
        revoked |= more
    return frozenset(listed) - revoked


def rooms_of(named: Sequence[str]) -> tuple[str, ...]:
    """The rooms of a token; none named means every room."""
    return tuple(named) or (EVERY_ROOM,)
