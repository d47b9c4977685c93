"""The performer link of a real server, as it prints it at its start."""

from __future__ import annotations

import re

from tests.rig.process import wait_until
from tests.rig.server import RtcServer

_LINK = re.compile(r"#perform=(\S+)")


def performer_token(server: RtcServer) -> str:
    """The token of the link. Raises `RigError` if none is printed."""
    wait_until(lambda: _LINK.search(server.log()) is not None, "a performer link is printed")
    found = _LINK.search(server.log())
    assert found is not None
    return found[1]
