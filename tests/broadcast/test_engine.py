"""What listeners receive from the engine, decrypted by libsrtp."""

from __future__ import annotations

import gc
import socket
from collections.abc import Callable

import pytest

from rtcserver.broadcast.arena import MAX_PAYLOAD
from rtcserver.broadcast.bench import BLOCK
from rtcserver.broadcast.engine import BroadcastEngine
from rtcserver.broadcast.group import ListenerState
from rtcserver.broadcast.srtp import SrtpProfile
from rtcserver.broadcast.turns import MAX_REPORTS, REPORT_INTERVAL_NS
from tests.broadcast.listening import CM, GCM, Listening, media

Make = Callable[..., Listening]
BATCHED = pytest.mark.parametrize("batched", [True, False], ids=["sendmmsg", "sendmsg"])


@BATCHED
@pytest.mark.parametrize("profile", SrtpProfile)
def test_every_listener_hears_the_same_payload_in_its_own_stream(
    media_socket: socket.socket, listening: Make, profile: SrtpProfile, batched: bool
) -> None:
    engine = BroadcastEngine([media_socket], batched=batched)
    ears = [
        listening(n, profile=profile, payload_type=(111, 109)[n % 2], first_sequence=n * 5000)
        for n in range(6)
    ]
    for ear in ears:
        engine.add(ear.spec)
    sent = [media(n, size=100 + n) for n in range(20)]
    for packet in sent:
        engine.send("main", packet)
    for ear in ears:
        got = ear.rtp()
        assert [packet.payload for packet in got] == [packet.payload for packet in sent]
        assert [packet.sequence for packet in got] == [ear.spec.first_sequence + n for n in range(20)]
        assert [packet.timestamp for packet in got] == [
            (packet.media_time + ear.spec.timestamp_offset) % 2**32 for packet in sent
        ]
        assert {(packet.ssrc, packet.payload_type) for packet in got} == {
            (ear.spec.ssrc, ear.spec.payload_type)
        }
        counters = engine.counters(ear.spec.listener_id)
        assert counters is not None
        assert (counters.packets, counters.octets) == (20, sum(len(packet.payload) for packet in sent))


def test_both_ways_of_sending_make_the_same_bytes(listening: Make, media_socket: socket.socket) -> None:
    def run(batched: bool) -> list[list[bytes]]:
        engine = BroadcastEngine([media_socket], batched=batched)
        for ear in ears:
            engine.add(ear.spec)
        for n in range(5):
            engine.send("main", media(n, size=90 + n))
        return [ear.drain() for ear in ears]

    # One key in two engines: for this comparison only.
    ears = [listening(n, profile=(GCM, CM)[n % 2]) for n in range(4)]
    batch, single = run(True), run(False)
    assert batch == single
    assert [len(got) for got in batch] == [5] * 4


def test_profiles_mix_in_one_room(media_socket: socket.socket, listening: Make) -> None:
    engine = BroadcastEngine([media_socket])
    ears = [listening(n, profile=list(SrtpProfile)[n % 3]) for n in range(9)]
    for ear in ears:
        engine.add(ear.spec)
    for n in range(3):
        engine.send("main", media(n))
    assert [[packet.payload for packet in ear.rtp()] for ear in ears] == [
        [media(n).payload for n in range(3)]
    ] * 9


@BATCHED
def test_ipv6_and_a_source_address(listening: Make, batched: bool) -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as wildcard:
        wildcard.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        wildcard.bind(("::", 0))
        wildcard.setblocking(False)
        engine = BroadcastEngine([wildcard], batched=batched)
        six = listening(1, host="::1", source="::1")
        # Replies leave from the address that was addressed, although the socket is bound to all.
        four = [listening(n, source=f"127.0.0.{n}") for n in (2, 3)]
        for ear in (six, *four):
            engine.add(ear.spec)
        engine.send("main", media(0))
        assert [len(ear.rtp()) for ear in (six, *four)] == [1, 1, 1]
        assert six.source[0] == "::1"
        assert [ear.source[0] for ear in four] == ["127.0.0.2", "127.0.0.3"]
        engine.report(0, 0, 0)
        engine.nack(3, [four[1].spec.first_sequence])
        assert len(four[1].wait(2)) == 2
        assert four[1].source[0] == "127.0.0.3"


def test_an_ipv4_wildcard_socket_and_a_source_address(listening: Make) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wildcard:
        wildcard.bind(("0.0.0.0", 0))
        engine = BroadcastEngine([wildcard])
        ears = [listening(n, source=source) for n, source in enumerate((None, "127.0.0.9", None))]
        for ear in ears:
            engine.add(ear.spec)
        engine.send("main", media(0))
        assert [len(ear.rtp()) for ear in ears] == [1, 1, 1]
        assert [ear.source[0] for ear in ears] == ["127.0.0.1", "127.0.0.9", "127.0.0.1"]


def test_rooms_do_not_hear_each_other(media_socket: socket.socket, listening: Make) -> None:
    engine = BroadcastEngine([media_socket])
    ears = [listening(n, room=f"room{n % 2}") for n in range(4)]
    for ear in ears:
        engine.add(ear.spec)
    engine.send("room0", media(1))
    engine.send("room1", media(2))
    engine.send("nobody", media(3))
    assert [[packet.payload for packet in ear.rtp()] for ear in ears] == [
        [media(1 + n % 2).payload] for n in range(4)
    ]
    assert engine.audience() == {"room0": 2, "room1": 2}


def test_payloads_may_grow_and_have_a_limit(media_socket: socket.socket, listening: Make) -> None:
    engine = BroadcastEngine([media_socket])
    ear = listening()
    engine.add(ear.spec)
    sizes = [4, 100, MAX_PAYLOAD, 5, 700]
    for n, size in enumerate([*sizes, MAX_PAYLOAD + 1]):
        engine.send("main", media(n, size=size))
    assert [len(packet.payload) for packet in ear.rtp()] == sizes
    assert engine.totals().oversized == 1


def test_coming_and_going_does_not_touch_the_others(media_socket: socket.socket, listening: Make) -> None:
    engine = BroadcastEngine([media_socket])
    ears = {n: listening(n, first_sequence=100 * n) for n in range(30)}
    heard: dict[int, list[tuple[int, bytes]]] = {n: [] for n in ears}
    present: dict[int, int] = {}
    expected: dict[int, list[tuple[int, bytes]]] = {n: [] for n in ears}
    for step in range(120):
        # Every listener comes once and leaves once, in an order that makes holes everywhere.
        coming, leaving = step // 2, (step // 2 - 12) * 7 % 30
        if step % 2 == 0 and coming in ears:
            engine.add(ears[coming].spec)
            present[coming] = 0
        elif step % 2 and step >= 24 and leaving in present:
            assert engine.remove(leaving)
            del present[leaving]
        engine.send("main", media(step))
        for n, count in present.items():
            expected[n].append((ears[n].spec.first_sequence + count, media(step).payload))
            present[n] = count + 1
        for n, ear in ears.items():
            heard[n] += [(packet.sequence, packet.payload) for packet in ear.rtp()]
    assert heard == expected
    assert sum(map(len, expected.values())) > 900
    assert engine.totals().packets == sum(map(len, expected.values()))
    assert len(engine) == len(present)


def test_more_listeners_than_a_block_holds(media_socket: socket.socket, listening: Make) -> None:
    engine = BroadcastEngine([media_socket])
    first, hole, last = listening(0), listening(1), listening(2)
    crowd = listening(3)
    for ear in (first, hole):
        engine.add(ear.spec)
    for n in range(BLOCK):
        engine.add(crowd.change(listener_id=10 + n, master=(10 + n).to_bytes(28)).spec)
    engine.add(last.spec)
    engine.send("main", media(0))
    # The last one moves from the second block into the hole in the first.
    engine.remove(1)
    engine.send("main", media(1))
    for ear in (first, last):
        assert [packet.payload for packet in ear.rtp()] == [media(0).payload, media(1).payload]
    assert engine.nack(2, [last.spec.first_sequence, last.spec.first_sequence + 1]) == 2
    assert engine.totals().packets == 2 * (BLOCK + 3) - 1
    for n in range(BLOCK):
        engine.remove(10 + n, say_bye=False)
    engine.send("main", media(2))
    resent = last.drain()
    assert [packet.payload for packet in last.decrypt(resent[2:])] == [media(2).payload]
    assert [packet.payload for packet in first.rtp()] == [media(2).payload]


def test_a_new_address_takes_the_stream_along(media_socket: socket.socket, listening: Make) -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as second:
        engine = BroadcastEngine([media_socket])
        assert engine.add_socket(second) == 1
        ear, elsewhere, six = listening(1), listening(2), listening(3, host="::1")
        for n in range(4):
            engine.add(listening(10 + n).spec)
        engine.add(ear.spec)
        engine.send("main", media(0))
        assert engine.set_address(1, elsewhere.spec.destination, None)
        engine.send("main", media(1))
        assert engine.set_address(1, six.spec.destination, None, 1)
        engine.send("main", media(2))
        got = ear.drain() + elsewhere.drain() + six.drain()
        assert [packet.sequence for packet in ear.decrypt(got)] == [1000, 1001, 1002]
        assert engine.nack(1, [1000, 1001, 1002]) == 3
        assert six.drain() == got
    assert not engine.set_address(99, ear.spec.destination, None)


def test_the_reports_of_all_listeners_come_round(media_socket: socket.socket, listening: Make) -> None:
    engine = BroadcastEngine([media_socket])
    for n in range(10):
        engine.add(listening(n).spec)
    engine.send("main", media(0))
    # Newcomers at once, then each once per interval, however small the steps.
    assert [row.listener_id for row in engine.report(0, 0, 0)] == list(range(10))
    engine.add(listening(10).spec)
    assert [row.listener_id for row in engine.report(0, 0, 0)] == [10]
    engine.remove(3)
    visited = [row.listener_id for _ in range(40) for row in engine.report(0, 0, REPORT_INTERVAL_NS // 20)]
    counts = {n: visited.count(n) for n in range(11)}
    assert counts.pop(3) == 0
    assert set(counts.values()) <= {1, 2, 3}
    assert sum(counts.values()) in (19, 20)
    # The last one to come has not been sent anything that it could be told the time of.
    assert engine.totals().reports == 10 + sum(counts.values()) - counts[10] + 1
    assert engine.totals().report_errors == 0


def test_a_long_pause_does_not_make_a_flood_of_reports(media_socket: socket.socket, listening: Make) -> None:
    engine = BroadcastEngine([media_socket])
    crowd = listening(0)
    for n in range(3 * MAX_REPORTS):
        engine.add(crowd.change(listener_id=n, master=n.to_bytes(28)).spec)
    assert [len(engine.report(0, 0, 0)) for _ in range(4)] == [MAX_REPORTS] * 3 + [0]
    assert len(engine.report(0, 0, 100 * REPORT_INTERVAL_NS)) == MAX_REPORTS
    assert len(engine.report(0, 0, 0)) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"fd_index": 1},
        {"fd_index": -1},
        {"source": "::1"},
        {"destination": None},
        {"cname": ""},
    ],
)
def test_a_listener_that_cannot_be_served_leaves_nothing_behind(
    media_socket: socket.socket, listening: Make, wrong: dict[str, object]
) -> None:
    engine = BroadcastEngine([media_socket])
    ear = listening()
    good = ear.spec
    with pytest.raises(ValueError, match=r"."):
        engine.add(ear.change(**wrong).spec)
    assert len(engine) == 0
    assert engine.audience() == {}
    engine.add(good)
    with pytest.raises(ValueError, match="already"):
        engine.add(good)


def test_nothing_is_left_of_those_who_have_left(media_socket: socket.socket, listening: Make) -> None:
    engine = BroadcastEngine([media_socket])
    ears = [listening(n) for n in range(3)]
    for ear in ears:
        engine.add(ear.spec)
        engine.send("main", media(0))
    # One leaves with its turn behind it, one with it before it.
    engine.report(0, 0, 0)
    late = listening(3)
    engine.add(late.spec)
    specs = [ear.spec for ear in (*ears, late)]
    # The broadcast process never looks for cycles among old objects: there must be none.
    gc.collect()
    gc.disable()
    try:
        for spec in specs:
            engine.remove(spec.listener_id)
    finally:
        gc.enable()
    assert engine.audience() == {}
    assert not [one for one in gc.get_objects() if isinstance(one, ListenerState) and one.spec in specs]
    assert engine.totals().packets == 1 + 2 + 3
