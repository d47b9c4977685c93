"""Control messages between the server and a child process of it.

JSON messages over an ``AF_UNIX``/``SOCK_SEQPACKET`` pair, one a datagram, each with a ``type``; descriptors travel
beside them (SCM_RIGHTS). Two types are common to all children: ``stop`` (down), or the end of the socket, ends the
process; ``progress`` (up: ``what``, ``share``) says what it is loading (`report_progress`). The others are each
child's own.
"""

from __future__ import annotations

import contextlib
import json
import socket
from typing import Any

from rtcserver.errors import ProcessError

MAX_MESSAGE = 65_536
EXIT_DEPENDENCY = 3
"""Exit code of a process that lacks a shared library; its last status says which."""


def pack(message: dict[str, Any]) -> bytes:
    """The bytes of a message."""
    return json.dumps(message, separators=(",", ":")).encode()


def send(sock: socket.socket, message: dict[str, Any], fds: tuple[int, ...] = ()) -> None:
    """Send one message. Raises OSError; BlockingIOError when the other side does not read."""
    data = pack(message)
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
    except (ValueError, RecursionError) as error:
        raise ProcessError(f"a control message is not JSON: {data[:60]!r}") from error
    if not isinstance(message, dict) or "type" not in message:
        raise ProcessError(f"a control message has no type: {data[:60]!r}")
    return message, list(fds)


def report_progress(sock: socket.socket, what: str, share: float | None = None) -> None:
    """For a child that starts or loads something that may take seconds: say so, before and while it does.

    From this message until the next one of another type the server waits `rtcserver.children.liveness.START_NS`
    for a word instead of `SILENCE_NS`, and shows people `what` ("loading grand.sf2") and `share` (0 to 1; None if
    unknown). A few a second are plenty; one at least every minute while it goes on. Does not wait and raises
    nothing: a message that finds the socket full is not worth waiting for, and the socket's end is found by
    whoever reads it.
    """
    with contextlib.suppress(OSError):
        send(sock, {"type": "progress", "what": what, "share": share})


def receive_start(sock: socket.socket, descriptors: int = 0) -> tuple[dict[str, Any], list[int]]:
    """A child's first message, ``start``, with as many descriptors as it needs. Waits for it.

    Raises ProcessError for anything else: whoever started this process is no server of this version.
    """
    received = receive(sock)
    if received is None or received[0]["type"] != "start" or len(received[1]) != descriptors:
        raise ProcessError(f"the first control message must be start, with {descriptors} descriptors")
    return received
