"""When a listener comes back that its server has sent away."""

from __future__ import annotations

from typing import Any

import pytest

from rtcserver.client.returning import after_s


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ({}, 0.0),
        ({"after_ms": 250}, 0.25),
        ({"after_ms": -1}, 0.0),
        ({"after_ms": 10**12}, 120.0),
        ({"after_ms": "soon"}, 0.0),
        ({"after_ms": float("nan")}, 0.0),
        ({"after_ms": None}, 0.0),
    ],
)
def test_a_server_cannot_send_a_client_away_for_longer_than_the_protocol_says(
    said: dict[str, Any], seconds: float
) -> None:
    assert after_s(said) == seconds
