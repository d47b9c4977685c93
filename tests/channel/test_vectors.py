"""The committed vectors, which JavaScript is held to as well."""

from __future__ import annotations

import json

import pytest

from rtcserver.channel.down.messages import Notes, unpack_down
from rtcserver.channel.down.receiver import DownReceiver
from tests.channel import vectors


@pytest.mark.parametrize("name", list(vectors.VECTORS))
def test_python_still_says_what_is_committed(name: str) -> None:
    """Machines, codecs and estimates reproduce the file; `python -m tests.channel.vectors` writes it anew."""
    assert json.loads(json.dumps(vectors.VECTORS[name]())) == vectors.read(name)


def test_messages_unpack_to_what_is_committed() -> None:
    found = vectors.read("codec")
    for one in found["down"] + found["up"]:
        message = vectors.unpack_either(bytes.fromhex(one["hex"]))
        assert vectors.message_json(message) == one["message"], one["name"]


@pytest.mark.parametrize("number", range(5))
def test_a_receiver_ends_with_the_truth(number: int) -> None:
    scenario = vectors.read("down_receiver")[number]
    receiver = DownReceiver()
    heard = []
    for data in scenario["arrivals"]:
        notes = unpack_down(bytes.fromhex(data))
        assert isinstance(notes, Notes)
        heard += [[who, text.hex(), *rest] for who, text, *rest in receiver.receive(notes)]
    assert heard == scenario["heard"]
    cells = [[who << 16 | cell, value] for (who, cell), value in sorted(receiver.cells().items())]
    assert cells == scenario["truth"]


def test_the_scenarios_are_worth_their_names() -> None:
    clean, loss, storm, outage, _ = (scenario["counters"] for scenario in vectors.read("down_receiver"))
    assert clean["missed"] == clean["repaired"] == clean["superseded"] == 0
    assert loss["repeated"] > 0
    assert storm["superseded"] > 0
    assert outage["missed"] > 0
    assert outage["repaired"] > 0
    most, few, burst = (scenario["counters"] for scenario in vectors.read("up_sender"))
    assert few["messages"] > 0
    assert most["released"] > 0
    assert burst["abandoned"] == 0
    assert burst["refused"] == 300 - burst["events"]
