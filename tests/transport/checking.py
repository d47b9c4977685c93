"""Connectivity checks as a client makes them, and the agents that they are for. No sockets, no clock."""

from __future__ import annotations

import itertools
from hashlib import sha256

from rtcserver.transport import stun
from rtcserver.transport.address import Path
from rtcserver.transport.consent import Credentials
from rtcserver.transport.ice import IceRegistry
from rtcserver.transport.ice_agent import IceAgent

S = 1_000_000_000
TIDS = itertools.count()
REMOTE = "rmtU"


def path(port: int, host: str = "192.0.2.7", local: bytes = b"\x0a\x00\x00\x01") -> Path:
    return Path(0, local, 0, (host, port))


def fresh() -> bytes:
    """A transaction id that was not used before."""
    return sha256(next(TIDS).to_bytes(4, "big")).digest()[:12]


def check(
    credentials: Credentials,
    *,
    nominate: bool = False,
    priority: int = 100,
    controlling: bool = True,
    tid: bytes | None = None,
) -> bytes:
    return stun.build_request(
        fresh() if tid is None else tid,
        f"{credentials.ufrag}:{REMOTE}".encode(),
        credentials.password.encode(),
        priority=priority,
        use_candidate=nominate,
        controlling=controlling,
    )


def make(registry: IceRegistry, now: int = 0) -> IceAgent:
    return registry.create(REMOTE, None, now)
