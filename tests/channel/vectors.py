"""What Python and JavaScript must agree on, as JSON. ``python -m tests.channel.vectors`` writes it anew.

`tests/channel/test_vectors.py` and `tests/static/channel/*.test.js` hold both languages to them.
"""

from __future__ import annotations

import json
import random
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rtcserver.channel import cells, wire
from rtcserver.channel.down import messages as down_messages
from rtcserver.channel.down.messages import Reply, unpack_down
from rtcserver.channel.down.sender import LISTEN, STUDIO, Cadence
from rtcserver.channel.media_clock import MediaClock
from rtcserver.channel.up import messages as up_messages
from rtcserver.channel.up.messages import unpack_up
from rtcserver.channel.up.sender import UpSender
from rtcserver.channel.wire import ProtocolError
from rtcserver.midi import message as m
from rtcserver.network.impair import CLEAN, Impairment
from tests.channel.telemetry_vectors import telemetry_vectors
from tests.channel.world import MS, SECOND, DownWorld

FOLDER = Path(__file__).parent.parent / "vectors" / "channel"
Json = dict[str, Any]

ON, OFF = bytes((0x90, 60, 100)), bytes((0x80, 60, 64))
DOWN: dict[str, down_messages.Notes | down_messages.Reply] = {
    "nothing yet": down_messages.Notes(0, 0),
    "a note": down_messages.Notes(1, 48_000, (down_messages.NoteEvent(3, ON, 47_990),)),
    "one event of each kind, by the first and the last performer": down_messages.Notes(
        0xFFFF_FFFF,
        -5,
        tuple(
            down_messages.NoteEvent(who, bytes((status | 5, 1, 127))[: 1 + (m.data_bytes(status) or 0)], when)
            for status in range(0x80, 0xF0, 0x10)
            for who, when in ((1, -5 - 2**31), (254, -6 + 2**31))
        ),
    ),
    "nothing sounds": down_messages.Notes(7, wire.SAFE, (), down_messages.StatePart(0, cells.LAST_KEY)),
    "a part of the state": down_messages.Notes(
        8,
        -wire.SAFE,
        (down_messages.NoteEvent(2, b"\xc0\x05", -wire.SAFE),),
        down_messages.StatePart(
            5,
            0x03_F0C5,
            (
                down_messages.OwnedCell(0, 0x0080, 0),
                down_messages.OwnedCell(0, 0x0101, 16383),
                down_messages.OwnedCell(0, 0xF100, 127),
                down_messages.OwnedCell(1, 0x003C, 1),
                down_messages.OwnedCell(3, 0xF0C0, 127),
                down_messages.OwnedCell(3, 0xF0C5, 64),
            ),
        ),
    ),
    "a pong": down_messages.Reply(False, 0, 0, 123_456_789, 1 << 40, 0),
    "an acknowledgement": down_messages.Reply(True, 255, 0xFFFF_FFFF, -1, -2, 0xFFFF_FFFF),
}
UP: dict[str, up_messages.Play | up_messages.Ping] = {
    "a sign of life": up_messages.Play(0, 0, 0, (), ()),
    "a note": up_messages.Play(0, 1, 1_000_000, (up_messages.PlayEvent(ON, 0),), ((60, 100),)),
    "the first part of a batch": up_messages.Play(
        255,
        0xFFFF_FFFF,
        wire.SAFE,
        (up_messages.PlayEvent(b"\xc1\x02", 0xFFFF_FFFF), up_messages.PlayEvent(up_messages.PANIC, 5)),
        None,
    ),
    "the last part of a batch": up_messages.Play(
        1,
        2,
        -wire.SAFE,
        (up_messages.PlayEvent(up_messages.PANIC_ALL, 1), up_messages.PlayEvent(OFF, 0)),
        ((0x00C0, 1), (0xF07F, 127)),
        first=False,
    ),
    "a ping": up_messages.Ping(987_654_321_012),
}


def message_json(
    message: down_messages.Notes | down_messages.Reply | up_messages.Play | up_messages.Ping,
) -> Json:
    """The values, as both languages name them."""
    if isinstance(message, down_messages.Notes):
        state = message.state
        return {
            "kind": "notes",
            "newest": message.newest,
            "media_time": message.media_time,
            "events": [[event.performer, event.message.hex(), event.media_time] for event in message.events],
            "state": None
            if state is None
            else {"first": state.first, "last": state.last, "cells": [list(cell) for cell in state.cells]},
        }
    if isinstance(message, up_messages.Play):
        return {
            "kind": "play",
            "epoch": message.epoch,
            "newest": message.newest,
            "client_us": message.client_us,
            "events": [[event.message.hex(), event.age_us] for event in message.events],
            "held": None if message.held is None else [list(pair) for pair in message.held],
            "first": message.first,
        }
    return {"kind": "reply" if isinstance(message, down_messages.Reply) else "ping", **asdict(message)}


def codec_vectors() -> Json:
    refused: list[Json] = []
    for name, message in DOWN.items():
        data = message.pack()
        for what, broken in (
            ("cut short", data[:-1]),
            ("with a byte more", data + b"\0"),
            ("of version 2", b"\2" + data[1:]),
            ("of kind 99", data[:1] + b"\x63" + data[2:]),
            ("with a reserved flag", data[:2] + bytes((data[2] | 0x80,)) + data[3:]),
            ("at a time beyond 2⁵³", data[:8] + b"\x7f" + data[9:]),
        ):
            refused.append({"name": f"{name}, {what}", "hex": broken.hex(), "code": refusal(broken)})
    for name, hexed in (
        ("empty", ""),
        ("one byte", "01"),
        ("too long", "0101" + "00" * 1099),
        ("an event of performer 0", "01010001000000010000000000000000" + "0000000000903c64"),
        ("an event of performer 255", "01010001000000010000000000000000" + "00000000ff903c64"),
        ("a clock", "01010001000000010000000000000000" + "0000000003f80000"),
        ("a data byte of 128", "01010001000000010000000000000000" + "0000000003903c80"),
        ("a program with padding", "01010001000000010000000000000000" + "0000000003c00501"),
        ("an event beyond 2⁵³", "0101000100000001001fffffffffffff" + "7fffffff03903c64"),
        ("97 events", "01010061000000610000000000000000" + "0000000003903c64" * 97),
        ("a key with velocity 0", "01010100000000010000000000000000" + "000000ffffff0001" + "03003c0000"),
        ("a key of the room", "01010100000000010000000000000000" + "000000ffffff0001" + "00003c0001"),
        ("an unknown controller", "01010100000000010000000000000000" + "000000ffffff0001" + "0000830001"),
        (
            "cells out of order",
            "01010100000000010000000000000000" + "000000ffffff0002" + "03003c000103003b0001",
        ),
        ("a cell out of range", "01010100000000010000000000000000" + "00000003003b0001" + "03003c0001"),
        ("a range from behind", "01010100000000010000000000000000" + "00000200000100" + "00"),
    ):
        refused.append({"name": name, "hex": hexed, "code": refusal(bytes.fromhex(hexed))})
    return {
        "down": [
            {"name": name, "hex": message.pack().hex(), "message": message_json(message)}
            for name, message in DOWN.items()
        ],
        "up": [
            {"name": name, "hex": message.pack().hex(), "message": message_json(message)}
            for name, message in UP.items()
        ],
        "refused_down": refused,
    }


def refusal(data: bytes) -> str:
    """The code with which a client refuses these bytes."""
    try:
        unpack_down(data)
    except ProtocolError as error:
        return error.code
    raise AssertionError(f"not refused: {data.hex()}")


def cell_vectors() -> list[Json]:
    held = {0x003C: 100, 0x0040: 1, 0x00C0: 127, 0x303C: 5, 0x30C2: 1}
    messages = [
        bytes((status, first, second))
        for status in (0x80, 0x90, 0x93)
        for first, second in ((60, 0), (60, 9))
    ]
    messages += [bytes((0xB0, controller, 64)) for controller in range(128)]
    messages += [bytes((0xB3, mode, 0)) for mode in range(120, 128)]
    messages += [b"\xa0\x3c\x05", b"\xc5\x7f", b"\xd5\x7f", b"\xe5\x01\x7f", b"\xef\x00\x40"]
    messages += [
        b"",
        b"\x90",
        b"\x90\x3c",
        b"\x90\x3c\x80",
        b"\xc0\x01\x02",
        b"\xf8",
        b"\xff\x00",
        b"\x40\x40\x40",
    ]
    out = []
    for message in messages:
        normal = cells.normal_form(message, held)
        writes = [cells.write_of(9, event) for event in normal]
        out.append(
            {
                "message": message.hex(),
                "held": [list(pair) for pair in held.items()],
                "normal": [event.hex() for event in normal],
                "writes": [None if write is None else list(write) for write in writes],
            }
        )
    return out


def _music(seed: str) -> list[tuple[int, bytes, int]]:
    """(pause in ms, message, performer): a few seconds of two hands, a pedal and a wheel."""
    dice = random.Random(seed)
    out = []
    for _ in range(60):
        status, first = dice.choice(
            ((0x90, 60), (0x90, 62), (0x80, 60), (0x80, 62), (0xB0, 64), (0xE0, 0), (0xB0, 1))
        )
        value = dice.choice((0, 1, 64, 127))
        out.append(
            (dice.choice((0, 0, 3, 20, 60, 250)), bytes((status, first, value)), dice.choice((1, 3, 4)))
        )
    return out


def down_scenario(name: str, cadence: Cadence, weather: dict[int, Impairment]) -> Json:
    """weather: from which event on the path is like this."""
    world = DownWorld(cadence, weather[0], name)
    for number, (pause_ms, message, performer) in enumerate(_music(name)):
        world.link.impair(weather.get(number, world.link.path.impairment))
        world.push(message, performer)
        world.advance(pause_ms * MS)
    world.link.impair(CLEAN)
    world.advance(1 * SECOND + 50 * MS)
    truth = world.truth()
    return {
        "name": name,
        "arrivals": [message.hex() for message in world.arrivals],
        **down_results(world),
        "truth": [[who << 16 | cell, value] for (who, cell), value in sorted(truth.items())],
    }


def down_by_hand() -> Json:
    """An older event after a newer one, a state older than an event, numbers that wrap."""
    on, off = down_messages.NoteEvent(3, ON, 10), down_messages.NoteEvent(3, OFF, 20)
    other = down_messages.NoteEvent(4, ON, 30)
    everything = down_messages.StatePart(0, cells.LAST_KEY)
    arrivals = [
        down_messages.Notes(0xFFFF_FFFD, 0, (other,)),
        down_messages.Notes(0xFFFF_FFFF, 20, (off,)),
        down_messages.Notes(0xFFFF_FFFE, 10, (on,)),
        down_messages.Notes(1, 40, (on,)),
        down_messages.Notes(0, 35, (), everything),
        down_messages.Notes(0, 30, (down_messages.NoteEvent(5, ON, 5),)),
        down_messages.Notes(0xFFFF_FFF0, 0, (on,)),
    ]
    world = DownWorld(LISTEN, CLEAN)
    for notes in arrivals:
        world.heard.extend((0, heard) for heard in world.receiver.receive(notes))
    return {
        "name": "by hand",
        "arrivals": [notes.pack().hex() for notes in arrivals],
        **down_results(world),
        "truth": [[3 << 16 | 60, 100]],
    }


def down_results(world: DownWorld) -> Json:
    return {
        "heard": [
            [heard.performer, heard.message.hex(), heard.media_time, heard.sequence, heard.repaired]
            for _, heard in world.heard
        ],
        "counters": asdict(world.receiver.counters),
    }


def down_vectors() -> list[Json]:
    return [
        down_scenario("clean", STUDIO, {0: CLEAN}),
        down_scenario("20 % loss", LISTEN, {0: Impairment(loss=0.2, jitter_ms=5)}),
        down_scenario(
            "a storm with messages held back for a second",
            STUDIO,
            {
                0: Impairment(loss=0.6, burst=6, reorder=0.3, reorder_ms=120, duplicate=0.2),
                10: Impairment(reorder=1, reorder_ms=1500),
                42: Impairment(loss=0.3, reorder=0.3, reorder_ms=40),
            },
        ),
        down_scenario("an outage", LISTEN, {0: CLEAN, 15: Impairment(loss=1), 45: Impairment(loss=0.2)}),
        down_by_hand(),
    ]


def up_scenario(name: str, ack_chance: float) -> Json:
    """A sender's timeline. Times are whole milliseconds, which both languages' clocks hold exactly."""
    dice = random.Random(name)
    sender = UpSender(1000 * MS)
    steps: list[Json] = []
    now_ms, number = 1000, 0
    for _, message, _ in _music(name):
        if dice.random() < 0.06:
            everyone = dice.random() < 0.5
            sender.panic(now_ms * MS, everyone=everyone)
            number += 1
            steps.append({"at_ms": now_ms, "panic": everyone})
        else:
            accepted = sender.push(message, now_ms * MS)
            number += len(accepted)
            steps.append(
                {"at_ms": now_ms, "push": message.hex(), "accepted": [event.hex() for event in accepted]}
            )
        for _ in range(dice.randrange(4)):
            out = sender.poll(now_ms * MS)
            steps.append(
                {"at_ms": now_ms, "poll": [data.hex() for data in out], "next_ms": sender.next_ns / MS}
            )
            if dice.random() < ack_chance:
                epoch = sender.epoch + dice.choices((0, 1, -1), (20, 2, 2))[0]
                reply = Reply(True, epoch & 0xFF, number, 0, 0)
                released = sender.receive(reply, now_ms * MS)
                steps.append(
                    {
                        "at_ms": now_ms,
                        "reply": reply.pack().hex(),
                        "released": [end.hex() for end in released],
                    }
                )
            now_ms += dice.choice((0, 1, 5, 40, 200))
    return {
        "name": name,
        "start_ms": 1000,
        "steps": steps,
        "held": [list(pair) for pair in sorted(sender.held.items())],
        "epoch": sender.epoch,
        "unacknowledged": sender.unacknowledged,
        "counters": asdict(sender.counters),
    }


def up_burst() -> Json:
    """More than one message holds, and more than is kept."""
    sender = UpSender(0)
    steps: list[Json] = []
    for turn in range(300):
        message = bytes((0x90 | turn % 2, turn // 2 % 128, 1 + turn % 7))
        accepted = sender.push(message, 5 * MS)
        steps.append({"at_ms": 5, "push": message.hex(), "accepted": [event.hex() for event in accepted]})
    out = sender.poll(5 * MS)
    steps.append({"at_ms": 5, "poll": [data.hex() for data in out], "next_ms": sender.next_ns / MS})
    return {
        "name": "burst",
        "start_ms": 0,
        "steps": steps,
        "held": [list(pair) for pair in sorted(sender.held.items())],
        "epoch": 0,
        "unacknowledged": sender.unacknowledged,
        "counters": asdict(sender.counters),
    }


def up_vectors() -> list[Json]:
    return [up_scenario("most are acknowledged", 0.7), up_scenario("few are acknowledged", 0.15), up_burst()]


def clock_scenario(name: str, jitter_ms: float, drift: float, step: int) -> Json:
    dice = random.Random(name)
    clock = MediaClock()
    replies: list[list[int]] = []
    readings: list[list[float]] = []
    for turn in range(40):
        now_us = 1_000_000 + (turn * 100_000 if turn < 8 else (turn - 7) * 2_000_000)
        up, down = (1000 + int(dice.random() * jitter_ms * 1000) for _ in range(2))
        held = dice.choice((0, 0, 700, 4000))
        media = round((now_us + up + held) * (1 + drift) * 0.048) + (step if turn >= 30 else 0)
        arrived_us = now_us + up + held + down
        replies.append([now_us, media, held, arrived_us])
        clock.add(Reply(False, 0, 0, now_us, media, held), arrived_us * 1000)
        for after_us in (0, 50_000, 1_500_000):
            media_now = clock.media_at((arrived_us + after_us) * 1000)
            assert media_now is not None
            readings.append([turn, arrived_us + after_us, media_now])
    rtt_ms = clock.rtt_ms
    assert rtt_ms is not None
    return {
        "name": name,
        "replies": replies,
        "readings": readings,
        "steps": clock.steps,
        "drift_ppm": round(clock.drift * 1e6, 6),
        "rtt_ms": round(rtt_ms, 6),
    }


def clock_vectors() -> list[Json]:
    return [
        clock_scenario("still", 0, 0, 0),
        clock_scenario("jitter and drift", 20, 120e-6, 0),
        clock_scenario("a step", 3, -50e-6, 480_000),
    ]


VECTORS = {
    "codec": codec_vectors,
    "cells": cell_vectors,
    "down_receiver": down_vectors,
    "up_sender": up_vectors,
    "media_clock": clock_vectors,
    "telemetry": telemetry_vectors,
}


def read(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def write() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, make in VECTORS.items():
        made: Any = make()
        if isinstance(made, list):
            text = "[\n" + ",\n".join(json.dumps(one, ensure_ascii=False) for one in made) + "\n]\n"
        else:
            text = json.dumps(made, ensure_ascii=False, indent=1) + "\n"
        (FOLDER / f"{name}.json").write_text(text, encoding="utf-8")


def unpack_either(
    data: bytes,
) -> down_messages.Notes | down_messages.Reply | up_messages.Play | up_messages.Ping:
    """Whatever side it comes from."""
    return unpack_down(data) if data[1] < 16 else unpack_up(data)


if __name__ == "__main__":
    write()
