"""Modules that are imported without docstrings do what they do with them."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest

from rtcserver.children.bare import without_docstrings

SOURCE = '''"""A module."""


class Thing:
    """A class."""

    def method(self):
        """A method."""
        def inner(word="as said"):
            """A function in a function."""
            return "a text", word
        return inner

    async def wait(self):
        """A coroutine."""
        return "waited"


def each(words):
    """A generator."""
    yield from words
    assert not words, "assertions stay"


def bare():
    return "no docstring"


def only():
    """Nothing else."""


def joined(words):
    return "".join("a text first " + word for word in words), (lambda: "a text first")()
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where modules are found that are gone afterwards."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def imported(folder: Path, name: str) -> ModuleType:
    (folder / f"{name}.py").write_text(SOURCE)
    importlib.invalidate_caches()
    return importlib.import_module(name)


def functions(module: ModuleType) -> list[object]:
    thing = module.Thing()
    return [module.each, module.only, module.Thing.method, module.Thing.wait, thing.method()]


def test_functions_have_no_docstring_and_work(folder: Path) -> None:
    with without_docstrings():
        module = imported(folder, "bare_one")
    assert [inspect.getdoc(function) for function in functions(module)] == [None] * 5
    assert module.Thing().method()() == ("a text", "as said")
    with pytest.raises(StopIteration, match="waited"):
        module.Thing().wait().send(None)
    words = module.each(["one"])
    assert next(words) == "one"
    with pytest.raises(AssertionError, match="assertions stay"):
        next(words)
    assert module.bare() == "no docstring"
    assert module.only() is None
    assert module.joined(["a", "b"]) == ("a text first aa text first b", "a text first")


def test_other_modules_have_theirs(folder: Path) -> None:
    whole = SourceFileLoader.get_code
    with without_docstrings():
        imported(folder, "bare_two")
    with pytest.raises(ImportError), without_docstrings():
        importlib.import_module("bare_missing")
    assert SourceFileLoader.get_code is whole
    # What has been compiled is stored whole.
    del sys.modules["bare_two"]
    for name in ("bare_two", "bare_three"):
        assert None not in [inspect.getdoc(function) for function in functions(imported(folder, name))]


def test_grammars_in_docstrings_stay(folder: Path) -> None:
    with without_docstrings():
        module = imported(folder, "pycparser")
    assert None not in [inspect.getdoc(function) for function in functions(module)]
