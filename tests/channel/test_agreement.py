"""After any weather and a quiet second, both sides agree on what sounds."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtcserver.channel import cells
from rtcserver.channel.down.sender import LISTEN, SLOW, STUDIO, Cadence
from rtcserver.network.impair import CLEAN, Impairment
from tests.channel import strategies as some
from tests.channel.world import MS, SECOND, DownWorld, UpWorld

weather = st.builds(
    Impairment,
    loss=st.sampled_from((0.0, 0.2, 0.5, 0.9, 1.0)),
    burst=st.sampled_from((1.0, 4.0)),
    delay_ms=st.sampled_from((0.0, 3.0, 60.0)),
    jitter_ms=st.sampled_from((0.0, 15.0)),
    reorder=st.sampled_from((0.0, 0.3)),
    reorder_ms=st.sampled_from((25.0, 300.0)),
    duplicate=st.sampled_from((0.0, 0.3)),
    duplicate_ms=st.sampled_from((5.0, 600.0)),
)
pauses = st.sampled_from((0, 1, 7, 40, 300, 1100))
changes = st.lists(st.tuples(pauses, st.none() | weather, st.lists(some.playing, max_size=8)), max_size=12)
QUIET = Impairment(delay_ms=3)
QUIET_NS = 1 * SECOND + 50 * MS
"""One second, the path's delay, and one interval of the slower cadence."""


@settings(deadline=None, max_examples=150)
@given(st.sampled_from((LISTEN, STUDIO, SLOW)), changes, st.integers(0, 999))
def test_listeners_agree(
    cadence: Cadence, script: list[tuple[int, Impairment | None, list[bytes]]], seed: int
) -> None:
    world = DownWorld(cadence, CLEAN, str(seed))
    for at, (pause_ms, now, messages) in enumerate(script):
        if now is not None:
            world.link.impair(now)
        for message in messages:
            world.push(message, 3 + at % 3)
        world.advance(pause_ms * MS)
    world.link.impair(QUIET)
    world.advance(QUIET_NS)
    assert world.receiver.cells() == world.truth()
    heard: dict[tuple[int, int], int] = {}
    for _, one in world.heard:
        write = cells.write_of(one.performer, one.message)
        if write is not None:
            heard[write.performer, write.cell] = write.value
    assert {key: value for key, value in heard.items() if value or not cells.owned(key[1])} == world.truth()


@settings(deadline=None, max_examples=150)
@given(
    st.lists(
        st.tuples(pauses | st.just(2500), st.none() | weather, st.lists(some.playing, max_size=8)),
        max_size=12,
    ),
    st.integers(0, 999),
)
def test_server_and_performer_agree(
    script: list[tuple[int, Impairment | None, list[bytes]]], seed: int
) -> None:
    world = UpWorld(CLEAN, CLEAN, str(seed))
    for at, (pause_ms, now, messages) in enumerate(script):
        if now is not None:
            (world.down if at % 3 == 2 else world.up).impair(now)
        for message in messages:
            world.push(message)
        world.advance(pause_ms * MS)
    world.up.impair(QUIET)
    world.down.impair(QUIET)
    world.advance(QUIET_NS)
    assert world.peer.up is not None
    assert set(world.sounding()) == set(world.sender.held) == set(world.peer.up.held)
    assert world.sender.unacknowledged == 0
    for cell, value in world.sender.held.items():
        assert cells.is_note(cell) or world.sounding()[cell] == value


@pytest.mark.parametrize("cadence", [LISTEN, STUDIO])
def test_a_listener_hears_every_note_on_a_clean_network(cadence: Cadence) -> None:
    world = DownWorld(cadence, QUIET)
    for note in range(40, 90):
        world.push(bytes((0x90, note, 100)))
        world.advance(13 * MS)
        world.push(bytes((0x80, note, 64)))
        world.advance(7 * MS)
    world.advance(50 * MS)
    ours = [heard for _, heard in world.heard]
    assert [heard.message[1] for heard in ours] == [note for note in range(40, 90) for _ in range(2)]
    assert world.receiver.counters.missed == world.receiver.counters.repaired == 0
