"""Every hostile request of `tests.hostile.requests`: it gets its refusal, and nobody else notices."""

from __future__ import annotations

import pytest

from tests.hostile.http import exchange
from tests.hostile.intruder import address
from tests.hostile.requests import Case, cases
from tests.hostile.scene import Scene

CASES = cases()
SECRETS = (b"root:", b"[core]", b"PATH=", b"Traceback")
"""What is in the files that paths try to reach, and in no answer."""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_request(scene: Scene, case: Case) -> None:
    with scene.undisturbed():
        answer = await exchange(scene.port, case.build(scene.port, scene.token_key()), address())
    assert answer.status in case.statuses, answer
    assert not any(secret in answer.body for secret in SECRETS)
    if answer.status == 401:
        assert "www-authenticate" in answer.headers
