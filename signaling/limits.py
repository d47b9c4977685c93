"""What one request may cost. How many there may be of something is `rtcserver.access.admission`'s."""

from __future__ import annotations

from dataclasses import dataclass

BACKLOG = 1024
"""Connections that wait to be accepted: a server that comes back is asked by all its listeners within a moment."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the HTTP side. Times are in seconds, sizes in bytes."""

    max_body_bytes: int = 64 * 1024
    """Largest request body; a longer one is answered 413, whether or not it announced its length."""
    body_s: float = 10.0
    """How long a body may take to arrive; then 408."""
    max_upload_bytes: int = 1_000_000
    """Largest MIDI file; a larger one is answered 413."""
    answer_s: float = 10.0
    """How long the backend may take for an answer; then 503."""
    close_s: float = 7.0
    """How long DELETE waits for the session's end before it answers; the end goes on regardless."""
    send_s: float = 30.0
    """How long a file may take to be sent; then the connection is cut."""
    idle_s: float = 20.0
    """How long a connection may be without a complete request: idle, or sending its headers slowly."""
    max_header_line_bytes: int = 8190
    """Longest request line or header; a longer one is answered 400."""
    max_headers: int = 64
    """Most headers of a request; more are answered 400."""
    max_header_bytes: int = 32 * 1024
    """The request line and all headers together; beyond, 431."""
