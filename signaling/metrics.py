"""``GET /metrics``: what the transport counts, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from rtcserver.access.door import Action
from rtcserver.errors import PeerError
from signaling.entrance import Entrance


class MetricsPage:
    """The handler. render: None where the transport exports no metrics."""

    def __init__(self, entrance: Entrance, render: Callable[[], bytes] | None) -> None:
        self._entrance = entrance
        self._render = render

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/metrics", self.metrics)]

    async def metrics(self, request: web.Request) -> web.Response:
        """The text format of Prometheus, version 0.0.4."""
        await self._entrance.check(request, Action.READ)
        if self._render is None:
            raise PeerError(404, "no_metrics", "This transport exports no metrics.")
        return web.Response(
            body=self._render(),
            headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8", "Cache-Control": "no-store"},
        )
