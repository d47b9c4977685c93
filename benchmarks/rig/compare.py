"""This build against an earlier one: the same benchmark in both, taking turns on the same machine.

The earlier one is a git worktree of its revision in a temporary folder; both run with the packages of this .venv. In
every round both are measured, and who begins alternates, so that a machine that gets slower disturbs both alike. For
each number that both print, the result has the medians, their ratio (after / before) and the ``spread``: the largest over
the smallest of one side's own values, whichever side's is worse. A ratio within the spread says nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.rig.common import emit, say

ROOT = Path(__file__).resolve().parents[2]


def numbers(result: object, name: str = "") -> dict[str, float]:
    """All numbers of a result by their path, as ``pacing_p99_ms.alone`` or ``runs.0.drift_ms``. Pure."""
    if isinstance(result, bool) or result is None or isinstance(result, str):
        return {}
    if isinstance(result, int | float):
        return {name: float(result)}
    items = (
        result.items()
        if isinstance(result, Mapping)
        else enumerate(result if isinstance(result, list) else [])
    )
    return {
        path: value
        for key, inner in items
        for path, value in numbers(inner, f"{name}.{key}" if name else str(key)).items()
    }


def compared(before: Sequence[object], after: Sequence[object]) -> dict[str, dict[str, float | None]]:
    """Medians, ratio and spread of every number that all of these results have. Pure."""
    sides = [[numbers(result) for result in results] for results in (before, after)]
    everywhere = [set(found) for results in sides for found in results]
    keys = set.intersection(*everywhere) if everywhere else set()
    found: dict[str, dict[str, float | None]] = {}
    for key in sorted(keys):
        values = [[result[key] for result in results] for results in sides]
        old, new = (median(side) for side in values)
        spreads = [max(side) / min(side) if len(side) > 1 and min(side) > 0 else None for side in values]
        known = [spread for spread in spreads if spread is not None]
        found[key] = {
            "before": old,
            "after": new,
            "ratio": round(new / old, 4) if old else None,
            "spread": round(max(known), 4) if len(known) == 2 else None,
        }
    return found


def git(*words: str) -> str:
    """What git says in this repository. Raises SystemExit with its message if it fails."""
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"compare: {done.stderr.strip()}")
    return done.stdout.strip()


@contextmanager
def earlier(revision: str) -> Iterator[Path]:
    """A tree of the revision, as git names it, in a temporary folder. Raises SystemExit with git's message."""
    commit = git("rev-parse", "--verify", f"{revision}^{{commit}}")
    with tempfile.TemporaryDirectory(prefix="before-") as temporary:
        folder = Path(temporary) / "before"
        git("worktree", "add", "--quiet", "--detach", str(folder), commit)
        try:
            yield folder
        finally:
            git("worktree", "remove", "--force", str(folder))


def run(folder: Path, bench: str, words: Sequence[str]) -> dict[str, Any]:
    """The benchmark's result in one of the two trees. Raises RuntimeError if it has none."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [sys.executable, "-m", f"benchmarks.{bench}", *words]
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True, env=environment)
    lines = done.stdout.splitlines()
    if not lines:
        raise RuntimeError(f"{bench} in {folder} ended with code {done.returncode} and printed no result")
    result: dict[str, Any] = json.loads(lines[-1])
    return result


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="script/compare", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3, help="how often both are measured (default 3)")
    parser.add_argument("revision", help="the earlier build, as git names it")
    parser.add_argument("bench", help="a benchmark that both have")
    parser.add_argument("words", nargs=argparse.REMAINDER, help="for the benchmark; both get the same")
    args = parser.parse_args()
    if args.rounds < 1:
        parser.error(f"--rounds is {args.rounds}, not 1 or more")
    commit = git("rev-parse", "--verify", "--short", f"{args.revision}^{{commit}}")
    with earlier(commit) as folder:
        for tree in (folder, ROOT):
            if not (tree / "benchmarks" / f"{args.bench}.py").is_file():
                raise SystemExit(f"compare: {commit if tree == folder else 'this tree'} has no {args.bench}")
        if git("diff", "--name-only", commit, "--", "requirements.txt"):
            say(f"compare: {commit} asks for other packages; both run with this .venv's")
        results: dict[Path, list[dict[str, Any]]] = {folder: [], ROOT: []}
        for number in range(args.rounds):
            for tree in (folder, ROOT) if number % 2 == 0 else (ROOT, folder):
                say(
                    f"compare: round {number + 1} of {args.rounds}, {commit if tree == folder else 'this build'}"
                )
                results[tree].append(run(tree, args.bench, args.words))
                say(json.dumps(results[tree][-1]))
    both = compared(results[folder], results[ROOT])
    errors = [result["errors"] for side in results.values() for result in side if result.get("errors")]
    emit(
        {
            "benchmark": args.bench,
            "before": commit,
            "rounds": args.rounds,
            "ratios": {key: figures["ratio"] for key, figures in both.items()},
            "figures": both,
            **({"errors": errors} if errors else {}),
        }
    )
    return 1 if errors else 0


# Not for script/bench, which lists the modules directly in benchmarks/.
if __name__ == "__main__":
    raise SystemExit(main())
