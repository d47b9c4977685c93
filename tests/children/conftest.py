"""Children of these tests are forked, as the server's are; `from_the_beginning` starts them without a fork server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from rtcserver.children import forking
from rtcserver.children.forking import ForkServer
from tests.rig.process import wait_until


@pytest.fixture(scope="package")
def fork_server() -> Iterator[ForkServer]:
    server = ForkServer(("tests.children.scripted", "numpy.random"))
    server.start_afresh()
    wait_until(lambda: server.ready, "the fork server is ready", 30)
    yield server
    asyncio.run(server.close())


@pytest.fixture(autouse=True)
def forked(fork_server: ForkServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forking, "_of_this_process", fork_server)


@pytest.fixture
def from_the_beginning(forked: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forking, "_of_this_process", None)
