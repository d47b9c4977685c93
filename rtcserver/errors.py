"""Every error that the server raises on purpose, by whose fault it is.

``RtcServerError``
├── ``ConfigError``         our operator's: a key, its value and what is allowed
├── ``InstrumentError``     the device's: missing, busy, wrong rate or channel
├── ``DependencyError``     the machine's: a shared library is missing; names the command that installs it
├── ``ProcessError``        ours: a child process did not do what its protocol says
└── ``PeerError``           the other side's, with the HTTP status that it maps to
"""

from __future__ import annotations


class RtcServerError(Exception):
    """Base of all errors raised on purpose. ``str()`` is one sentence for a person."""


class ConfigError(RtcServerError):
    """A configuration value is wrong. The message names the key, the value and what is allowed."""


class InstrumentError(RtcServerError):
    """The instrument cannot be captured. `code` is stable for programs, the message is for people."""

    def __init__(self, message: str, *, code: str = "instrument") -> None:
        super().__init__(message)
        self.code = code


class DependencyError(RtcServerError):
    """A shared library is missing. The message ends in the command that installs it."""


class ProcessError(RtcServerError):
    """A child process broke its protocol or ended."""


RETRY_AFTER_S = 5
"""When to ask again, where nothing better is known."""


class PeerError(RtcServerError):
    """A client's request cannot be served.

    `status` is the HTTP status it maps to, `code` a stable word for programs, and the message one
    sentence that says what is wrong. `retry_after_s` becomes a ``Retry-After`` header; what will be otherwise
    in a while, 429 and 503, always has one.
    """

    def __init__(self, status: int, code: str, message: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        if retry_after_s is None and status in (429, 503):
            retry_after_s = RETRY_AFTER_S
        self.retry_after_s = retry_after_s
