"""Control messages between the server and a child process of it.

JSON messages over an ``AF_UNIX``/``SOCK_SEQPACKET`` pair, one a datagram, each with a ``type``; descriptors travel
beside them (SCM_RIGHTS). ``stop``, or the end of the socket, ends the process.
"""

from __future__ import annotations

import json
import socket
from typing import Any

from rtcserver.errors import ProcessError

MAX_MESSAGE = 65_536
EXIT_DEPENDENCY = 3
"""Exit code of a process that lacks a shared library; its last status says which."""


def send(sock: socket.socket, message: dict[str, Any], fds: tuple[int, ...] = ()) -> None:
    """Send one message. Raises OSError; BlockingIOError when the other side does not read."""
    data = json.dumps(message, separators=(",", ":")).encode()
    if fds:
        socket.send_fds(sock, [data], list(fds))
    else:
        sock.send(data)


def receive(sock: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """One message with its descriptors, or None when the other side has closed.

    Raises BlockingIOError when there is none yet, ProcessError for what is no message.
    """
    data, fds, _, _ = socket.recv_fds(sock, MAX_MESSAGE, 4)
    if not data:
        return None
    try:
        message = json.loads(data)
    except ValueError as error:
        raise ProcessError(f"a control message is not JSON: {data[:60]!r}") from error
    if not isinstance(message, dict) or "type" not in message:
        raise ProcessError(f"a control message has no type: {data[:60]!r}")
    return message, list(fds)
