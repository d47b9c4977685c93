"""``python -m tests.fuzz``: see ``script/fuzz --help``."""

from __future__ import annotations

import argparse
import base64
import json
import os
import shutil
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".cache" / "fuzz"
SECONDS = 60
KEPT, KEPT_BYTES = 20, 600
"""Inputs that `--distil` writes for a target, and the most bytes of one."""


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="script/fuzz",
        description=f"Look for inputs that a parser cannot take. What is found stays in {FOLDER.relative_to(ROOT)}.",
    )
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="parsers; all if none is named")
    parser.add_argument("--seconds", type=int, default=0, help=f"for each target (default: {SECONDS})")
    parser.add_argument("--executions", type=int, default=0, help="of each target, instead of --seconds")
    parser.add_argument(
        "--upto", type=int, default=0, help="no more than this many of a target, earlier runs counted"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="of the mutations, for a run that can be repeated"
    )
    parser.add_argument("--fresh", action="store_true", help="begin with the good inputs, and keep nothing")
    parser.add_argument(
        "--distil", action="store_true", help="write the best of the corpus to tests/fuzz/seeds"
    )
    parser.add_argument("--list", action="store_true", help="name the targets and what was run so far")
    parser.add_argument("--json", action="store_true", help="a line of JSON for each target")
    return parser.parse_args()


def main() -> int:
    """Exit code 1 if a target failed."""
    given = arguments()
    import atheris

    from tests.fuzz import engine

    with atheris.instrument_imports(include=list(engine.OURS)):
        import tests.fuzz.targets  # noqa: F401 -- registers them
    from tests.fuzz.target import SEEDS, TARGETS

    unknown = [name for name in given.targets if name not in TARGETS]
    if unknown:
        print(
            f"script/fuzz: there is no target {unknown[0]}; there are {', '.join(sorted(TARGETS))}",
            file=sys.stderr,
        )
        return 2
    folder = Path(tempfile.mkdtemp(prefix="fuzz-")) if given.fresh else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    totals = Totals(folder / "totals.json")
    failed = []
    for name in given.targets or sorted(TARGETS):
        target = TARGETS[name]
        if given.list:
            print(
                f"{name:20} {totals.of(name)['executions']:>10,} executions, worst {totals.of(name)['worst_ms']:.1f} ms"
            )
            continue
        if given.distil:
            kept = engine.distil(target, folder / name, KEPT, KEPT_BYTES)
            file = SEEDS / f"{name}.txt"
            file.unlink(missing_ok=True)
            if kept:
                file.write_text("".join(f"{base64.b64encode(data).decode()}\n" for data in kept))
            print(f"{name:20} {len(kept)} inputs kept")
            continue
        executions = given.executions
        if given.upto:
            executions = given.upto - totals.of(name)["executions"]
            if executions <= 0:
                continue
        seconds = given.seconds or (0 if executions else SECONDS)
        done = engine.fuzz(
            target,
            folder / name,
            executions=executions,
            seconds=seconds,
            seed=given.seed,
            keep=not given.fresh,
        )
        totals.add(name, done.executions, done.worst_ms)
        if given.json:
            print(json.dumps(asdict(done)), flush=True)
        else:
            print(
                f"{name:20} {done.executions:>9,} executions in {done.seconds:5.1f} s, {done.covered:>5} edges, "
                f"{done.inputs:>4} inputs, worst {done.worst_ms:5.1f} ms  {done.fault or 'ok'}",
                flush=True,
            )
        if done.fault:
            failed.append(name)
    if failed and not given.json:
        print(
            f"script/fuzz: faults in {', '.join(failed)}; see {folder}/TARGET/fault-* and log.txt",
            file=sys.stderr,
        )
    if given.fresh and not failed:
        shutil.rmtree(folder)
    return 1 if failed else 0


class Totals:
    """What all runs together did, in a file: executions and worst time of each target."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._held: dict[str, dict[str, float]] = json.loads(path.read_text()) if path.exists() else {}

    def of(self, name: str) -> dict[str, int]:
        """The totals of one target."""
        found = self._held.get(name, {"executions": 0, "worst_ms": 0.0})
        return {"executions": int(found["executions"]), "worst_ms": found["worst_ms"]}  # type: ignore[dict-item]

    def add(self, name: str, executions: int, worst_ms: float) -> None:
        """Add a run; another process may have added one meanwhile."""
        self.__init__(self._path)  # type: ignore[misc]
        before = self.of(name)
        self._held[name] = {
            "executions": before["executions"] + executions,
            "worst_ms": max(before["worst_ms"], worst_ms),
        }
        draft = self._path.with_suffix(f".{os.getpid()}")
        draft.write_text(json.dumps(self._held, indent=1))
        draft.replace(self._path)


if __name__ == "__main__":
    sys.exit(main())
