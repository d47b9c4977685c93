"""A sign of life for health checks that cannot speak HTTP: a file that is written anew while the server serves.

A container's health check looks at the file's age. It needs no address, no port, no certificate and no interpreter of
its own, whatever the server is configured to.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from pathlib import Path

from rtcserver.errors import ConfigError
from rtcserver.tasks import cancelled

log = logging.getLogger(__name__)

INTERVAL_S = 3.0
"""Between two signs. A health check should allow for several that are late."""


class Heartbeat:
    """Writes a word into a file every `INTERVAL_S` on the event loop: a loop that stands still gives no sign.

    status: the word, such as ``ok`` or ``degraded``. The file disappears at the end.
    """

    def __init__(self, file: Path, status: Callable[[], str]) -> None:
        self._file = file
        self._status = status
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Give the first sign. Raises ConfigError if the file cannot be written."""
        try:
            self._write()
        except OSError as error:
            raise ConfigError(f"health_file: cannot write {self._file}: {error.strerror}") from error
        self._task = asyncio.create_task(self._run(), name="heartbeat")

    async def close(self) -> None:
        """No more signs. Idempotent."""
        task, self._task = self._task, None
        if task is not None:
            await cancelled(task)
            with contextlib.suppress(OSError):
                self._file.unlink()

    async def _run(self) -> None:
        failed = False
        while True:
            await asyncio.sleep(INTERVAL_S)
            # A full disk ages the file, and so says that something is wrong; it ends nothing.
            try:
                self._write()
            except OSError:
                continue
            except Exception:
                if not failed:
                    log.exception("no sign of life could be made; the health file grows old")
                failed = True
            else:
                failed = False

    def _write(self) -> None:
        self._file.write_text(f"{self._status()}\n", encoding="ascii")
