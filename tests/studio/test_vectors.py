"""Python reads the Studio payloads that the page's tests read (`tests/static/studio/engine/payload.test.js`)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rtcserver.encode.pcm import decode_samples, unpack
from tests.rig.process import REPOSITORY

pytestmark = pytest.mark.unhurried("arithmetic on vectors")

VECTORS: dict[str, list[dict[str, Any]]] = json.loads(
    (REPOSITORY / "tests/vectors/studio/payload.json").read_text()
)


@pytest.mark.parametrize("vector", VECTORS["valid"], ids=lambda vector: str(vector["name"]))
def test_reads(vector: dict[str, Any]) -> None:
    block = unpack(bytes.fromhex(vector["payload"]))
    fields = ("bits", "frames", "rate", "epoch", "first_frame", "repeat")
    assert {name: getattr(block, name) for name in fields} == {name: vector[name] for name in fields}
    assert block.to_int().tolist() == vector["samples"]
    previous = None if block.previous is None else decode_samples(block.previous, block.bits).tolist()
    assert previous == vector["previous"]


@pytest.mark.parametrize("vector", VECTORS["invalid"], ids=lambda vector: str(vector["name"]))
def test_refuses(vector: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Studio payload"):
        unpack(bytes.fromhex(vector["payload"]))
