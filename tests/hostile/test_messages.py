"""Every hostile message of `tests.hostile.messages`, on a channel of a real server."""

from __future__ import annotations

import pytest

from tests.hostile.intruder import intruder
from tests.hostile.messages import Case, cases
from tests.hostile.scene import Scene

CASES = cases()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_message(scene: Scene, case: Case) -> None:
    before = scene.faults()
    with scene.undisturbed():
        async with intruder(scene.port, "associated", room="keys") as client:
            client.send(client.opened(case.label))
            for message in case.messages:
                for record in client.said(message):
                    client.send(record)
    assert scene.faults() == before
