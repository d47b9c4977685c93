"""Imports without the docstrings of functions, for processes that run for months: two megabytes that only people read.

``python -OO`` leaves them out, too, but assertions with them, and some libraries look at what peers send by assertions.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from inspect import CO_NEWLOCALS, CO_OPTIMIZED
from types import CodeType

READS_THEM = ("pycparser",)
"""Packages whose grammars are docstrings."""
_FUNCTION = CO_NEWLOCALS | CO_OPTIMIZED


@contextlib.contextmanager
def without_docstrings() -> Iterator[None]:
    """Have functions of modules that are imported meanwhile no ``__doc__``. For a process with one thread.

    What has been compiled and stored stays whole: they are taken from what is read of it, which takes a tenth of a
    millisecond a module.
    """
    whole = SourceFileLoader.get_code

    def bare(self: SourceFileLoader, fullname: str) -> CodeType | None:
        code = whole(self, fullname)
        return code if code is None or fullname.partition(".")[0] in READS_THEM else _bare(code)

    # The method is inherited, so that it is there again when this one has been removed.
    SourceFileLoader.get_code = bare  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        del SourceFileLoader.get_code


def _bare(code: CodeType) -> CodeType:
    """The same code; itself if there is nothing to take away."""
    found = tuple([_bare(const) if type(const) is CodeType else const for const in code.co_consts])
    # The compiler puts a function's docstring first, or None (`lambda` and generator expressions have none).
    if found and type(found[0]) is str and code.co_flags & _FUNCTION == _FUNCTION and code.co_name[0] != "<":
        found = (None, *found[1:])
    if all(new is old for new, old in zip(found, code.co_consts, strict=True)):
        return code
    return code.replace(co_consts=found)
