"""The model of a browser's jitter buffer, on packets that are made up. All times are virtual."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

import pytest

from rtcserver.client.delay_target import START_MS, DelayTarget
from rtcserver.client.judgement import Judgement, judge
from rtcserver.client.playout import MAX_FRAMES, MUTED_MS, PIECE_MS, TICK_MS, Frame, Playout
from rtcserver.network.impair import CLEAN, MS, Impairment, Path
from rtcserver.network.presets import PRESETS

FRAME = 480
SECONDS = 20
Arrival = tuple[int, list[Frame]]


def sent(
    seconds: float = SECONDS, *, level: int = 0, first: int = 0, frame: int = FRAME
) -> list[list[Frame]]:
    """A stream's packets, each with up to `level` earlier frames."""
    count = round(seconds * 48_000 / frame)
    return [
        [
            Frame((first + (number - back) * frame) % 2**32, frame, back > 0)
            for back in range(min(level, number) + 1)
        ]
        for number in range(count)
    ]


def through(how: Impairment, packets: list[list[Frame]], frame: int = FRAME) -> list[Arrival]:
    """When they arrive, in order of arrival."""
    path, step_ns = Path(how, "7/0/down"), frame * 1_000_000_000 // 48_000
    came = [
        (at, frames)
        for number, frames in enumerate(packets)
        for at in path.decide(number, number * step_ns, 200)
    ]
    return sorted(came, key=lambda arrival: arrival[0])


def played(arrivals: Iterable[Arrival], seconds: float = SECONDS) -> Playout:
    playout = Playout()
    for at, frames in arrivals:
        playout.arrive(at, frames)
    playout.until(round(seconds * 1000) * MS)
    return playout


def judged(how: Impairment = CLEAN, *, level: int = 0, frame: int = FRAME) -> Judgement:
    return judge(played(through(how, sent(level=level, frame=frame), frame)))


def on_time(
    lost: Iterable[int] = (), late_ms: dict[int, int] | None = None, seconds: float = SECONDS
) -> Playout:
    """Packets every 10 ms but for these."""
    arrivals = [
        (number * 10 * MS + (late_ms or {}).get(number, 0) * MS, frames)
        for number, frames in enumerate(sent(seconds))
        if number not in set(lost)
    ]
    return played(sorted(arrivals, key=lambda arrival: arrival[0]), seconds)


def settled(playout: Playout, name: str) -> float:
    """A figure of the seconds from the sixth on."""
    return float(sum(getattr(second, name) for second in list(playout.seconds)[5:]))


@pytest.mark.parametrize("frame", [120, 240, 480, 960, 2880])
def test_a_clean_stream_is_played_whole_at_the_least_delay(frame: int) -> None:
    got = judged(frame=frame)
    # The first tick may find less than it plays.
    assert got.concealed_pct <= 100 * FRAME / (SECONDS * 48_000)
    assert (got.events, got.late) == (0, 0)
    assert got.removed_ms <= 20
    assert got.seconds == pytest.approx(SECONDS, abs=0.02)
    assert 20 <= got.delay_p50_ms <= 40
    assert got.target_ms < START_MS


def test_a_lost_packet_is_a_hole_of_its_length_and_costs_no_delay() -> None:
    whole, holed = on_time(), on_time(lost=[800, 900, 901, 1200])
    # The first is shorter by the half tick of sound that a stretch has left over.
    assert 4 * FRAME - PIECE_MS * 48 <= settled(holed, "concealed") <= 4 * FRAME
    assert settled(holed, "events") == 3
    assert holed.longest == 2 * FRAME
    assert {media // FRAME for media, _ in holed.holes} == {800, 900, 1200}
    delays = [settled(one, "waited") / settled(one, "emitted") for one in (whole, holed)]
    assert delays[0] == pytest.approx(delays[1], abs=TICK_MS)


def test_sound_that_nothing_has_overtaken_is_waited_for_and_all_is_later() -> None:
    """A pause of the network of 200 ms: nothing is lost, and the delay grows by what the buffer had not."""
    late = {number: max(0, 200 - 10 * (number - 800)) for number in range(800, 821)}
    playout = on_time(late_ms=late)
    assert settled(playout, "late") == 0
    held_ms = 30
    assert settled(playout, "concealed") / 48 == pytest.approx(200 - held_ms, abs=TICK_MS)
    assert playout.longest / 48 == pytest.approx(200 - held_ms, abs=TICK_MS)


def test_a_packet_that_comes_when_a_later_one_was_played_is_late() -> None:
    playout = on_time(late_ms={800: 90})
    assert settled(playout, "late") == 1
    assert 0 < settled(playout, "concealed") <= FRAME


def test_a_packet_that_is_overtaken_within_the_delay_is_played() -> None:
    playout = on_time(late_ms={800: 15})
    assert (settled(playout, "late"), settled(playout, "concealed")) == (0, 0)


def test_duplicates_change_nothing() -> None:
    packets = through(CLEAN, sent())
    twice = sorted(
        [*packets, *((at + 3 * MS, frames) for at, frames in packets)], key=lambda arrival: arrival[0]
    )
    assert judge(played(twice)) == judge(played(packets))


def test_earlier_frames_fill_holes_of_their_number() -> None:
    lossy = Impairment(loss=0.05)
    none, one, two = (judged(lossy, level=level) for level in (0, 1, 2))
    assert none.concealed_pct == pytest.approx(5, abs=0.7)
    assert one.concealed_pct <= 0.06 * none.concealed_pct
    assert two.concealed_pct <= 0.02 * none.concealed_pct
    assert two.delay_ms <= none.delay_ms + 20


def test_how_many_frames_came_only_in_later_packets_is_told() -> None:
    playout = Playout()
    packets = sent(level=1)
    lost = {100, 200}
    told = sum(
        playout.arrive(number * 10 * MS, frames)
        for number, frames in enumerate(packets)
        if number not in lost
    )
    assert told == len(lost)


def test_jitter_raises_the_target_and_the_delay_with_it() -> None:
    calm, rough = judged(Impairment(jitter_ms=5)), judged(Impairment(jitter_ms=50))
    assert calm.target_ms < 30
    assert 50 <= rough.target_ms <= 85
    assert rough.inserted_ms > 0
    assert rough.delay_p50_ms > calm.delay_p50_ms + 15
    assert rough.concealed_pct < 1


def test_a_delay_that_is_no_longer_needed_is_given_up() -> None:
    """Two seconds late by up to 150 ms, then on time: sound is left out until the delay is small again."""
    late = {number: (number * 37) % 150 for number in range(300, 500)}
    arrivals = sorted(
        ((n * 10 * MS + late.get(n, 0) * MS, f) for n, f in enumerate(sent(60))), key=lambda a: a[0]
    )
    playout = played(arrivals, 60)
    delays = [second.waited / second.emitted for second in playout.seconds]
    assert max(delays) > 80
    assert delays[-2] < 50
    assert sum(second.removed for second in playout.seconds) > 20 * 48


def test_ten_seconds_without_anything_fade_and_end_at_once() -> None:
    playout = on_time(lost=range(500, 1500), seconds=25)
    seconds = list(playout.seconds)
    concealed = sum(second.concealed for second in seconds)
    assert concealed / 48 == pytest.approx(10_000, abs=200)
    sounding = concealed - sum(second.muted for second in seconds)
    assert sounding == sum(samples for _, samples in playout.holes)
    assert sounding / 48 == pytest.approx(MUTED_MS, abs=TICK_MS)
    assert playout.longest / 48 == pytest.approx(concealed / 48, abs=TICK_MS)
    assert sum(second.events for second in seconds) == 1
    assert sum(second.concealed for second in seconds[16:]) == 0


@pytest.mark.parametrize("first", [2**32 - 300 * FRAME, 2**31 - 300 * FRAME, 12345])
def test_timestamps_may_wrap_and_begin_anywhere(first: int) -> None:
    how = PRESETS["busy-wifi"].down
    moved, plain = (played(through(how, sent(level=1, first=at))) for at in (first, 0))
    assert judge(moved) == judge(plain)
    assert list(moved.holes) == list(plain.holes)


def test_a_stream_that_begins_anew_is_played_on() -> None:
    again = [(at + 5_000 * MS, frames) for at, frames in through(CLEAN, sent(5, first=2**31))]
    playout = played([*through(CLEAN, sent(5, first=10**9)), *again], 10)
    assert settled(playout, "concealed") < 100 * 48
    assert settled(playout, "emitted") > 4 * 48_000


def test_before_the_first_packet_nothing_is_played() -> None:
    playout = Playout()
    playout.until(10**12)
    assert judge(playout) == Judgement()


@pytest.mark.parametrize(
    "make", [lambda draw: draw.randrange(2**32), lambda draw: draw.randrange(1000) * FRAME]
)
def test_whatever_arrives_is_held_within_bounds(make: Callable[[random.Random], int]) -> None:
    draw = random.Random(5)
    playout = Playout()
    for number in range(5_000):
        frames = [Frame(make(draw), draw.choice([0, 120, 480, 5760]), back > 0) for back in range(3)]
        playout.arrive(number * MS * draw.choice([1, 2]), frames)
    held = {name: len(value) for name, value in vars(playout).items() if isinstance(value, dict | set)}
    assert max(held.values()) <= 8 * MAX_FRAMES
    assert len(playout._earliest) + len(playout._latest) <= 2 * MAX_FRAMES * 10
    assert judge(playout).seconds > 4


def test_a_machine_that_slept_goes_on_at_once() -> None:
    """A week without packets is not played through tick by tick."""
    playout = played(through(CLEAN, sent(2)), 2)
    week_ns = 7 * 86_400 * 1_000_000_000
    playout.arrive(week_ns, [Frame(week_ns * 48 // 1_000_000 % 2**32, FRAME)])
    assert len(playout.seconds) <= 604


def test_the_target_is_the_95th_percentile_of_the_latest_of_half_seconds() -> None:
    target = DelayTarget()
    for number in range(10_000):
        # One packet in 100 is 70 ms late, so that every half second but the first ones has one or has none.
        target.arrive(70 if number % 100 == 0 else 0, number * 10, overtaken=False)
    assert target.ms == 80
    for number in range(10_000, 60_000):
        target.arrive(0, number * 10, overtaken=False)
    assert target.ms == 20


def test_waiting_for_overtaken_packets_must_be_worth_it() -> None:
    """A percent of them is worth 20 ms: five percent that are 100 ms late are waited for, a twentieth of one is not."""
    rare, common = DelayTarget(), DelayTarget()
    for number in range(20_000):
        rare.arrive(100 if number % 2000 == 1000 else 0, number * 10, overtaken=number % 2000 == 1000)
        common.arrive(100 if number % 20 == 10 else 0, number * 10, overtaken=number % 20 == 10)
    assert common.ms == 120
    assert rare.ms == 20
