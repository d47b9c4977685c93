"""What the server and an instrument process say to one another.

JSON messages over an ``AF_UNIX``/``SOCK_SEQPACKET`` pair, one a datagram; descriptors travel
beside them (SCM_RIGHTS). When the socket closes, the process ends.

Down: ``start`` (once, first), ``add_feed`` (with one descriptor), ``set_bitrate``, ``midi``
(``events``: [performer, hexadecimal, at_ns or 0] each), ``midi_release`` (``performer``), ``midi_silence``,
``studio``, ``timings`` (with ``reset``: forget the durations after the answer), ``stop``. Up: ``status`` (five a second),
``timings`` (on request).
"""

from __future__ import annotations

import json
import socket
from dataclasses import asdict, dataclass, field
from typing import Any

from rtcserver.errors import ProcessError

MAX_MESSAGE = 65_536
STATUS_INTERVAL_NS = 200_000_000
EXIT_STALLED = 4
"""Exit code of a process whose open device delivered nothing for too long."""
EXIT_DEPENDENCY = 3
"""Exit code of a process that lacks a shared library; its last status says which."""


@dataclass(slots=True)
class Status:
    """What an instrument process reports five times a second.

    state: ``live`` (blocks arrive) or ``silent`` (no device; `error` says why, `code` for programs).
    media_time, at_ns: the capture clock: this media time was converted at this monotonic time.
    base: media time of the epoch's first device frame.
    frames: device frames since the epoch began, lost ones included.
    behind_blocks: blocks that wait for the encoder at the moment.
    peak: largest magnitude left and right since the last status, linear.
    """

    state: str = "silent"
    error: str | None = None
    code: str | None = None
    device: str = ""
    rate: int = 0
    channels: int = 0
    blocksize: int = 0
    sample_format: str = ""
    exact: bool = False
    epoch: int = 0
    media_time: int = 0
    at_ns: int = 0
    base: int = 0
    frames: int = 0
    lost_frames: int = 0
    overflows: int = 0
    overruns: int = 0
    behind_blocks: int = 0
    encoded: int = 0
    feed_dropped: int = 0
    bitrate_bps: int = 0
    peak: list[float] = field(default_factory=lambda: [0.0, 0.0])

    def to_message(self) -> dict[str, Any]:
        return {"type": "status", **asdict(self)}

    @classmethod
    def from_message(cls, message: dict[str, Any]) -> Status:
        known = {name: message[name] for name in cls.__dataclass_fields__ if name in message}
        return cls(**known)


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
