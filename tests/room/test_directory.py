"""What a room says of itself while its instrument loads."""

from __future__ import annotations

import pytest

from rtcserver.children.liveness import Progress
from rtcserver.config.model import InstrumentConfig, RoomConfig, ServerConfig
from rtcserver.instrument.supervisor import InstrumentSupervisor
from rtcserver.room.directory import Rooms


@pytest.mark.parametrize(
    ("progress", "text"),
    [
        (None, "The instrument is starting."),
        (Progress("loading grand.sf2"), "The instrument is starting: loading grand.sf2."),
        (Progress("loading grand.sf2", 0.4), "The instrument is starting: loading grand.sf2, 40 %."),
    ],
)
def test_a_room_says_what_it_waits_for(
    monkeypatch: pytest.MonkeyPatch, progress: Progress | None, text: str
) -> None:
    config = ServerConfig(rooms={"main": RoomConfig("main", "", InstrumentConfig(instrument="tone"))})
    rooms = Rooms(config, lambda room: 0, dict)
    monkeypatch.setattr(InstrumentSupervisor, "progress", progress)
    assert rooms.describe("main")["instrument"]["error"] == text
    assert rooms.describe("main")["instrument"]["starting"]
    status = rooms["main"].instrument.status
    status.error = "grand.sf2 is damaged"
    assert rooms.describe("main")["instrument"]["error"] == "grand.sf2 is damaged"
    assert not rooms.describe("main")["instrument"]["starting"]
    # A process that has died is started again: both are said, once there is something to wait for.
    status.error, status.code = "the process crashed", "restarting"
    expected = "the process crashed" if progress is None else f"The process crashed. {text}"
    assert rooms.describe("main")["instrument"]["error"] == expected
