"""Lets atheris look for inputs of one target, in a process of its own, and says what it found.

A target's process is forked from one that has everything imported and instrumented. It counts its executions and keeps its
slowest input in memory that it shares with its parent, since libFuzzer ends the process when it is done.
"""

from __future__ import annotations

import gc
import hashlib
import logging
import mmap
import os
import re
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from tests.fuzz.target import LIMIT_MS, Target

RSS_LIMIT_MB = 1024
OURS = ("rtcserver", "signaling", "aiortc.rtcsctptransport", "aiortc.rtp", "aiortc.sdp")
"""What is instrumented: ours, and what is reached of aiortc."""
TraceFunction = Callable[[FrameType, str, Any], Any]
_SHARED = struct.Struct("QQ")
_WORTH_LOOKING_NS = 1_000_000
_COVERED = re.compile(r"cov: (\d+) ft: (\d+) corp: (\d+)")


class SlowError(Exception):
    """An input took longer than `LIMIT_MS`."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """executions: inputs run. worst_ms: CPU time of the slowest, 0 if all were below 1 ms. covered: edges of our code.

    inputs: kept because each reaches something that no other does. fault: "" if nothing was wrong, else what was.
    """

    target: str
    executions: int
    seconds: float
    worst_ms: float
    covered: int
    inputs: int
    fault: str


class _Watched:
    """A target that counts, takes the time, and keeps an input that is a fault.

    shared: `_SHARED`, executions and the worst time in ns.
    """

    def __init__(self, target: Target, shared: mmap.mmap, folder: Path) -> None:
        self._target = target
        self._shared = shared
        self._folder = folder
        self._executions = 0
        self._worst_ns = _WORTH_LOOKING_NS

    def __call__(self, data: bytes) -> None:
        try:
            took = self._cpu_ns(data)
            self._executions += 1
            if took > self._worst_ns:
                self._look_again(data)
        except BaseException:
            (self._folder / f"fault-{hashlib.sha256(data).hexdigest()[:12]}").write_bytes(data)
            raise
        _SHARED.pack_into(self._shared, 0, self._executions, self._worst_ns)

    def _look_again(self, data: bytes) -> None:
        """Memory may have been swept meanwhile, or a page loaded: three more times, and the best one counts."""
        best = min(self._cpu_ns(data) for _ in range(3))
        self._worst_ns = max(self._worst_ns, best)
        if best > LIMIT_MS * 1_000_000:
            raise SlowError(f"{best / 1e6:.1f} ms for an input of {len(data)} bytes")

    def _cpu_ns(self, data: bytes) -> int:
        begun = time.thread_time_ns()
        self._target(data)
        return time.thread_time_ns() - begun


def fuzz(
    target: Target, folder: Path, *, executions: int = 0, seconds: int = 0, seed: int = 0, keep: bool = True
) -> Outcome:
    """Run a target until it has had so many executions or seconds.

    folder: the target's own; its corpus is read and grows there, faults and the log are left there. seed: of the mutations;
    0 is by chance. keep: False leaves the corpus as it is.
    """
    corpus, log = folder / "corpus", folder / "log.txt"
    corpus.mkdir(parents=True, exist_ok=True)
    given = folder / "given"
    given.mkdir(exist_ok=True)
    for number, data in enumerate(target.seeds()):
        (given / f"{number:04}").write_bytes(data)
    words = folder / "words.txt"
    words.write_text("".join(f'"{_escaped(word.encode())}"\n' for word in target.words))
    arguments = [
        target.name,
        *([str(corpus)] if keep else []),
        str(given),
        f"-max_len={target.max_bytes}",
        f"-runs={executions or -1}",
        f"-max_total_time={seconds}",
        f"-seed={seed}",
        # libFuzzer takes an empty dictionary for a mistake.
        *([f"-dict={words}"] if target.words else []),
        f"-artifact_prefix={folder}/",
        f"-rss_limit_mb={RSS_LIMIT_MB}",
        "-timeout=20",
    ]
    shared = mmap.mmap(-1, _SHARED.size)
    begun = time.perf_counter()
    status = _in_a_fork(log, lambda: _endless(arguments, _Watched(target, shared, folder)))
    took = time.perf_counter() - begun
    done, worst_ns = _SHARED.unpack_from(shared)
    said = log.read_text(errors="replace")
    covered = _COVERED.findall(said)
    return Outcome(
        target.name,
        done,
        took,
        worst_ns / 1e6 if worst_ns > _WORTH_LOOKING_NS else 0.0,
        int(covered[-1][0]) if covered else 0,
        int(covered[-1][2]) if covered else 0,
        "" if status == 0 else _fault(said, status),
    )


def distil(target: Target, folder: Path, most: int, max_bytes: int) -> list[bytes]:
    """The smallest inputs of the corpus that reach each a line which those before, and the good ones, do not.

    At most `most`, none above `max_bytes`.
    """
    known: set[tuple[str, int]] = set()
    for data in target.good():
        known |= _lines(target, data)
    corpus = [path.read_bytes() for path in (folder / "corpus").iterdir()]
    kept = []
    for data in sorted(corpus, key=lambda data: (len(data), data)):
        if len(data) > max_bytes or len(kept) == most:
            break
        lines = _lines(target, data)
        if lines - known:
            known |= lines
            kept.append(data)
    return kept


def _lines(target: Target, data: bytes) -> set[tuple[str, int]]:
    """The lines of ours that an input reaches."""
    found: set[tuple[str, int]] = set()

    def trace(frame: FrameType, event: str, argument: object) -> TraceFunction | None:
        name = frame.f_globals.get("__name__", "")
        if not name.startswith(OURS):
            return None
        found.add((name, frame.f_lineno))
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        target(data)
    finally:
        sys.settrace(before)
    return found


def _escaped(word: bytes) -> str:
    """A word as libFuzzer's dictionaries have it."""
    return "".join(f"\\x{byte:02x}" for byte in word)


def _endless(arguments: list[str], run: Callable[[bytes], None]) -> NoReturn:
    import atheris

    # What is there now stays: no sweep of the memory has to look at it again.
    gc.freeze()
    # What is logged of hostile input, a million times over, would be all that the process does.
    logging.disable(logging.CRITICAL)
    atheris.Setup(arguments, run)
    atheris.Fuzz()
    raise AssertionError("libFuzzer ends the process")


def _in_a_fork(log: Path, work: Callable[[], NoReturn]) -> int:
    """The exit status of a child that does some work, with its words in a file."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        try:
            work()
        finally:
            os._exit(70)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def _fault(said: str, status: int) -> str:
    """What ended a run, in a line: the exception, or libFuzzer's own words."""
    lines = said.splitlines()
    for number, line in enumerate(lines):
        if "Uncaught Python exception" in line:
            return " ".join(lines[number + 1 : number + 2]).strip() or "an exception"
    errors = [line for line in lines if line.startswith("==") and "ERROR" in line]
    return errors[0] if errors else f"ended with status {status}"
