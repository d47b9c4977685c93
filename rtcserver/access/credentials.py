"""What this server has given out: tokens, which are over at their end or once revoked, and users. Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence

from rtcserver.access.token import Token, read
from rtcserver.access.users import User

KEPT = 1024
"""Tokens whose signature is not checked anew each time; the one that was shown longest ago is forgotten first."""


class Credentials:
    """Tokens of `key`, and users by name. revoked: whether the token with this id counts no more."""

    def __init__(self, key: bytes, revoked: Callable[[str], bool], users: Sequence[User] = ()) -> None:
        self.users: Mapping[str, User] = {user.name: user for user in users}
        self._key = key
        self._revoked = revoked
        self._kept: OrderedDict[str, Token] = OrderedDict()

    def read(self, text: str) -> Token | None:
        """What a token says, be it over or not; None for what is no token of ours. Only the latter costs each time."""
        token = self._kept.get(text)
        if token is not None:
            self._kept.move_to_end(text)
            return token
        token = read(self._key, text)
        if token is not None:
            self._kept[text] = token
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return token

    def over(self, token_id: str, ends_s: float, now_s: float) -> str:
        """Why a token counts no more, in a sentence; "" while it does."""
        if self._revoked(token_id):
            return "This link has been revoked."
        if now_s >= ends_s:
            return "This link has expired; ask for a new one."
        return ""
