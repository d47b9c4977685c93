"""Which MIDI port a name means. Pure: lists of names in, one name out.

The names that systems give to ports change from start to start: ALSA appends ``client:port`` numbers,
Windows a running number. The *stable name* is what is left without them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

from rtcserver.errors import InstrumentError
from rtcserver.midi.profile import PortRules

CLIENT_NAME = "rtcserver"
"""Our own client's name; its ports are never chosen."""
_ALSA_NUMBERS = re.compile(r" \d+:\d+$")
_RUNNING_NUMBER = re.compile(r" \d+$")
_THROUGH = "Midi Through"
"""The kernel's loop-back port: chosen only by name."""


def stable_name(name: str, api: str = "alsa") -> str:
    """The port's name without what changes when it is plugged in again. api: alsa, jack, coremidi, winmm."""
    if api == "alsa":
        return _ALSA_NUMBERS.sub("", name)
    if api == "winmm":
        return _RUNNING_NUMBER.sub("", name)
    return name


def choose(names: Sequence[str], wanted: str, rules: PortRules, api: str, direction: str) -> int:
    """Index in `names` of the port to open.

    wanted: a name or a part of one from the configuration, or empty: the profile's `rules` decide, and
    without those the only port there is. direction: ``output`` or ``input``, for the message.
    Raises InstrumentError, code ``missing`` or ``ambiguous``, with the list of what there is.
    """
    ports = [
        (index, name, stable_name(name, api))
        for index, name in enumerate(names)
        if not name.startswith(CLIENT_NAME)
    ]
    listing = "".join(f"\n  {stable}" for _, _, stable in ports) or "\n  (none)"
    if wanted:
        matches = _named(ports, wanted)
        called = f'called "{wanted}"'
    else:
        matches = _by_rules(ports, rules)
        called = f"of the instrument ({' or '.join(rules.contains)})" if rules.contains else "at all"
    if not matches:
        raise InstrumentError(
            f"midi_{direction}: there is no MIDI {direction} {called}. There are:{listing}", code="missing"
        )
    if len(matches) > 1:
        several = "".join(f"\n  {name}" for _, name, _ in matches)
        raise InstrumentError(
            f"midi_{direction}: several {direction}s could be meant; give the whole name of one:{several}",
            code="ambiguous",
        )
    return matches[0][0]


_Port = tuple[int, str, str]


def _named(ports: list[_Port], wanted: str) -> list[_Port]:
    """Whole names before parts; of two with the same stable name, the full one of today decides."""
    lower = wanted.casefold()
    for matches in (
        [port for port in ports if lower == port[1].casefold()],
        [port for port in ports if lower == port[2].casefold()],
        [port for port in ports if lower in port[2].casefold()],
    ):
        if matches:
            return matches
    return []


def _by_rules(ports: list[_Port], rules: PortRules) -> list[_Port]:
    mine = [
        port
        for port in ports
        if (not rules.contains and not port[2].startswith(_THROUGH))
        or any(part.casefold() in port[2].casefold() for part in rules.contains)
    ]
    mine = [port for port in mine if not _matches(port[2], rules.left_alone)]
    music = [port for port in mine if _matches(port[2], rules.music)]
    return music or mine


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name.casefold(), pattern.casefold()) for pattern in patterns)
