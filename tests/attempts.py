"""What a module measures once for many of its tests, and once more where one of them is run again.

A test that fails is run again by ``--reruns``, as a busy machine may have been the reason. A fixture of the module would
stay as it is, and the same measurement be judged again. So such a fixture is one of the function, and asks `Measurements`:

    @pytest.fixture
    def outcomes(measurements: Measurements, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
        return measurements.of_this_attempt(measure_all, tmp_path_factory)

All tests of the module share the first measurement; those that are run again share the second; and so on: however many
fail, there is one for each attempt at most.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, ParamSpec, TypeVar

import pytest

P = ParamSpec("P")
T = TypeVar("T")
FIXTURE = "measurements"
_DONE: pytest.StashKey[dict[tuple[Callable[..., Any], int], Future[Any]]] = pytest.StashKey()


class Measurements:
    """Those of one test's module. item: the test, as `pytest.FixtureRequest.node` has it."""

    def __init__(self, item: pytest.Item) -> None:
        module = item.getparent(pytest.Module)
        assert module is not None
        self._done = module.stash.setdefault(_DONE, {})
        self._attempt = int(getattr(item, "execution_count", 1))

    def of_this_attempt(self, measure: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `measure` returned, or raised, when it was called for the first test of this module in the same attempt.

        The arguments are for that call: others of the same attempt make no other measurement.
        """
        key = measure, self._attempt
        if key not in self._done:
            outcome: Future[T] = Future()
            try:
                outcome.set_result(measure(*args, **kwargs))
            except Exception as error:
                outcome.set_exception(error)
            self._done[key] = outcome
        return self._done[key].result()  # type: ignore[no-any-return]  # the key says which type
