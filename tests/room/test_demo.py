"""The demo piece as members are told of it: when it begins, when it gives way, and what its notes are."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest

from rtcserver.capture import demo
from rtcserver.clock import MEDIA_RATE, NS
from rtcserver.config.model import InstrumentConfig
from rtcserver.errors import PeerError
from rtcserver.instrument.control import InstrumentStatus
from rtcserver.instrument.supervisor import InstrumentSupervisor
from rtcserver.room.demo import DemoPiece


def room(**config: Any) -> tuple[InstrumentSupervisor, DemoPiece, list[Any]]:
    """An instrument, its demo piece, and what everyone is told."""
    instrument = InstrumentSupervisor("main", InstrumentConfig(**{"instrument": "fluidsynth"} | config))
    said: list[Any] = []
    return instrument, DemoPiece(instrument, lambda text: said.append(json.loads(text))), said


def report(instrument: InstrumentSupervisor, **status: Any) -> None:
    """A report of its process."""
    known = InstrumentStatus(state="live", rate=44_100, media_time=480_000, at_ns=100 * NS, **status)
    instrument._handle({"type": "status", **asdict(known)})


def test_everyone_is_told_once_when_it_begins_and_once_when_it_gives_way() -> None:
    instrument, piece, said = room()
    report(instrument)
    assert (piece.played, piece.title, said) == (None, "", [])
    for _ in range(3):
        report(instrument, demo_ns=98 * NS)
    loop = demo.loop_frames(44_100) * MEDIA_RATE / 44_100
    assert piece.played == {"since": 480_000 - 2 * MEDIA_RATE, "round": pytest.approx(loop, abs=1e-6)}
    assert piece.title == "The demo piece"
    assert said == [{"type": "demo", "demo": piece.played}]
    report(instrument, demo_ns=0)
    assert (piece.played, piece.title) == (None, "")
    assert said[1:] == [{"type": "demo", "demo": None}]


def test_it_has_ended_when_its_process_has() -> None:
    instrument, piece, said = room()
    report(instrument, demo_ns=98 * NS)
    instrument._died(1)
    assert piece.played is None
    assert said[-1] == {"type": "demo", "demo": None}


def test_its_notes_are_told_where_it_is_played_and_nowhere_else() -> None:
    _, piece, _ = room()
    assert piece.score() == {"title": "The demo piece", "notes": demo.notes()}
    for config in ({"demo": False}, {"instrument": "tone"}):
        with pytest.raises(PeerError) as refused:
            room(**config)[1].score()
        assert (refused.value.status, refused.value.code) == (404, "no_demo")
