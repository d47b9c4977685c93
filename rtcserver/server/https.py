"""The certificate that the running server serves: which one, and when it is looked at again."""

from __future__ import annotations

import asyncio
import datetime
import logging
import ssl
from pathlib import Path

from rtcserver.clock import NS, wall_ns
from rtcserver.config.load import parse_hosts
from rtcserver.config.model import ServerConfig
from rtcserver.errors import ConfigError
from rtcserver.transport.candidates import machine_addresses
from signaling.authority import machine_names
from signaling.tls import AutomaticCertificate, Certificate, FileCertificate

log = logging.getLogger(__name__)

RENEW_S = 60.0
"""How often certificates are looked at: renewed files, new addresses of the machine, an end that comes near."""


class Https:
    """HTTPS as the configuration wants it. `open` first, then `start` on the loop, `reload` at any time, `close`."""

    def __init__(self, config: ServerConfig) -> None:
        self._config = config
        self._certificate: Certificate | None = None
        self._task: asyncio.Task[None] | None = None

    def open(self) -> ssl.SSLContext | None:
        """The context to serve with; None for plain HTTP. Raises ConfigError naming what is wrong."""
        config = self._config
        if config.tls_cert or config.tls_key:
            self._certificate = own = FileCertificate(config.tls_cert, config.tls_key)
            if remark := own.remark(_now()):
                log.warning("%s", remark)
        elif config.tls == "auto":
            if not config.state_dir:
                raise ConfigError(
                    "tls = auto: there is no home folder to keep the authority in; set state_dir"
                )
            self._certificate = AutomaticCertificate(Path(config.state_dir), self._names, _now())
        return None if self._certificate is None else self._certificate.context

    def start(self) -> None:
        """Look for a newer certificate from time to time."""
        if self._certificate is not None:
            self._task = asyncio.create_task(self._run(), name="certificate")

    def reload(self) -> None:
        """Look now. What cannot be served is said in the log, and the certificate of before is served on."""
        if self._certificate is None:
            return
        try:
            if self._certificate.refresh(_now()):
                log.info("HTTPS is served with a new certificate from now on")
        except ConfigError as error:
            log.error("%s; the certificate of before is served on", error)

    async def close(self) -> None:
        """Look no more. Idempotent."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(RENEW_S)
            self.reload()

    def _names(self) -> list[str]:
        """Under which names and addresses a browser may reach this machine now."""
        addresses = [str(found.address) for found in machine_addresses()]
        return machine_names(addresses, (*parse_hosts(self._config.public_host), self._config.host))


def _now() -> datetime.datetime:
    return datetime.datetime.fromtimestamp(wall_ns() / NS, datetime.UTC)
