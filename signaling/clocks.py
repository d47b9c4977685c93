"""The server's wall clock, for a page that finds out how far the clock of its device is from it."""

from __future__ import annotations

from aiohttp import web

from rtcserver.clock import wall_ns
from signaling.respond import as_json

NS_PER_MS = 1_000_000


async def clock(request: web.Request) -> web.Response:
    """``{"time_ms"}``: milliseconds since 1970 by this machine's clock, as the answer is made."""
    return as_json({"time_ms": round(wall_ns() / NS_PER_MS, 3)})


def routes() -> list[web.RouteDef]:
    return [web.get("/api/clock", clock)]
