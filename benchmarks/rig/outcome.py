"""A benchmark's result whatever happens: bounded in time, and printed although a peer fails.

`main_of` runs a benchmark's command. It takes ``--budget-s`` off the command line, which every benchmark has; when so many
seconds are over, what runs is interrupted and what is known is printed. `Result` collects the figures: each server under
test is a `Result.peer`, whose failure makes its own keys null and is told under ``errors`` in a sentence, while the others
go on. Loops over rounds ask `Result.fits` whether one more has its time, so fewer rounds are measured on a slow machine
rather than the run being longer.

The deadline is kept in the environment, as a benchmark starts itself anew in a namespace, and others as its parts.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.rig import common
from benchmarks.rig.common import say

BUDGET_S = 240.0
"""Unless a benchmark that has to listen for longer says otherwise."""
LONG_S = 900.0
"""For those that listen to a page for minutes."""
CLOSING_S = 10.0
"""What ending servers and fleets may take after the budget."""
_DEADLINE = "BENCHMARK_DEADLINE_NS"


class OverBudgetError(Exception):
    """The time is up."""


def sentence(error: BaseException) -> str:
    """What an exception says, or its kind where it says nothing."""
    said = " ".join(str(error).split())
    return (
        said
        if isinstance(error, OverBudgetError | RuntimeError) and said
        else f"{type(error).__name__}: {said}"
    )


def take_budget(words: list[str], default_s: float = BUDGET_S) -> float:
    """Removes ``--budget-s SECONDS`` from a command line; the seconds.

    Raises SystemExit with a message if it is no such number.
    """
    for at, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name != "--budget-s":
            continue
        value = value if equals else "".join(words[at + 1 : at + 2])
        del words[at : at + (1 if equals else 2)]
        try:
            budget = float(value)
        except ValueError:
            budget = 0.0
        if not 1 <= budget <= 86_400:
            raise SystemExit(f"--budget-s: {value!r} is not a number of seconds from 1 to 86400")
        return budget
    return default_s


def left_s() -> float:
    """Seconds until the budget is spent; infinite outside of `main_of`, as in tests."""
    deadline = os.environ.get(_DEADLINE)
    return (int(deadline) - time.monotonic_ns()) / 1e9 if deadline else float("inf")


class Result:
    """Figures of one run. peers: how many servers will be measured, each of which gets its share of the time left."""

    def __init__(self, *, peers: int = 1) -> None:
        self.figures: dict[str, Any] = {}
        self.errors: dict[str, str] = {}
        self._peers_left = peers
        self._until = float("inf")

    @contextlib.contextmanager
    def peer(self, name: str, keys: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Figures of one server, for `keys`. An exception makes those null that were not set, and goes to `errors`."""
        share_s = max(0.0, left_s()) / max(1, self._peers_left)
        self._peers_left -= 1
        self._until = time.monotonic() + share_s
        found: dict[str, Any] = {}
        try:
            if left_s() <= 0:
                # The others have used all of the time: this one is interrupted at once.
                signal.setitimer(signal.ITIMER_REAL, 0.1)
            yield found
        except Exception as error:
            self.errors[name] = sentence(error)
            say(f"  {name}: {self.errors[name]}")
        finally:
            self._until = float("inf")
            self.figures |= {**dict.fromkeys(keys), **found}

    def fits(self, seconds: float) -> bool:
        """Whether so many more seconds are in this peer's share of the budget."""
        return time.monotonic() + seconds <= self._until

    def ratio(self, key: str, above: str, below: str, digits: int = 3) -> None:
        """Adds the quotient of two figures; null where one is missing."""
        over, under = self.figures.get(above), self.figures.get(below)
        self.figures[key] = round(over / under, digits) if over is not None and under else None

    def emit(self, **more: Any) -> int:
        """Prints it; `errors` only if there are some. Returns the exit code: 1 if something failed."""
        common.emit({**self.figures, **more, **({"errors": self.errors} if self.errors else {})})
        return 1 if self.errors else 0


def main_of(main: Callable[[], int | None], default_s: float = BUDGET_S) -> int:
    """Runs a benchmark's `main`, in time; its exit code. A line of JSON comes whatever happens but a wrong argument."""
    budget_s = take_budget(sys.argv, default_s)
    if _DEADLINE not in os.environ:
        os.environ[_DEADLINE] = str(time.monotonic_ns() + round(budget_s * 1e9))

    def over(number: int, frame: object) -> None:
        # A first alarm may come where nobody hands on exceptions: there are more.
        signal.setitimer(signal.ITIMER_REAL, CLOSING_S)
        raise OverBudgetError("this was not done in the time of --budget-s.")

    signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, max(0.1, left_s()))
    emitted = common.emitted()
    try:
        return main() or 0
    except Exception as error:
        if common.emitted() == emitted:
            name = Path(sys.argv[0]).stem
            common.emit({"benchmark": name, "errors": {name: sentence(error)}})
        else:
            say(sentence(error))
        return 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
