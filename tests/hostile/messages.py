"""Hostile messages on data channels as data."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from rtcserver.channel.up.messages import Ping, Play, PlayEvent
from rtcserver.midi import message as m

TELEMETRY, MIDI = "telemetry", "midi"


@dataclass(frozen=True, slots=True)
class Case:
    """What is sent on a channel of this label, one message after the other. Text goes as text."""

    name: str
    label: str
    messages: tuple[bytes | str, ...]


def cases() -> list[Case]:
    """All of them. Names are unique."""
    found = [*_telemetry(), *_midi(), *_channels()]
    assert len({case.name for case in found}) == len(found)
    return found


def _say(**members: object) -> str:
    return json.dumps(members)


HELLO = _say(type="hello", version=1, name="x")


def _telemetry() -> Iterator[Case]:
    texts: dict[str, bytes | str] = {
        "lists-in-lists": "[" * 4000,
        "lists-closed": "[" * 2000 + "]" * 2000,
        "tables-in-tables": '{"a":' * 800,
        "tables-closed": '{"a":' * 500 + "1" + "}" * 500,
        "long-number": '{"type":"stats","lost":' + "9" * 4000 + "}",
        "long-exponent": '{"type":"stats","lost":1e' + "9" * 3000 + "}",
        "infinite": '{"type":"stats","lost":1e999}',
        "not-a-number": '{"type":"stats","lost":NaN}',
        "more-than-a-double": '{"type":"studio_report","lost":' + "9" * 320 + "}",
        "more-than-a-double-in-stats": '{"type":"stats","lost":' + "9" * 320 + "}",
        "more-than-a-double-in-seek": '{"type":"player","action":"seek","position_s":' + "9" * 320 + "}",
        "lone-surrogate": '{"type":"hello","version":1,"name":"\\ud800"}',
        "lone-surrogate-as-type": '{"type":"\\ud800"}',
        "lone-surrogate-as-token": '{"type":"auth","token":"\\udfff"}',
        "same-key-a-thousand-times": '{"type":"hello",' + '"name":"a",' * 300 + '"version":1}',
        "too-large": '{"type":"hello","name":"' + "a" * 60_000 + '"}',
        "bytes": b"\0" * 900,
        "empty": "",
        "null": "null",
        "text": '"hello"',
        "type-is-a-list": _say(type=["hello"]),
        "type-is-a-table": _say(type={"hello": 1}),
        "version-is-true": _say(type="hello", version=True),
        "version-is-a-text": _say(type="hello", version="1"),
        "name-is-markup": _say(type="hello", version=1, name="<script>alert(1)</script>"),
        "name-is-control": _say(type="hello", version=1, name="\0\x1b[2J\u202e\u2028" * 20),
        "name-is-long": _say(type="hello", version=1, name="\U0001f600" * 900),
        "token-is-long": _say(type="auth", token="a" * 3900),
        "token-is-nested": _say(type="auth", token="W1tb" * 200 + ".e30."),
        "sound-is-a-path": _say(type="select", sound="../../etc/passwd"),
        "sound-of-others": _say(type="select", sound="gm/0/0/0", channel=16),
        "file-is-a-path": _say(type="player", action="play", file="../../etc/passwd"),
        "action-unknown": _say(type="player", action="__init__"),
        "seek-backwards": _say(type="player", action="seek", position_s=-1),
        "panic-for-all": _say(type="panic", all=True),
        "sysex": _say(type="sysex", data="f0437f1c0200000000f7"),
        "sysex-reset": _say(type="sysex", data="f07e7f0901f7"),
        "sysex-odd": _say(type="sysex", data="f04f7"),
        "sysex-unfinished": _say(type="sysex", data="f0" + "43" * 500),
        "sysex-in-sysex": _say(type="sysex", data="f043f07e7f0901f7f7"),
        "sysex-hides-notes": _say(type="sysex", data="f0904040f7"),
        "sysex-long": _say(type="sysex", data="f0" + "43" * 1500 + "f7"),
        "sysex-not-hexadecimal": _say(type="sysex", data="zz"),
        "studio-unasked": _say(type="studio_ready", version=1),
        "studio-version": _say(type="studio_ready", version=99),
        "server-words": _say(type="welcome", version=1, rtp_offset=0, media_time=0),
    }
    for name, text in texts.items():
        yield Case(f"telemetry/{name}", TELEMETRY, (text,))
        yield Case(f"telemetry/after-hello/{name}", TELEMETRY, (HELLO, text, text))


def _midi() -> Iterator[Case]:
    play = Play(0, 1, 0, (PlayEvent(m.note_on(0, 60, 100), 0),), ((60, 100),)).pack()
    ping = Ping(5).pack()
    texts: dict[str, bytes | str] = {
        "raw-note": m.note_on(0, 60, 127),
        "raw-reset": bytes((m.SYSTEM_RESET,)),
        "raw-sysex": bytes.fromhex("f07e7f0901f7"),
        "raw-long-sysex": b"\xf0" + bytes(4000) + b"\xf7",
        "raw-sysex-without-end": b"\xf0" + b"\x43" * 900,
        "raw-active-sensing": bytes((m.ACTIVE_SENSING,)) * 900,
        "raw-stream": bytes(range(128, 256)) * 8,
        "text": "play",
        "empty": b"",
        "one-byte": b"\x01",
        "version": b"\x63" + play[1:],
        "kind": play[:1] + b"\xff" + play[2:],
        "of-the-server": play[:1] + b"\x01" + play[2:],
        "cut": play[:-1],
        "longer": play + b"\0",
        "count-beyond": play[:16] + b"\xff" + play[17:],
        "held-beyond": play[:17] + b"\xff" + play[18:],
        "reserved": play[:2] + b"\xff" + play[3:],
        "by-a-listener": play,
        "time-far-away": play[:8] + struct.pack(">q", -(2**63)) + play[16:],
        "ping-of-wrong-length": ping[:-1],
        "too-large": b"\x01\x11" + bytes(60_000),
        "noise": bytes(n * 7 & 255 for n in range(1100)),
    }
    for name, text in texts.items():
        yield Case(f"midi/{name}", MIDI, (text,))
        yield Case(f"midi/thirty-times/{name}", MIDI, (text,) * (3 if len(text) > 4000 else 30))


def _channels() -> Iterator[Case]:
    labels = {
        "unknown": "admin",
        "path": "../midi",
        "markup": "<b>",
        "control": "midi\0",
        "capitals": "MIDI",
        "long": "m" * 250,
        "empty": "",
        "studio": "studio",
    }
    for name, label in labels.items():
        yield Case(f"label/{name}", label, (b"x", "x", b"\0" * 900))
