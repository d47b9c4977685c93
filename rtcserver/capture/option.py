"""Options of an instrument kind that a package of its own brings: names, types, texts, defaults, limits. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rtcserver.errors import ConfigError

Value = bool | int | float | str
_TYPES: dict[type, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


@dataclass(frozen=True, slots=True)
class Option:
    """One option. Its type is that of `default`: bool, int, float or str.

    text: one sentence for people, with the unit. least, most: limits of a number, both allowed.
    choices: the allowed values; empty allows all.
    """

    name: str
    default: Value
    text: str
    least: float | None = None
    most: float | None = None
    choices: tuple[Value, ...] = ()

    def check(self, value: Any) -> Value:
        """The value in the option's type. Raises ConfigError that names the option, the value and what is allowed."""
        kind = type(self.default)
        if kind is float and type(value) is int:
            value = float(value)
        allowed = type(value) is kind and not (type(value) is float and not math.isfinite(value))
        if allowed and self.choices:
            allowed = value in self.choices
        if allowed and kind in (int, float):
            allowed = (self.least is None or value >= self.least) and (
                self.most is None or value <= self.most
            )
        if not allowed:
            written = str(value).lower() if isinstance(value, bool) else repr(value)
            raise ConfigError(f"options: {self.name} = {written} is not allowed; allowed is {self.allowed()}")
        checked: Value = value
        return checked

    def allowed(self) -> str:
        """What may be given, in words: "a number from 0.1 to 20"."""
        if self.choices:
            return " or ".join(str(choice) for choice in self.choices)
        words = _TYPES[type(self.default)]
        if self.least is not None:
            words += f" from {self.least:g}"
        if self.most is not None:
            words += f" to {self.most:g}"
        return words

    def to_message(self) -> dict[str, Any]:
        """As JSON-serialisable values."""
        return asdict(self)

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> Option:
        """What `to_message` has made."""
        return cls(**{**message, "choices": tuple(message["choices"])})


def check_options(kind: str, options: tuple[Option, ...], given: Mapping[str, Any]) -> dict[str, Value]:
    """All options of a kind with the values that were given, or else their defaults.

    Raises ConfigError that names what is wrong and what is allowed.
    """
    known = {option.name: option for option in options}
    for name in given:
        if name not in known:
            allowed = f"allowed are {', '.join(known)}" if known else "it has none"
            raise ConfigError(f"options: {kind} has no option {name}; {allowed}")
    return {name: option.check(given.get(name, option.default)) for name, option in known.items()}
