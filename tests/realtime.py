"""Which tests run where: three classes, each of which `script/test` runs in its own way.

Tests with neither mark compute: they run in parallel, two to a core. ``realtime`` is for tests with a device, a browser,
a network or a whole server whose verdict is about time: delays, gaps, pacing, concealment, what is let go of when. A
processor that is taken away from them is heard, so they run alone, one after the other. ``unhurried`` is for tests with
the same real parts whose verdict is about what comes and what is said, however long it takes: they run in parallel, too,
a few at once, each with its reason as the mark's argument.

Real parts all come from `tests.rig`, so what a test module imports tells which tests have some. They are ``realtime``
unless they are marked as unhurried by hand. A test with both marks, one of its module and one of its own, is ``realtime``.
"""

from __future__ import annotations

import ast
import functools
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RIG = "tests.rig."
FIXTURES = {"jack_server", "eight_tones"}
"""What `tests.conftest` takes from the rig for everybody."""


def module_path(name: str) -> Path | None:
    """The file of one of our modules; None where there is none."""
    path = ROOT.joinpath(*name.split("."))
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return next((found for found in candidates if found.is_file()), None)


@functools.cache
def imports(path: Path) -> frozenset[str]:
    """All modules, and names in them, that a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(found)


@functools.cache
def uses_rig(path: Path) -> bool:
    """Whether a test module imports a part of the rig that keeps time, itself or through ``tests`` and ``benchmarks``."""
    seen: set[Path] = set()
    todo = [path]
    while todo:
        one = todo.pop()
        if one in seen:
            continue
        seen.add(one)
        for name in imports(one):
            if not name.startswith(("tests.", "benchmarks.")):
                continue
            target = module_path(name)
            if target is None:  # a name in a module, whose own name is in `imports` as well
                continue
            if name.startswith(RIG):
                return True
            todo.append(target)
    return False
