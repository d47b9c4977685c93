"""Listening: sockets, the bound on connections, and aiohttp's server settings."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
from typing import cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from rtcserver.access.admission import Admission
from rtcserver.errors import ConfigError
from signaling.gate import Doorkeeper, Gate, Media
from signaling.limits import BACKLOG, Limits
from signaling.tls_port import TlsPort


class HttpServer:
    """Serves one application. `start` on the loop that is to serve; `close` ends all connections."""

    def __init__(
        self,
        app: web.Application,
        limits: Limits | None = None,
        admission: Admission | None = None,
        media: Media | None = None,
    ) -> None:
        """media: takes connections that begin with a packet of media (`rtcserver.transport.framing`), if this is their
        port, too."""
        self._limits = limits or Limits()
        self._media = media
        self._keeper = Doorkeeper(admission or Admission(), self._limits.max_header_bytes, media)
        self.malformed = 0
        """Malformed requests whose traceback was kept out of the log."""
        logger = logging.getLogger(f"{__name__}.http")
        self._logger = logger
        self._runner = web.AppRunner(
            app,
            access_log=None,
            logger=logger,
            handler_cancellation=True,
            keepalive_timeout=self._limits.idle_s,
            lingering_time=1.0,
            max_line_size=self._limits.max_header_line_bytes,
            max_field_size=self._limits.max_header_line_bytes,
            max_headers=self._limits.max_headers,
            auto_decompress=False,
            shutdown_timeout=3.0,
        )
        self._servers: list[asyncio.Server] = []
        self._tls_ports: list[TlsPort] = []
        self._bound: list[socket.socket] = []

    def bind(self, host: str = "", port: int = 0) -> int:
        """Take the port without serving yet, and return it. `host` "" means all addresses, IPv4 and IPv6; port
        0 a free one.

        Raises ConfigError with what mends it if the port is taken or the address is not this machine's.
        """
        self._bound = listening_sockets(host, port)
        return cast(int, self._bound[0].getsockname()[1])

    async def start(self, host: str = "", port: int = 0, *, tls: ssl.SSLContext | None = None) -> int:
        """Serve and return the port: what `bind` has taken, or else as it would. Raises ConfigError."""
        sockets = self._bound or listening_sockets(host, port)
        self._bound = []
        self._logger.addFilter(self._quiet)
        await self._runner.setup()
        loop = asyncio.get_running_loop()
        port = cast(int, sockets[0].getsockname()[1])
        for sock in sockets:
            if tls is None:
                self._servers.append(await loop.create_server(self._protocol, sock=sock, backlog=BACKLOG))
            else:
                secure = TlsPort(sock, tls, self._protocol, self._media)
                secure.start()
                self._tls_ports.append(secure)
        return port

    async def close(self) -> None:
        """Stop listening and end all connections, within a few seconds."""
        for sock in self._bound:
            sock.close()
        self._bound = []
        for server in self._servers:
            server.close()
        for secure in self._tls_ports:
            await secure.close()
        await self._runner.cleanup()
        self._logger.removeFilter(self._quiet)

    @property
    def connections(self) -> int:
        """Open TCP connections."""
        return self._keeper.open

    @property
    def refused(self) -> int:
        """Connections refused since there are too many."""
        return self._keeper.refused

    def _protocol(self) -> asyncio.Protocol:
        server = self._runner.server
        assert server is not None, "start() makes it before the sockets are served"
        return Gate(self._keeper, server)

    def _quiet(self, record: logging.LogRecord) -> bool:
        """Keeps strangers from filling the log: aiohttp logs a traceback for every malformed request."""
        if record.exc_info and isinstance(record.exc_info[1], HttpProcessingError):
            self.malformed += 1
            return False
        return True


def listening_sockets(host: str, port: int) -> list[socket.socket]:
    """Bound TCP sockets, one an address family, all on the same port. Raises ConfigError."""
    families = [(socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")]
    if host:
        families = [(socket.AF_INET6 if ":" in host else socket.AF_INET, host)]
    sockets: list[socket.socket] = []
    try:
        for family, address in families:
            try:
                sock = socket.socket(family, socket.SOCK_STREAM)
            except OSError:
                if sockets:
                    continue  # a kernel without IPv6
                raise
            sockets.append(sock)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                sock.bind((address, port))
            except OSError as error:
                if error.errno == errno.EADDRNOTAVAIL and len(sockets) > 1:
                    sockets.pop().close()  # IPv6 exists but is switched off
                    continue
                raise
            port = sock.getsockname()[1]
            sock.setblocking(False)
            # Whoever comes while the server still starts waits in the kernel, and is answered as soon as it serves.
            sock.listen(BACKLOG)
    except OSError as error:
        for sock in sockets:
            sock.close()
        raise ConfigError(_why_not(host, port, error)) from error
    return sockets


def _why_not(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port = {port}: another program has this port "
            f"(ss -ltnp 'sport = :{port}' shows which); choose another with --port {port + 1}."
        )
    if error.errno == errno.EACCES:
        return f"port = {port}: ports below 1024 need privileges; choose another with --port 8080."
    if error.errno == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
        return f'host = "{host}": this machine has no such address (ip addr shows what it has).'
    return f'host = "{host}", port = {port}: cannot listen: {error.strerror}.'
