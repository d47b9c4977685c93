"""What a line of the log says besides its message: which room and session it is about, as text or as JSON.

`about` holds for what runs inside it, for the tasks and timers that are made there, and for what libraries log in them.
A session is named as `rtcserver.peer.base.public_handle` does.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Literal, TextIO

LogFormat = Literal["text", "json"]
TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s%(about)s"

_about: ContextVar[Mapping[str, str]] = ContextVar("about")
_NOTHING: Mapping[str, str] = {}


@contextmanager
def about(**what: str) -> Iterator[None]:
    """Let all lines that are logged inside name `what`, such as ``room`` and ``session``; "" is left out."""
    token = _about.set({**_about.get(_NOTHING), **{key: value for key, value in what.items() if value}})
    try:
        yield
    finally:
        _about.reset(token)


def concern() -> Mapping[str, str]:
    """What a line that is logged now is about."""
    return _about.get(_NOTHING)


class _About(logging.Filter):
    """Puts `concern` into the record. On a handler, it runs where the line is logged."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.concern = what = concern()
        record.about = "".join(f" {key}={_word(value)}" for key, value in what.items())
        return True


def _word(value: str) -> str:
    return value if value.isprintable() and " " not in value else json.dumps(value)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ``time`` (UTC), ``level``, ``logger``, ``message``, what it is about, and ``exception``."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, str] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "concern", _NOTHING),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = self.formatStack(record.stack_info)
        return json.dumps(line)


def configure(level: str, form: LogFormat, stream: TextIO | None = None) -> None:
    """Log to `stream`, standard error by default, from the root logger; what was set up before is replaced."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else logging.Formatter(TEXT))
    handler.addFilter(_About())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(True)
    for noisy in ("aioice", "aiortc"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
