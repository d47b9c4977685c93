"""DataChannels and Studio payloads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rtcserver.channel import cells
from rtcserver.channel.down.messages import Notes, unpack_down
from rtcserver.channel.down.receiver import DownReceiver
from rtcserver.channel.midi_peer import MidiPeer
from rtcserver.channel.telemetry import parse_client, parse_server
from rtcserver.channel.telemetry_peer import TelemetryPeer
from rtcserver.channel.up.messages import Ping, Play, PlayEvent, unpack_up
from rtcserver.channel.wire import ProtocolError
from rtcserver.client.assembly import Assembler
from rtcserver.encode.packet import EncodedPacket
from rtcserver.encode.pcm import unpack
from rtcserver.midi import message as m
from tests.fuzz.target import joined, pieces, target

VECTORS = Path(__file__).parents[2] / "vectors"
MS = 1_000_000


def _hex_of(value: Any) -> Iterator[bytes]:
    """All texts in a JSON document that are bytes in hexadecimal."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from _hex_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _hex_of(inner)
    elif isinstance(value, str) and len(value) >= 4:
        try:
            yield bytes.fromhex(value)
        except ValueError:
            return


def _codec() -> list[bytes]:
    return list(_hex_of(json.loads((VECTORS / "channel" / "codec.json").read_text())))


def _ups() -> Iterator[bytes]:
    yield from _codec()
    yield Ping(5).pack()
    yield Play(
        0, 2, 9, (PlayEvent(m.note_on(0, 60, 64), 0), PlayEvent(m.note_off(0, 60), 5)), ((60, 64),)
    ).pack()


@target("channel-up", ProtocolError, good=_ups, max_bytes=1200)
def up(data: bytes) -> None:
    assert unpack_up(data).pack() == data


def _sessions() -> Iterator[bytes]:
    messages = list(_ups())
    for message in messages[:40]:
        yield joined([message])
    yield joined(messages[-2:])
    yield joined(messages[:12])


@target("channel-midi", good=_sessions, max_bytes=1500)
def midi_peer(data: bytes) -> None:
    """A performer's session: whatever comes, they never hold more than they may, and a release ends all of it."""
    peer = MidiPeer()
    peer.grant(2, 0)
    now = 0
    for message in pieces(data):
        now += 7 * MS
        received = peer.receive(message, now, now // 1000)
        for event in (*received.played, *peer.poll(now, now // 1000).played):
            assert event.message[0] == 0xFF or cells.is_channel_message(event.message)
    assert peer.up is not None
    assert len(peer.up.held) <= 128
    peer.revoke()
    assert not peer._parked.held


def _downs() -> Iterator[bytes]:
    yield from _codec()
    yield from _hex_of(json.loads((VECTORS / "channel" / "down_receiver.json").read_text()))


@target("channel-down", ProtocolError, good=_downs, max_bytes=1200)
def down(data: bytes) -> None:
    message = unpack_down(data)
    assert message.pack() == data
    if isinstance(message, Notes):
        receiver = DownReceiver()
        receiver.receive(message)
        assert receiver.receive(message) is not None


TELEMETRY_WORDS = (
    *(
        '{"type":"',
        '"hello"',
        '"auth"',
        '"stats"',
        '"select"',
        '"panic"',
        '"player"',
        '"sysex"',
        '"studio_report"',
    ),
    *(
        '"version":1',
        '"name":',
        '"token":',
        '"sound":',
        '"channel":',
        '"action":',
        '"seek"',
        '"position_s":',
        '"tempo"',
    ),
    *(
        '"data":"f0',
        'f7"',
        '"all":true',
        '"level_ms":',
        '"lost":',
        "1e999",
        "1" + "0" * 310,
        '"\\ud800"',
        "[",
        "{",
        "null",
    ),
)


def _telemetry() -> Iterator[bytes]:
    for text in _strings(json.loads((VECTORS / "channel" / "telemetry.json").read_text())):
        yield text.encode("utf-8", "replace")
    yield b'{"type":"studio_report","level_ms":5,"ratio":1.0,"lost":1e300}'
    yield b'{"type":"stats","lost":' + b"9" * 320 + b"}"
    yield b'{"type":"player","action":"seek","position_s":1}'


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "type" in value:
            yield json.dumps(value)
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)
    elif isinstance(value, str) and value[:1] == "{":
        yield value


@target("telemetry-client", ProtocolError, good=_telemetry, words=TELEMETRY_WORDS, max_bytes=4200)
def telemetry(data: bytes) -> None:
    parse_client(data.decode("utf-8", "replace"))


@target("telemetry-session", good=_telemetry, words=TELEMETRY_WORDS, max_bytes=4200)
def telemetry_peer(data: bytes) -> None:
    """With the answers to what is refused."""
    peer = TelemetryPeer()
    for now, text in enumerate(data.decode("utf-8", "replace").split("\n")[:8]):
        message, answer = peer.receive(text, now * MS)
        assert message is None or answer is None
        assert answer is None or parse_server(answer)["type"] == "error"


@target("telemetry-server", ProtocolError, good=_telemetry, words=TELEMETRY_WORDS, max_bytes=4200)
def telemetry_server(data: bytes) -> None:
    parse_server(data.decode("utf-8", "replace"))


def _payloads() -> Iterator[bytes]:
    for payload in _hex_of(json.loads((VECTORS / "studio" / "payload.json").read_text())):
        yield joined([payload])


@target("studio-payload", good=_payloads, max_bytes=3000)
def studio(data: bytes) -> None:
    assembler = Assembler()
    taken = b""
    for number, payload in enumerate(pieces(data)):
        taken += assembler.take(payload, number * MS)
        try:
            block = unpack(payload)
        except ValueError:
            continue
        assert block.to_int().shape == (block.frames, 2)
    taken += assembler.flush()
    assert len(taken) == assembler.frames * assembler.width


@target(
    "feed-record", ValueError, good=lambda: (EncodedPacket(960, 480, 5, 1, b"opus").pack(),), max_bytes=4200
)
def record(data: bytes) -> None:
    packet = EncodedPacket.unpack(data)
    assert EncodedPacket.unpack(packet.pack()) == packet


def _messages() -> Iterator[bytes]:
    yield from (
        m.note_on(1, 60, 0),
        m.control(0, 64, 127),
        m.control(0, 123, 0),
        m.control(2, 121, 0),
        m.pitch_bend(0, 9),
    )
    yield from (m.program(0, 5), m.channel_pressure(1, 5), b"\xf0\x43\xf7", b"\xff")


@target("channel-cells", good=_messages, max_bytes=16)
def normal_form(data: bytes) -> None:
    """Any bytes, as what one performer plays while they hold two keys and a pedal."""
    held = {cells.note_cell(0, 60): 64, cells.note_cell(1, 60): 64, cells.controller_cell(0, m.SUSTAIN): 127}
    for message in cells.normal_form(data, held):
        assert m.fault(message) is None
        write = cells.write_of(2, message)
        assert write is None or write.value == 0 or cells.valid(*write)
