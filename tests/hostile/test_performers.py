"""Who has a performer's token is no stranger, and yet may send what harms: files, notes, System Exclusive."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from rtcserver.access.token import Token, sign
from rtcserver.channel.up.messages import Play, PlayEvent
from rtcserver.midi import message as m
from tests.hostile.http import exchange, request
from tests.hostile.intruder import address, intruder
from tests.hostile.messages import HELLO, MIDI, TELEMETRY
from tests.hostile.requests import LATER
from tests.hostile.scene import Scene

ROOM = "keys"
ACTIONS = ("listen", "read", "perform")
END = bytes.fromhex("00ff2f00")


def token(scene: Scene) -> str:
    """That of a performer in the room with the instrument."""
    return sign(scene.token_key(), Token("0123", (ROOM,), ACTIONS, LATER))


def song(*tracks: bytes, division: bytes = b"\0\x60", form: int = 1) -> bytes:
    """A MIDI file of these tracks."""
    head = b"MThd\0\0\0\6" + form.to_bytes(2) + len(tracks).to_bytes(2) + division
    return head + b"".join(b"MTrk" + len(track).to_bytes(4) + track for track in tracks)


NOTE = bytes.fromhex("00903c4001803c40")
FILES = {
    "empty": b"",
    "zeros": bytes(900_000),
    "header-only": song(),
    "text": b"MThd" * 200_000,
    "one-note": song(NOTE + END),
    "two-hundred-thousand-at-once": song(b"\0\x90\x3c\x40" + bytes.fromhex("00407f") * 150_000 + END),
    "too-many-events": song(b"\0\x90\x3c\x40" + bytes.fromhex("00407f") * 250_000 + END),
    "too-large": song(NOTE * 200_000 + END),
    "many-tracks": song(*[NOTE + END] * 256),
    "too-many-tracks": song(*[NOTE + END] * 300),
    "tempo-of-nothing": song(bytes.fromhex("00ff5103000000") + NOTE + END),
    "tempos-without-end": song(bytes.fromhex("00ff5103000001") * 90_000 + NOTE + END),
    "lasts-for-years": song(b"\xff\xff\xff\x7f\x90\x3c\x40" * 100 + END),
    "length-beyond": song(bytes.fromhex("00ff03ffffff7f") + NOTE + END),
    "sysex-of-all-kinds": song(bytes.fromhex("00f0047e7f0901f7") * 1000 + NOTE + END),
    "title-of-control": song(b"\0\xff\x03\x40" + b"\x1b[2J\0\r\n<b>" * 6 + bytes(4) + NOTE + END),
    "no-division": song(NOTE + END, division=b"\0\0"),
    "strange-time-code": song(NOTE + END, division=b"\x80\0"),
    "form-9": song(NOTE + END, form=9),
    "riff-in-riff": b"RIFF\xff\xff\xff\x7fRMIDdata\xff\xff\xff\x7f" + song(NOTE + END),
}


@pytest.mark.parametrize("name", FILES)
async def test_a_file(scene: Scene, name: str) -> None:
    with scene.undisturbed():
        wanted = request(
            "POST",
            f"/api/rooms/{ROOM}/files",
            FILES[name],
            content_type="audio/midi",
            authorization=f"Bearer {token(scene)}",
            x_file_name="..%2F..%2F%00%1b" + "x" * 300,
        )
        answer = await exchange(scene.port, wanted, address())
        assert answer.status in (201, 413, 422), answer
        if answer.status == 201:
            file = json.loads(answer.body)["file"]
            async with intruder(scene.port, "associated", room=ROOM) as client:
                client.send(client.opened(TELEMETRY))
                said = [
                    HELLO,
                    json.dumps({"type": "auth", "token": token(scene)}),
                    json.dumps({"type": "player", "action": "play", "file": file}),
                    *(
                        json.dumps({"type": "player", "action": "seek", "position_s": position})
                        for position in (0, 80_000, 0.001)
                    ),
                    json.dumps({"type": "player", "action": "tempo", "tempo": 4}),
                    json.dumps({"type": "player", "action": "stop"}),
                ]
                for text in said:
                    for record in client.said(text):
                        client.send(record)
    assert len(answer.body) < 2000


@dataclass(frozen=True, slots=True)
class Playing:
    """What a performer sends: texts on ``telemetry``, then messages on ``midi``."""

    texts: tuple[str, ...] = ()
    plays: tuple[bytes, ...] = ()


def _say(**members: object) -> str:
    return json.dumps(members)


def _plays(*messages: bytes, per: int = 64) -> tuple[bytes, ...]:
    """These messages, as many in each as fit."""
    found = []
    for at in range(0, len(messages), per):
        events = tuple(PlayEvent(message, 0) for message in messages[at : at + per])
        found.append(Play(0, at + len(events), 0, events).pack())
    return tuple(found)


KEYS = [m.note_on(channel, key, 127) for channel in range(16) for key in range(128)]
PLAYINGS = {
    "all-keys-at-once": Playing(plays=_plays(*KEYS)),
    "keys-that-are-never-let-go": Playing(plays=_plays(*KEYS[:128])),
    "all-controllers": Playing(plays=_plays(*(m.control(0, n, 127) for n in range(120)))),
    "mode-messages": Playing(plays=_plays(*(m.control(n, k, 0) for n in range(16) for k in range(120, 128)))),
    "programs": Playing(plays=_plays(*(m.program(n % 16, n % 128) for n in range(600)))),
    "bends": Playing(plays=_plays(*(m.pitch_bend(0, n * 27) for n in range(600)))),
    "one-event-a-message": Playing(plays=_plays(*KEYS[:400], per=1)),
    "numbers-that-jump": Playing(
        plays=tuple(Play(0, n * 0x7FFFFFF % 2**32, 0, (PlayEvent(KEYS[0], 0),)).pack() for n in range(200))
    ),
    "panic-without-end": Playing(plays=_plays(*[b"\xff\x01"] * 300)),
    "panics-in-words": Playing(texts=(_say(type="panic", all=True),) * 40),
    "sysex-reset": Playing(texts=(_say(type="sysex", data="f07e7f0901f7"),) * 20),
    "sysex-of-the-device": Playing(texts=(_say(type="sysex", data="f0437f1c020000000000f7"),)),
    "sysex-at-its-limit": Playing(texts=(_say(type="sysex", data="f0" + "43" * 1022 + "f7"),) * 10),
    "sounds-of-nowhere": Playing(texts=tuple(_say(type="select", sound=f"x/{n}") for n in range(40))),
    "authorized-twenty-times": Playing(texts=(_say(type="hello", version=1),) * 20),
}


@pytest.mark.parametrize("name", PLAYINGS)
async def test_what_a_performer_plays(scene: Scene, name: str) -> None:
    before = scene.faults()
    with scene.undisturbed():
        async with intruder(scene.port, "associated", room=ROOM) as client:
            client.send(client.opened(TELEMETRY))
            client.send(client.opened(MIDI, 2))
            for text in (HELLO, _say(type="auth", token=token(scene)), *PLAYINGS[name].texts):
                for record in client.said(text):
                    client.send(record)
            for play in PLAYINGS[name].plays:
                for record in client.said(play, 2):
                    client.send(record)
    assert scene.faults() == before
