"""Imports a library without some of the modules that it would import, for a process that uses no more of it.

The library gets placeholders instead, which raise when anything is done with them later. Which modules may be left out
is for whoever knows what is used of the library; every request that the server's tests make shows that nothing is missing.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, cast


def import_without(library: str, parts: Sequence[str]) -> bool:
    """Import `library` without `parts`, modules and packages with all that is in them, for the life of this process.

    False, and nothing is done, if it or one of them has been imported already. Parts of other libraries can be imported
    at any time afterwards.
    """
    if any(name in sys.modules for name in (library, *parts)):
        return False
    finder = _Finder(parts)
    sys.meta_path.insert(0, finder)
    try:
        import_module(library)
    finally:
        finder.importing = False
        sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if finder.leaves_out(name)]:
            if name.partition(".")[0] != library.partition(".")[0]:
                del sys.modules[name]
    return True


class Placeholder:
    """Stands for what is left out: takes whatever is done while modules are imported, and raises RuntimeError later."""

    def __init__(self, name: str, finder: _Finder) -> None:
        self._name = name
        self._finder = finder

    def __getattr__(self, name: str) -> Placeholder:
        # Whoever asks for special names only looks whether they are there.
        if name.startswith("__"):
            raise AttributeError(name)
        return self._use(f"{self._name}.{name}")

    def __call__(self, *args: Any, **kwargs: Any) -> Placeholder:
        return self._use(f"{self._name}()")

    def __getitem__(self, key: Any) -> Placeholder:
        return self._use(self._name)

    def __or__(self, other: Any) -> Placeholder:
        return self._use(self._name)

    __ror__ = __or__

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        """A class that would be derived from it is derived from nothing (PEP 560)."""
        self._use(self._name)
        return ()

    def _use(self, name: str) -> Placeholder:
        if not self._finder.importing:
            raise RuntimeError(f"{name} is not there: this process has imported its library without it")
        return Placeholder(name, self._finder)


class _Module(ModuleType):
    """A module, or a package, of placeholders."""

    def __init__(self, name: str, finder: _Finder) -> None:
        super().__init__(name)
        self.__path__: list[str] = []
        self._finder = finder

    def __getattr__(self, name: str) -> Placeholder:
        if name.startswith("__"):
            raise AttributeError(name)
        return Placeholder(self.__name__, self._finder).__getattr__(name)


class _Finder:
    """Finds placeholders for the parts that are left out, and makes them.

    It is derived from nothing, as `importlib.abc` is large.
    """

    def __init__(self, parts: Sequence[str]) -> None:
        self._parts = tuple(f"{part}." for part in parts)
        self.importing = True

    def leaves_out(self, name: str) -> bool:
        """Whether a module is one of the parts, or in one."""
        return f"{name}.".startswith(self._parts)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(fullname, cast(Any, self), is_package=True) if self.leaves_out(fullname) else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Module(spec.name, self)

    def exec_module(self, module: ModuleType) -> None:
        pass
