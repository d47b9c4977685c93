"""Every hostile datagram of `tests.transport.hostile`, sent to a real server; there its counters are judged, too."""

from __future__ import annotations

import asyncio
import socket

import pytest

from tests.hostile.intruder import intruder
from tests.hostile.scene import Scene
from tests.transport.hostile import Case, cases

CASES = cases()
TURN = 50
"""Datagrams sent before the loop has its turn."""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_datagram(scene: Scene, case: Case) -> None:
    with scene.undisturbed():
        async with intruder(scene.port, case.sender, data=case.sender == "associated") as client:
            datagrams = case.build(client)
            if case.elsewhere:
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
                    for datagram in datagrams:
                        other.sendto(datagram, client.target)
            else:
                for number, datagram in enumerate(datagrams):
                    client.send(datagram)
                    if number % TURN == TURN - 1:
                        await asyncio.sleep(0.002)
