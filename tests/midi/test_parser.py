"""The byte-stream parser against the rules of the standard, and against any cutting and any noise."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtcserver.midi import message as m
from rtcserver.midi.parser import StreamParser


def parse(text: str, max_sysex: int = 64) -> tuple[list[str], StreamParser]:
    parser = StreamParser(max_sysex)
    return [message.hex(" ") for message in parser.feed(bytes.fromhex(text))], parser


@pytest.mark.parametrize(
    ("stream", "messages"),
    [
        # Each message of tables 2, 5 and 6 by itself.
        *[(f"{s:02x} 10 20", [f"{s:02x} 10 20"]) for s in range(0x80, 0xC0)],
        *[(f"{s:02x} 10", [f"{s:02x} 10"]) for s in range(0xC0, 0xE0)],
        *[(f"{s:02x} 10 20", [f"{s:02x} 10 20"]) for s in range(0xE0, 0xF0)],
        ("f1 10", ["f1 10"]),
        ("f2 10 20", ["f2 10 20"]),
        ("f3 10", ["f3 10"]),
        ("f6", ["f6"]),
        *[(f"{s:02x}", [f"{s:02x}"]) for s in (0xF8, 0xFA, 0xFB, 0xFC, 0xFE, 0xFF)],
        ("f0 7e 7f 06 01 f7", ["f0 7e 7f 06 01 f7"]),
        ("f0 f7", ["f0 f7"]),
        # Running status.
        ("90 3c 40 3e 40 3c 00", ["90 3c 40", "90 3e 40", "90 3c 00"]),
        ("c0 01 02 03", ["c0 01", "c0 02", "c0 03"]),
        ("90 3c 40 80 3c 40 3e 40", ["90 3c 40", "80 3c 40", "80 3e 40"]),
        # Real time inside: before data, between data, and it leaves running status alone.
        ("90 f8 3c fe 40 f8 3e 40", ["f8", "fe", "90 3c 40", "f8", "90 3e 40"]),
        ("f0 01 f8 02 f7", ["f8", "f0 01 02 f7"]),
        ("f2 01 fa 02", ["fa", "f2 01 02"]),
    ],
)
def test_good_streams_are_read_whole(stream: str, messages: list[str]) -> None:
    got, parser = parse(stream)
    assert got == messages
    assert parser.faults == 0


@pytest.mark.parametrize(
    ("stream", "messages", "counted"),
    [
        # System common ends running status: the data bytes behind it have no owner.
        ("90 3c 40 f6 3e 40", ["90 3c 40", "f6"], {"orphans": 2}),
        ("90 3c 40 f1 01 3e 40", ["90 3c 40", "f1 01"], {"orphans": 2}),
        ("90 3c 40 f0 01 f7 3e 40", ["90 3c 40", "f0 01 f7"], {"orphans": 2}),
        ("3c 40 90 3c 40", ["90 3c 40"], {"orphans": 2}),
        # A message broken off by the next status byte.
        ("90 3c 80 3c 40", ["80 3c 40"], {"malformed": 1}),
        ("90 80 3c 40", ["80 3c 40"], {"malformed": 1}),
        ("90 3c 40 3e 80 3c 40", ["90 3c 40", "80 3c 40"], {"malformed": 1}),
        ("f2 01 90 3c 40", ["90 3c 40"], {"malformed": 1}),
        # System Exclusive ended by another status byte is incomplete; that byte counts.
        ("f0 01 02 90 3c 40", ["90 3c 40"], {"malformed": 1}),
        ("f0 01 f0 02 f7", ["f0 02 f7"], {"malformed": 1}),
        ("f7", [], {"malformed": 1}),
        # Undefined statuses.
        ("90 3c 40 f4 3e 40 90 3e 40", ["90 3c 40", "90 3e 40"], {"undefined": 1, "orphans": 2}),
        ("f5 01", [], {"undefined": 1, "orphans": 1}),
        ("90 f9 3c fd 40", ["90 3c 40"], {"undefined": 2}),
    ],
)
def test_bad_streams_cost_only_what_is_bad(stream: str, messages: list[str], counted: dict[str, int]) -> None:
    got, parser = parse(stream)
    assert got == messages
    assert {
        name: value
        for name in ("malformed", "orphans", "undefined", "oversized")
        if (value := getattr(parser, name))
    } == counted


def test_system_exclusive_beyond_the_limit_is_dropped_and_the_stream_goes_on() -> None:
    fits = "f0 " + "01 " * 62 + "f7"
    got, parser = parse(fits)
    assert len(bytes.fromhex(got[0])) == 64
    assert parser.faults == 0
    got, parser = parse("f0 " + "01 " * 63 + "f7 90 3c 40")
    assert got == ["90 3c 40"]
    assert (parser.oversized, parser.malformed) == (1, 0)
    endless = StreamParser(64)
    assert endless.feed(b"\xf0" + bytes(1_000_000)) == []
    assert endless._sysex is not None
    assert len(endless._sysex) < 64


def test_reset_forgets_the_half_of_a_message() -> None:
    parser = StreamParser()
    parser.feed(b"\x90\x3c\x40\x3e")
    parser.reset()
    assert parser.feed(b"\x40\x90\x3c\x40") == [b"\x90\x3c\x40"]
    assert parser.orphans == 1


data = st.integers(0, 127)
channel_messages = st.one_of(
    st.tuples(st.integers(0x80, 0xBF), data, data).map(bytes),
    st.tuples(st.integers(0xC0, 0xDF), data).map(bytes),
    st.tuples(st.integers(0xE0, 0xEF), data, data).map(bytes),
    st.lists(data, max_size=30).map(lambda body: b"\xf0" + bytes(body) + b"\xf7"),
    st.sampled_from([b"\xf1\x01", b"\xf2\x01\x02", b"\xf3\x01", b"\xf6"]),
)
real_time = st.sampled_from([b"\xf8", b"\xfa", b"\xfb", b"\xfc", b"\xfe", b"\xff"])


@given(
    st.lists(channel_messages, max_size=20), st.lists(st.tuples(st.integers(0, 400), real_time)), st.data()
)
def test_running_status_real_time_and_cuts_change_nothing(
    messages: list[bytes], ticks: list[tuple[int, bytes]], draw: st.DataObject
) -> None:
    """Any sound stream, compressed by running status, sprinkled with real time, cut anywhere."""
    stream = bytearray()
    running = None
    for message in messages:
        if message[0] < 0xF0 and message[0] == running and draw.draw(st.booleans()):
            stream += message[1:]
        else:
            stream += message
        running = message[0] if message[0] < 0xF0 else None
    for position, tick in ticks:
        at = position % (len(stream) + 1)
        stream[at:at] = tick
    parser = StreamParser()
    got: list[bytes] = []
    position = 0
    while position < len(stream):
        step = draw.draw(st.integers(1, 7))
        got += parser.feed(bytes(stream[position : position + step]))
        position += step
    assert [message for message in got if message[0] < 0xF8] == messages
    assert sorted(message for message in got if message[0] >= 0xF8) == sorted(tick for _, tick in ticks)
    assert parser.faults == 0


@given(st.binary(max_size=300))
def test_noise_yields_only_sound_messages(noise: bytes) -> None:
    for message in StreamParser(40).feed(noise):
        assert m.fault(message, 40) is None
