"""The stage: performers and the file player reach the port and everyone's page, and are released."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Callable, Iterable

import pytest

from rtcserver.channel.notes import NoteState
from rtcserver.channel.telemetry import PlayerCommand
from rtcserver.channel.up.messages import PANIC_ALL
from rtcserver.channel.up.receiver import Played
from rtcserver.errors import PeerError
from rtcserver.midi.profile_file import load
from rtcserver.midiport.control import PortStatus
from rtcserver.room import stage as stage_module
from rtcserver.room.player import MAX_EVENTS_A_TURN
from rtcserver.room.stage import MAX_READING, Stage, StageLimits

ANN, BOB = 3, 4
ON, OFF = bytes((0x90, 60, 100)), bytes((0x80, 60, 64))


class Recorder:
    """A port and a desk that remember what they are told; no process, no channel."""

    def __init__(self) -> None:
        self.on_message: Callable[[bytes, int], None] | None = None
        self.status = PortStatus(state="live")
        self.sent: list[object] = []
        self.shown: list[tuple[int, bytes, int]] = []
        self.told: list[dict[str, object]] = []
        self.silenced = 0
        self.notes = NoteState()

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    def play(self, events: Iterable[tuple[int, bytes, int | None]]) -> None:
        self.sent.extend(events)

    def release(self, performer: int) -> None:
        self.sent.append(("release", performer))

    def silence(self) -> None:
        self.sent.append("silence")

    def silence_everyone(self) -> None:
        self.silenced += 1

    def note(self, performer: int, message: bytes, media_time: int) -> None:
        self.shown.append((performer, message, media_time))
        self.notes.apply(performer, message)

    def tell_all(self, text: str) -> None:
        self.told.append(json.loads(text))

    def media_now(self, now_ns: int) -> int:
        return now_ns * 48_000 // 10**9


def stage(profile: str = "gm", limits: StageLimits | None = None) -> tuple[Stage, Recorder]:
    recorder = Recorder()
    made = Stage(recorder, recorder, load(profile), recorder.notes, limits)
    made.join(ANN)
    made.join(BOB)
    return made, recorder


def midi_file(*events: tuple[int, bytes]) -> bytes:
    """A format 0 file of 100 ticks to the quarter note: (delta in ticks below 128, message)."""
    body = b"".join(bytes((delta,)) + message for delta, message in events) + b"\x00\xff\x2f\x00"
    return b"MThd" + struct.pack(">IHHh", 6, 0, 1, 100) + b"MTrk" + struct.pack(">I", len(body)) + body


def test_what_is_played_goes_to_the_port_and_to_everyone() -> None:
    made, recorder = stage()
    made.play(ANN, [Played(ON, 0), Played(OFF, 1)])
    assert recorder.sent == [(ANN, ON, None), (ANN, OFF, None)]
    assert [(who, message) for who, message, _ in recorder.shown] == [(ANN, ON), (ANN, OFF)]


def test_who_leaves_is_released_and_seen_to_be() -> None:
    made, recorder = stage()
    made.play(ANN, [Played(ON, 0)])
    made.leave(ANN)
    assert ("release", ANN) in recorder.sent
    assert recorder.shown[-1][:2] == (ANN, bytes((0x80, 60, 0))) or recorder.shown[-1][1][0] == 0x80


def test_a_listener_plays_nothing() -> None:
    made, recorder = stage()
    made.play(99, [Played(ON, 0)])
    assert recorder.sent == recorder.shown == []
    assert made.counters["listener"] == 1


def test_silence_for_everyone_is_the_desks_to_carry_out() -> None:
    made, recorder = stage()
    made.play(ANN, [Played(PANIC_ALL, 0)])
    assert recorder.silenced == 1
    made.play(BOB, [Played(ON, 0)])
    made.silence()
    assert recorder.sent[-1] == "silence"
    assert recorder.shown[-1][0] == BOB
    assert recorder.shown[-1][1][0] == 0x80


def test_a_montage_is_played_on_its_one_channel() -> None:
    made, recorder = stage("montage")
    made.play(ANN, [Played(bytes((0x95, 60, 100)), 0)])
    assert recorder.sent == [(ANN, ON, None)]


def test_a_live_set_slot_is_chosen_by_bank_and_program() -> None:
    made, recorder = stage("montage")
    made.select(ANN, "live-set/2/5", None)
    assert [message for _, message, _ in recorder.sent] == [  # type: ignore[misc]  # all are events here
        bytes((0xB0, 0, 62)),
        bytes((0xB0, 32, 2)),
        bytes((0xC0, 5)),
    ]
    assert recorder.told == [{"type": "selected", "sound": "live-set/2/5", "channel": 0, "by": ANN}]
    with pytest.raises(PeerError, match="program 99 does not exist"):
        made.select(ANN, "live-set/2/99", None)


def test_the_person_at_the_keys_is_shown_and_never_echoed() -> None:
    _, recorder = stage()
    assert recorder.on_message is not None
    recorder.on_message(ON, 10**9)
    assert recorder.sent == []
    assert recorder.shown == [(1, ON, 48_000)]


async def test_a_file_is_played_ahead_of_time_and_stopped_without_a_trace() -> None:
    made, recorder = stage()
    song = await made.upload("Song", midi_file((0, ON), (50, OFF), (0, ON), (100, OFF)))
    assert song["duration_s"] == 0.75
    made.control_player(ANN, PlayerCommand("play", file=song["file"]))
    assert recorder.told[-1]["state"] == "playing"
    assert (recorder.told[-1]["by"], recorder.told[-1]["name"]) == (ANN, "Song")
    for _ in range(500):
        if len([e for e in recorder.sent if e != ("release", 2)]) >= 3:
            break
        await asyncio.sleep(0.01)
    times = [event[2] for event in recorder.sent if isinstance(event, tuple) and len(event) == 3]
    assert times[1] - times[0] == 250_000_000
    made.control_player(ANN, PlayerCommand("stop"))
    assert ("release", 2) in recorder.sent
    assert recorder.told[-1]["state"] == "stopped"
    made.close()


@pytest.mark.parametrize(
    ("data", "status", "words"),
    [
        (b"", 422, "header"),
        (b"RIFF" * 10, 422, "header"),
        (midi_file((0, ON)) + b"x" * 1_000_000, 413, "bytes"),
        (midi_file((0, bytes((0xC0, 5)))), 422, "no notes"),
    ],
)
async def test_what_is_no_song_is_refused_with_a_reason(data: bytes, status: int, words: str) -> None:
    made, recorder = stage()
    with pytest.raises(PeerError, match=words) as refused:
        await made.upload("x", data)
    assert refused.value.status == status
    assert recorder.sent == []


async def test_what_is_wrong_with_a_file_that_plays_is_said() -> None:
    made, _ = stage()
    assert "remark" not in await made.upload("x", midi_file((0, ON), (1, OFF)))
    odd = await made.upload("x", midi_file((0, ON), (1, OFF)) + b"made at home")
    assert odd["remark"] == "12 bytes that belong to no track were left out."


async def test_a_room_keeps_the_newest_files() -> None:
    made, _ = stage(limits=StageLimits(files=3))
    files = [(await made.upload("", midi_file((0, ON), (10, OFF))))["file"] for _ in range(4)]
    with pytest.raises(PeerError, match="upload it again"):
        made.control_player(ANN, PlayerCommand("play", file=files[0]))
    made.control_player(ANN, PlayerCommand("play", file=files[1]))


async def test_files_with_many_events_are_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever their number, they have so many events together; the newest stays, however many it has."""
    monkeypatch.setattr(stage_module, "MAX_KEPT_EVENTS", 100)
    made, _ = stage()
    small = midi_file((0, ON), *[(0, bytes((0xB0, 7, n))) for n in range(30)], (10, OFF))
    large = midi_file((0, ON), *[(0, bytes((0xB0, 7, n))) for n in range(120)], (10, OFF))
    files = [(await made.upload("", small))["file"] for _ in range(4)]
    with pytest.raises(PeerError, match="upload it again"):
        made.control_player(ANN, PlayerCommand("play", file=files[0]))
    made.control_player(ANN, PlayerCommand("play", file=files[1]))
    newest = (await made.upload("", large))["file"]
    made.control_player(ANN, PlayerCommand("play", file=newest))
    with pytest.raises(PeerError, match="upload it again"):
        made.control_player(ANN, PlayerCommand("play", file=files[3]))
    made.close()


async def test_files_are_read_one_by_one_and_few_may_wait() -> None:
    made, _ = stage()
    data = midi_file((0, ON), (10, OFF))
    uploads = [asyncio.ensure_future(made.upload("", data)) for _ in range(MAX_READING + 2)]
    results = await asyncio.gather(*uploads, return_exceptions=True)
    refused = [result for result in results if isinstance(result, PeerError)]
    assert [(error.status, error.code) for error in refused] == [(503, "busy")] * 2
    assert all(error.retry_after_s for error in refused)
    assert "file" in await made.upload("", data)


async def test_a_file_with_two_hundred_thousand_events_at_one_moment_leaves_the_loop_to_others() -> None:
    """The clock is real here: what is held against it is a hundred times what a turn takes."""
    made, recorder = stage(limits=StageLimits(events_per_s=1_000_000))
    crowd = [(0, bytes((0xB0 | n % 16, 7, n // 16 % 128))) for n in range(199_990)]
    song = await made.upload("Black MIDI", midi_file((0, ON), *crowd, (1, OFF)))
    longest = 0.0
    loop = asyncio.get_running_loop()
    made.control_player(ANN, PlayerCommand("play", file=song["file"]))
    for _ in range(200):
        began = loop.time()
        await asyncio.sleep(0)
        longest = max(longest, loop.time() - began)
    assert 0 < len(recorder.sent) < 200_000, "the crowd was not handed over while others waited"
    assert longest < 0.2
    made.close()


async def test_a_crowd_of_events_reaches_the_port_in_few_messages() -> None:
    made, recorder = stage()
    calls = []
    play = recorder.play

    def counted(events: Iterable[tuple[int, bytes, int | None]]) -> None:
        found = list(events)
        calls.append(len(found))
        play(found)

    recorder.play = counted  # type: ignore[method-assign]  # to see how it is called
    song = await made.upload(
        "x", midi_file((0, ON), *[(0, bytes((0xB0, 7, n % 128))) for n in range(2000)], (9, OFF))
    )
    made.control_player(ANN, PlayerCommand("play", file=song["file"]))
    for _ in range(500):
        if sum(calls) >= 2002:
            break
        await asyncio.sleep(0.01)
    assert sum(calls) == 2002
    assert max(calls) == MAX_EVENTS_A_TURN
    made.close()
