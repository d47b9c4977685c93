"""A link as a QR code on a terminal, for the phone of whoever starts the server."""

from __future__ import annotations

import io
import os
import shutil
import sys
from typing import TextIO
from urllib.parse import urlsplit

from rtcserver.errors import ConfigError
from rtcserver.transport.candidates import machine_addresses, usable

_LIGHT_ON_DARK, _PLAIN = "\x1b[97;40m", "\x1b[0m"


def terminal(out: TextIO | None = None) -> bool:
    """Whether `out` (standard output) is a terminal that can show one: a log, or a pipe, keeps its lines for machines."""
    out = sys.stdout if out is None else out
    encoding = (getattr(out, "encoding", None) or "").lower().replace("-", "")
    return out.isatty() and encoding == "utf8" and os.environ.get("TERM", "") != "dumb"


def from_a_phone(link: str) -> str:
    """The same link by an address of this machine, where it says ``localhost``; "" if there is no such address."""
    parts = urlsplit(link)
    if parts.hostname != "localhost":
        return link
    addresses = usable(machine_addresses())
    near = [one for one in addresses if one.version == 4] or addresses
    if not near:
        return ""
    host = f"[{near[0]}]" if near[0].version == 6 else str(near[0])
    return parts._replace(netloc=host if parts.port is None else f"{host}:{parts.port}").geturl()


def code(link: str, columns: int | None = None) -> str:
    """The QR code in half blocks of white on black, whatever the terminal's colours; "" if it is broader than the terminal.

    Raises ConfigError for a link that is too long for any QR code.
    """
    import segno

    try:
        made = segno.make(link, error="l", micro=False)
    except segno.DataOverflowError:
        raise ConfigError("this link is too long for a QR code") from None
    out = io.StringIO()
    made.terminal(out, compact=True, border=2)
    lines = out.getvalue().splitlines()
    if columns is None:
        columns = shutil.get_terminal_size().columns
    if len(lines[0]) > columns:
        return ""
    return "\n".join(f"{_LIGHT_ON_DARK}{line}{_PLAIN}" for line in lines)
