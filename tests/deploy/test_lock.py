"""The lock files hold what the requirements files name, and all that it needs, each with hashes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.realtime import ROOT

SETS = ["requirements", "requirements-build", "requirements-dev", "requirements-bench"]
AGAIN = "run script/lock and commit what it writes"


@dataclass(frozen=True)
class Locked:
    """One entry of a lock file. marker: where it applies, or None: everywhere."""

    version: str
    marker: Marker | None
    hashes: int

    @property
    def applies(self) -> bool:
        """Whether it is for this Python and this platform."""
        return self.marker is None or self.marker.evaluate()


def locked(name: str) -> dict[str, list[Locked]]:
    """A lock file's entries by canonical name; some packages have one version for each range of Pythons."""
    found: dict[str, list[Locked]] = {}
    for entry in re.sub(r"\\\n", "", (ROOT / f"{name}.lock").read_text()).splitlines():
        if not entry or entry.startswith(("#", " ")):
            continue
        pinned = re.fullmatch(r"([\w.-]+)==(\S+)(?: ; (.*?))?((?:\s+--hash=sha256:[0-9a-f]{64})*)\s*", entry)
        assert pinned is not None, entry
        one = Locked(pinned[2], Marker(pinned[3]) if pinned[3] else None, pinned[4].count("--hash="))
        found.setdefault(canonicalize_name(pinned[1]), []).append(one)
    return found


def named(name: str) -> list[Requirement]:
    """What a requirements file names itself, and those that it includes."""
    wanted = []
    for line in (ROOT / f"{name}.txt").read_text().splitlines():
        if line.startswith("-r "):
            wanted += named(line.removeprefix("-r ").removesuffix(".txt"))
        elif text := line.partition("#")[0].strip():
            wanted.append(Requirement(text))
    return wanted


@pytest.mark.parametrize("name", SETS)
def test_every_pin_is_locked_in_the_same_version(name: str) -> None:
    lock = locked(name)
    for wanted in named(name):
        versions = {entry.version for entry in lock.get(canonicalize_name(wanted.name), [])}
        assert {f"=={version}" for version in versions} == {str(wanted.specifier)}, f"{wanted}: {AGAIN}"


@pytest.mark.parametrize("name", SETS)
def test_every_entry_has_hashes(name: str) -> None:
    lock = locked(name)
    assert lock
    assert [package for package, entries in lock.items() if not all(entry.hashes for entry in entries)] == []


@pytest.mark.parametrize("name", ["requirements", "requirements-dev"])
def test_everything_that_is_needed_is_locked(name: str) -> None:
    """Followed through what the installed packages say that they need."""
    lock, todo, seen = locked(name), named(name), set()
    while todo:
        wanted = todo.pop()
        package = canonicalize_name(wanted.name)
        key = (package, frozenset(wanted.extras))
        if key in seen or (wanted.marker is not None and not wanted.marker.evaluate({"extra": ""})):
            continue
        seen.add(key)
        chosen = [entry.version for entry in lock.get(package, []) if entry.applies]
        assert len(chosen) == 1, f"{package}: {AGAIN}"
        try:
            metadata = distribution(package)
        except PackageNotFoundError:
            continue
        for text in metadata.requires or []:
            needed = Requirement(text)
            extras = {"", *wanted.extras}
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
                todo.append(Requirement(str(needed).partition(";")[0]))
    assert len(seen) >= len(named(name))


def test_the_larger_sets_hold_the_smaller_in_the_same_versions() -> None:
    for small, large in (("requirements", "requirements-dev"), ("requirements-dev", "requirements-bench")):
        held = locked(large)
        for package, entries in locked(small).items():
            assert {e.version for e in entries} <= {e.version for e in held.get(package, [])}, (
                f"{package}: {AGAIN}"
            )


def test_nothing_is_locked_that_nothing_needs() -> None:
    """A package that a requirement has dropped would stay for ever."""
    lock = locked("requirements")
    needed = {canonicalize_name(wanted.name) for wanted in named("requirements")}
    for package in lock:
        try:
            requires = distribution(package).requires or []
        except PackageNotFoundError:
            continue
        needed |= {canonicalize_name(Requirement(text).name) for text in requires}
    assert set(lock) <= needed, AGAIN


def test_scripts_install_by_the_lock() -> None:
    """Whoever installs without hashes takes whatever the index has today."""
    for path in ("script/bootstrap", "script/bench", "Dockerfile"):
        text = (ROOT / path).read_text().replace("\\\n", " ")
        installs = re.findall(r"pip (?:install|wheel) .*", text)
        installs += re.findall(r"words=\(.*", text)
        assert installs, path
        for line in installs:
            assert "--require-hashes" in line or "--no-index" in line or '"${words[@]}"' in line, line
