"""What people write where a value of the configuration stands, and what is said of a key that there is not. Pure."""

from __future__ import annotations

import difflib
import re
import typing
from collections.abc import Sequence
from typing import Any

_LIKE = 0.75
"""How alike two names are, from 0 to 1, for one to be a slip of the other."""
_PART = 4
"""Characters that the beginning of a name has, to stand for it."""
_QUOTES = "\"'"
_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def unknown_key(key: str, value: Any, where: str, known: Sequence[str]) -> str:
    """The sentence about a key that there is not; what was meant comes first where it can be told."""
    said = f"{where}: there is no key {key}"
    if isinstance(value, dict):
        return f"{said}, and the only tables are [rooms.NAME]; allowed at the top, without a table, are {_list(known)}"
    if meant := nearest(key, known):
        return f"{said}; did you mean {meant}? Allowed are {_list(known)}"
    return f"{said}; allowed are {_list(known)}"


def _list(known: Sequence[str]) -> str:
    return ", ".join(sorted(known))


def nearest(name: str, known: Sequence[str]) -> str:
    """The known name that `name` most likely stands for: spelled or written in another way; "" if none is like it."""
    plain = _CAPITAL.sub("_", name).lower().replace("-", "_")
    if plain in known:
        return plain
    bare = {each.replace("_", ""): each for each in known}
    if (same := bare.get(plain.replace("_", ""))) is not None:
        return same
    begins = [each for each in known if each.startswith(plain)]
    if len(plain) >= _PART and len(begins) == 1:
        return begins[0]
    return next(iter(difflib.get_close_matches(plain, known, 1, _LIKE)), "")


def unquoted(text: str) -> str:
    """A variable's value without blanks around it and one pair of quotation marks, which an environment file of
    ``docker run --env-file`` leaves in place."""
    text = text.strip()
    if len(text) >= 2 and text[0] == text[-1] and text[0] in _QUOTES and text[0] not in text[1:-1]:
        return text[1:-1]
    return text


def choice(hint: Any, value: Any) -> Any:
    """One of a few words in any case ("WARNING") as the key has it; all other values as they are."""
    if typing.get_origin(hint) is typing.Literal and isinstance(value, str):
        words = {word.lower(): word for word in typing.get_args(hint)}
        return words.get(value.strip().lower(), value)
    return value


def shown(value: Any) -> str:
    """A value as a message quotes it: as TOML writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def hint_for(line: str) -> str:
    """What is most likely wrong in a line that is no TOML: a sentence in brackets, or "" where it cannot be told."""
    _, equals, value = line.partition("=")
    value = value.strip()
    if re.match(r"[A-Za-z_]\w*\s*:", line.strip()):
        return " (write name = value, not name: value)"
    if not equals or not value:
        return ""
    if any(mark in line for mark in "\u201c\u201d\u201e\u2018\u2019"):
        return " (these are typographic quotation marks; write straight ones)"
    if value[0] == '"' and "\\" in value:
        return " (write a path with backslashes in single quotation marks)"
    if value.lower() in ("yes", "no", "on", "off", "true", "false"):
        return " (a switch is true or false, in small letters)"
    if re.match(r"[^\W\d]|[~/.]", value):
        return " (a text needs quotation marks)"
    if re.fullmatch(r"[+-]?\d+,\d+.*", value):
        return " (a decimal number has a point)"
    return ""
