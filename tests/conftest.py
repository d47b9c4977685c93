"""Fixtures of the rig. What needs a device to come and go makes its own `JackServer` instead."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.rig.jack import JackServer, Tones


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
