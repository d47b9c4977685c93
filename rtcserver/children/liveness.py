"""When a child process counts as hung: one limit while it starts or loads, a shorter one once it runs. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rtcserver.clock import NS

START_NS = 120 * NS
"""A process that is starting or loading, and says nothing at all for so long, hangs.

It is generous: a slow machine takes its time to import, and a library that loads a large file says nothing while it
does. Each progress message begins it anew, so a process that reports progress is never too slow."""
SILENCE_NS = 3 * NS
"""A process that has reported anything else than progress, and then says nothing for so long, hangs."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What a process does before it is ready, for people: "loading grand.sf2".

    share: how much of it is done, 0 to 1, or None if it does not know.
    """

    what: str
    share: float | None = None

    @classmethod
    def from_message(cls, message: dict[str, Any]) -> Progress:
        """Read a ``progress`` message. Raises ValueError or KeyError if it is none."""
        share = message.get("share")
        if share is not None and not (isinstance(share, int | float) and 0 <= share <= 1):
            raise ValueError(f"the share of a progress message is {share!r}: allowed is 0 to 1")
        return cls(str(message["what"]), None if share is None else float(share))

    def __str__(self) -> str:
        return self.what if self.share is None else f"{self.what}, {self.share * 100:.0f} %"


class Liveness:
    """Whether one process has said too little. Times are monotonic ns."""

    def __init__(self, now_ns: int, *, start_ns: int = START_NS, silence_ns: int = SILENCE_NS) -> None:
        self._start_ns = start_ns
        self._silence_ns = silence_ns
        self._heard_ns = now_ns
        self.progress: Progress | None = None
        """What it said last that it is doing; None before, and once it reports anything else."""
        self.reported = False
        """Whether it reports: it has started, and is not loading anything."""

    def heard(self, now_ns: int, progress: Progress | None) -> None:
        """A message came: `progress`, or None for any other."""
        self._heard_ns = now_ns
        self.progress = progress
        self.reported = progress is None

    def held_up(self, duration_ns: int) -> None:
        """The watcher itself did not run for so long: what the process said meanwhile could not be heard."""
        self._heard_ns += duration_ns

    @property
    def limit_ns(self) -> int:
        """The limit that is in force."""
        return self._silence_ns if self.reported else self._start_ns

    def hung(self, now_ns: int) -> bool:
        """Whether the process is to be given up."""
        return now_ns - self._heard_ns > self.limit_ns
