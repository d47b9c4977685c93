"""MIDI: streams of bytes, files, titles."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rtcserver.errors import PeerError
from rtcserver.midi import message as m
from rtcserver.midi import profile_file, smf, title
from rtcserver.midi.parser import StreamParser
from rtcserver.midi.settings import Settings
from tests.fuzz.target import target

FILES = Path(__file__).parents[2] / "vectors" / "files" / "midi"
GM = profile_file.load("gm")


def _streams() -> Iterator[bytes]:
    yield bytes.fromhex("90 3c 40 3c 00 f8 b0 40 7f f0 43 10 f7 c0 05 e0 00 40 f6 f2 00 01 fe d0 09")
    yield bytes.fromhex("f0 43 f8 10 90 3c 40 f4 05 f7 3c f0") + bytes(40)


@target("midi-stream", good=_streams, max_bytes=160)
def stream(data: bytes) -> None:
    """However the bytes are cut, the same complete messages come out."""
    whole, cut = StreamParser(32), StreamParser(32)
    messages = whole.feed(data)
    assert all(m.fault(message, 32) is None for message in messages)
    assert [message for byte in data for message in cut.feed(bytes((byte,)))] == messages
    assert cut.faults == whole.faults


def track(body: bytes) -> bytes:
    """A track's chunk."""
    return b"MTrk" + len(body).to_bytes(4) + body


def _songs() -> Iterator[bytes]:
    notes = (
        bytes.fromhex("00 ff 03 04")
        + b"song"
        + bytes.fromhex("00 ff 51 03 07 a1 20 00 90 3c 40 30 3c 00 00 ff 2f 00")
    )
    head = b"MThd\0\0\0\6"
    yield head + bytes.fromhex("0000 0001 0060") + track(notes)
    yield (
        head
        + bytes.fromhex("0001 0002 e728")
        + track(notes)
        + track(bytes.fromhex("00 f0 03 43 10 f7 81 00 c0 05 00 ff 2f 00"))
    )
    song = head + bytes.fromhex("0000 0001 0060") + track(notes)
    yield (
        b"RIFF"
        + (len(song) + 12).to_bytes(4, "little")
        + b"RMIDdata"
        + len(song).to_bytes(4, "little")
        + song
    )
    yield (
        head
        + bytes.fromhex("0000 0001 0060")
        + track(bytes.fromhex("00 90 ff 40 00 b0 ff 01 00 c0 ff 00 91 3c ff"))
    )
    yield b"HTTP/1.1 200 OK\r\n\r\n" + song
    for path in sorted(FILES.glob("*")):
        if path.is_file() and path.stat().st_size < 3000:
            yield path.read_bytes()


@target("midi-file", PeerError, good=_songs, words=("MThd", "MTrk", "RIFF", "RMID", "data"), max_bytes=3000)
def song(data: bytes) -> None:
    """A file that is taken has events in order, and no note is left hanging."""
    found = smf.arrange(smf.read(data), GM)
    times = [event.at_ns for event in found.events]
    assert times == sorted(times)
    assert not times or 0 <= times[0] <= times[-1] <= found.duration_ns <= smf.MAX_DURATION_NS
    down: set[tuple[int, int]] = set()
    for _, message in found.events:
        assert m.fault(message) is None
        key = (m.channel(message), message[1])
        if m.is_note_on(message):
            down.add(key)
        elif m.is_note_off(message):
            down.discard(key)
    assert not down
    settings = Settings(found.events)
    for index in (0, len(times) // 2, len(times)):
        assert all(m.fault(message) is None for message in settings.before(index))
    assert len(found.name) <= title.MAX_TITLE


def _titles() -> Iterator[bytes]:
    yield from (b"Song", "Für Elise".encode(), "Für Elise".encode("cp1252"), "さくら".encode("cp932"))
    yield from (
        "Song".encode("utf-16"),
        "Song".encode("utf-16-le"),
        "Song".encode("utf-16-be"),
        b"\x85\x91\0x",
    )


@target("midi-title", good=_titles, max_bytes=400)
def name(data: bytes) -> None:
    text = title.decode(data)
    assert text.isprintable()
    assert len(text) <= title.MAX_TITLE


@target("midi-message", good=lambda: (b"\x90\x3c\x40", b"\xf0\x43\xf7", b"\xf2\0\1", b"\xf8"), max_bytes=40)
def message(data: bytes) -> None:
    if m.fault(data, 32) is None:
        kind = m.classify(data)
        assert m.is_channel(data) == (kind.value not in ("sysex", "system", "real-time"))
