"""What hypothesis makes: MIDI messages, wire messages, and scripts of playing and bad weather."""

from __future__ import annotations

from hypothesis import strategies as st

from rtcserver.channel import cells, wire
from rtcserver.channel.down import messages as down_messages
from rtcserver.channel.up import messages as up_messages
from rtcserver.midi import message as m
from rtcserver.midi import performers as numbers

data = st.integers(0, 127)
channels = st.integers(0, 15)
performers = st.integers(1, numbers.LAST)


def _message(status: int, first: int, second: int) -> bytes:
    return bytes((status, first, second))[: 1 + (m.data_bytes(status) or 0)]


channel_messages = st.builds(_message, st.integers(0x80, 0xEF), data, data)

_few = st.sampled_from((60, 61, 62, 63))
playing = st.one_of(
    st.builds(lambda note, velocity: bytes((0x90, note, velocity)), _few, st.sampled_from((0, 1, 80, 127))),
    st.builds(lambda note: bytes((0x80, note, 64)), _few),
    st.builds(lambda value: bytes((0xB0, 64, value)), st.sampled_from((0, 64, 127))),
    st.builds(lambda value: bytes((0xB3, 1, value)), data),
    st.builds(lambda value: bytes((0xE0, 0, value)), data),
    st.builds(lambda value: bytes((0xC1, value)), data),
    st.sampled_from((bytes((0xB0, 123, 0)), bytes((0xB0, 121, 0)), bytes((0xB0, 120, 0)))),
    channel_messages,
)
"""Mostly on few keys, so that presses meet releases."""

media_times = st.integers(-(1 << 40), 1 << 40)
client_times = st.integers(-wire.SAFE, wire.SAFE)
u32 = st.integers(0, 0xFFFF_FFFF)

note_events = st.tuples(performers, channel_messages, st.integers(-(2**31), 2**31 - 1))


@st.composite
def owned_cells(draw: st.DrawFn) -> int:
    slot = draw(st.one_of(data, st.sampled_from(sorted(cells.CONTROLLER + pedal for pedal in m.PEDALS))))
    return draw(channels) << 12 | slot


@st.composite
def state_parts(draw: st.DrawFn) -> down_messages.StatePart:
    found = {
        (draw(performers), cell): draw(st.integers(1, 127))
        for cell in draw(st.lists(owned_cells(), max_size=20))
    }
    for channel in draw(st.lists(channels, max_size=3)):
        found[(numbers.ROOM, channel << 12 | cells.BEND)] = draw(st.integers(0, 16383))
        found[(numbers.ROOM, cells.controller_cell(channel, 7))] = draw(data)
    ordered = tuple(down_messages.OwnedCell(*key, value) for key, value in sorted(found.items()))
    keys = [performer << 16 | cell for performer, cell, _ in ordered]
    first = draw(st.integers(0, keys[0] if keys else cells.LAST_KEY))
    last = draw(st.integers(max(first, keys[-1] if keys else 0), cells.LAST_KEY))
    return down_messages.StatePart(first, last, ordered)


@st.composite
def notes(draw: st.DrawFn) -> down_messages.Notes:
    base = draw(media_times)
    events = tuple(
        down_messages.NoteEvent(performer, message, base + delta)
        for performer, message, delta in draw(st.lists(note_events, max_size=20))
    )
    return down_messages.Notes(draw(u32), base, events, draw(st.none() | state_parts()))


replies = st.one_of(
    st.builds(down_messages.Reply, st.just(True), st.integers(0, 255), u32, client_times, client_times, u32),
    st.builds(down_messages.Reply, st.just(False), st.just(0), st.just(0), client_times, client_times, u32),
)

play_events = st.builds(
    up_messages.PlayEvent, channel_messages | st.sampled_from((up_messages.PANIC, up_messages.PANIC_ALL)), u32
)
held = st.dictionaries(owned_cells(), st.integers(1, 127), max_size=up_messages.MAX_HELD).map(
    lambda found: tuple(sorted(found.items()))
)
plays = st.builds(
    up_messages.Play,
    st.integers(0, 255),
    u32,
    client_times,
    st.lists(play_events, max_size=up_messages.MAX_PLAY_EVENTS).map(tuple),
    st.none() | held,
    st.booleans(),
)
pings = st.builds(up_messages.Ping, client_times)
