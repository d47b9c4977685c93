"""The server's side of a room's local output."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Any

from rtcserver.children.supervised import SupervisedProcess
from rtcserver.errors import ProcessError
from rtcserver.instrument.supervisor import InstrumentSupervisor

log = logging.getLogger(__name__)


class Monitor(SupervisedProcess):
    """Plays `instrument`'s room on the PortAudio output `device` (``default``: the system's). Loop-bound.

    status: what the process said last: ``device``, ``error`` (why nothing is played, or None), ``rate``, ``played``
    (frames), ``asked`` (frames that the output has asked for, up to ``at_ns``), ``level`` (frames that wait),
    ``underruns``, ``overruns``, ``slips``, ``output_underflows``.
    """

    def __init__(self, instrument: InstrumentSupervisor, device: str) -> None:
        super().__init__(f"room {instrument.room}, monitor", "rtcserver.monitor.process", stop_s=2)
        self._instrument = instrument
        self._wanted = device
        self._feed: socket.socket | None = None
        self._timings: list[asyncio.Future[dict[str, Any]]] = []
        self.status: dict[str, Any] = {}

    @property
    def room(self) -> str:
        """Name of the room that is played."""
        return self._instrument.room

    def health(self) -> dict[str, object]:
        """As ``/healthz`` says it."""
        return {
            "pid": self.pid,
            "running": self.pid is not None,
            "restarts": self.restarts,
            "device": self.status.get("device", ""),
            "error": self.status.get("error"),
            "underruns": self.status.get("underruns", 0),
        }

    async def timings(self) -> dict[str, Any]:
        """The status with ``callback_ns`` and ``lock_ns``: count, p50, p99 and max of the durations since the last call.

        ``lock_ns`` are waits for the interpreter lock (`rtcserver.children.lock_probe`). Raises ProcessError.
        """
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._timings.append(future)
        if not self._tell({"type": "timings"}):
            raise ProcessError("the monitor's process does not run")
        return await asyncio.wait_for(future, 5)

    def _greet(self) -> None:
        # Each process has a feed of its own: nothing of what another did not read is left on it.
        self._feed = self._instrument.open_feed(packets=False, blocks=True)
        self._tell({"type": "start", "device": self._wanted}, (self._feed.fileno(),))

    def _gone(self) -> None:
        for future in self._timings:
            future.cancel()
        self._timings.clear()
        feed, self._feed = self._feed, None
        if feed is not None:
            self._instrument.close_feed(feed)

    def _handle(self, message: dict[str, Any]) -> None:
        if message["type"] == "status":
            before = self.status.get("error"), self.status.get("device")
            self.status = message
            if before != (message["error"], message["device"]):
                log.info(
                    "room %s: monitor %s%s",
                    self._instrument.room,
                    message["device"] or self._wanted,
                    f": {message['error']}" if message["error"] else "",
                )
        elif message["type"] == "timings":
            for future in self._timings:
                if not future.done():
                    future.set_result(message)
            self._timings.clear()
