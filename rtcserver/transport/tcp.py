"""The listening sockets of media over TCP, where HTTP does not listen on the same number already."""

from __future__ import annotations

import errno
import logging
import socket

from rtcserver.errors import ConfigError

log = logging.getLogger(__name__)


def open_listening(host: str, port: int, *, wanted: bool) -> list[socket.socket]:
    """Sockets that are bound to a TCP port on all addresses ("" as `host`) or on one, an IP family each.

    wanted: whether the port was asked for. If it was and is taken, ConfigError is raised; if it is only the number of the
    UDP port, the log says that there is no media over TCP, and there are no sockets.
    """
    families = [(socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")]
    if host:
        families = [(socket.AF_INET6 if ":" in host else socket.AF_INET, host)]
    sockets: list[socket.socket] = []
    try:
        for family, address in families:
            try:
                sockets.append(_bind(family, address, port))
            except OSError as error:
                # A machine without IPv6 listens on IPv4 alone.
                if not sockets or error.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
                    raise
    except OSError as error:
        for sock in sockets:
            sock.close()
        if wanted:
            raise ConfigError(
                f"media_tcp_port = {port}: cannot listen: {error.strerror}; "
                f"`ss -ltnp 'sport = :{port}'` names the program that has it, or choose another"
            ) from error
        log.warning(
            "no media over TCP: TCP port %d, the number of the media port, cannot be had (%s); set media_tcp_port to "
            "another one, or media_tcp = false",
            port,
            error.strerror,
        )
        return []
    return sockets


def _bind(family: int, address: str, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((address, port))
    except BaseException:
        sock.close()
        raise
    return sock
