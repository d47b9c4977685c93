"""Fixtures of the rig. What needs a device to come and go makes its own `JackServer` instead."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Iterator

import pytest
from hypothesis import settings

from tests import attempts
from tests.attempts import Measurements
from tests.realtime import FIXTURES, uses_rig
from tests.rig.jack import JackServer, Tones

# The same examples every time, so that a change is judged by what it changed, and no limit on an example's time,
# which a busy machine would exceed. HYPOTHESIS_PROFILE=search looks for new ones.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("search", deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what runs in real time, before ``-m`` chooses, and keep together what shares a fixture; see `tests.realtime`."""
    for item in items:
        names: Collection[str] = getattr(item, "fixturenames", ())
        if item.get_closest_marker("realtime"):
            continue
        by_hand = item.get_closest_marker("unhurried")
        if by_hand is None:
            if uses_rig(item.path) or not FIXTURES.isdisjoint(names):
                item.add_marker(pytest.mark.realtime)
        else:
            if not (by_hand.args and by_hand.args[0]):
                raise pytest.UsageError(
                    f"{item.nodeid}: unhurried needs a reason: why does it not judge by time?"
                )
            if shares_a_fixture(item):
                item.add_marker(pytest.mark.xdist_group(str(item.path)))


def shares_a_fixture(item: pytest.Item) -> bool:
    """Whether something is made or measured once for several tests of its module: they then run in one process."""
    found = getattr(item, "_fixtureinfo", None)
    fixtures = found.name2fixturedefs if found else {}
    return attempts.FIXTURE in fixtures or any(made[-1].scope == "module" for made in fixtures.values())


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """What a test configures of the log, as `rtcserver.logs.configure` does, ends with it."""
    loggers = [logging.getLogger(name) for name in (None, "aioice", "aiortc")]
    levels = [logger.level for logger in loggers]
    handlers = loggers[0].handlers[:]
    yield
    loggers[0].handlers[:] = handlers
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)
    logging.captureWarnings(False)


@pytest.fixture
def measurements(request: pytest.FixtureRequest) -> Measurements:
    """What is measured once for several tests of a module, see `tests.attempts`."""
    return Measurements(request.node)


@pytest.fixture(scope="module")
def jack_server() -> Iterator[JackServer]:
    """JACK's dummy driver at 44.1 kHz in blocks of 128 frames, 8 inputs."""
    with JackServer() as server:
        yield server


@pytest.fixture(scope="module")
def eight_tones(jack_server: JackServer) -> Iterator[Tones]:
    """Device ``MONTAGE`` on `jack_server`, with a tone of its own on each of eight channels."""
    with Tones(jack_server, 8) as tones:
        yield tones
