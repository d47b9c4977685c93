"""TURN servers that a server names in ``Link`` headers (RFC 9725, section 4.6), as aiortc takes them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from aiortc import RTCIceServer

_VALUE = r'(?:"(?:[^"\\]|\\.)*"|[^\s;,"]*)'
_LINK = re.compile(rf"<([^>]*)>((?:\s*;\s*[\w-]+\s*=\s*{_VALUE})*)")
_PARAMETER = re.compile(rf";\s*([\w-]+)\s*=\s*({_VALUE})")
MAX_LINKS = 16


def relays(headers: Iterable[str]) -> list[RTCIceServer]:
    """The TURN servers of some ``Link`` headers (RFC 8288, section 3), in their order. aiortc uses the first one."""
    found = []
    for match in _LINK.finditer(", ".join(headers)):
        parameters = {name.lower(): _unquoted(value) for name, value in _PARAMETER.findall(match[2])}
        if parameters.get("rel", "").lower() != "ice-server" or not match[1].lower().startswith("turn"):
            continue
        if "username" in parameters and "credential" in parameters:
            found.append(
                RTCIceServer(
                    urls=match[1], username=parameters["username"], credential=parameters["credential"]
                )
            )
    return found[:MAX_LINKS]


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
