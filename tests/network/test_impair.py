"""The impairments, in virtual time: exact from the seed, and statistically what they say."""

from __future__ import annotations

import itertools
import math

import pytest

from rtcserver.network.impair import HEADER_BYTES, MS, Impairment, Path

MANY = 20_000
STEP_NS = 10 * MS


def run(
    how: Impairment, seed: str = "seed", count: int = MANY, size: int = 200
) -> tuple[Path, list[list[int]]]:
    path = Path(how, seed)
    return path, [path.decide(number, number * STEP_NS, 200) for number in range(MANY)]


def within(count: int, chance: float, of: int = MANY) -> bool:
    """Within five standard deviations of a binomial."""
    return abs(count - of * chance) <= 5 * math.sqrt(of * chance * (1 - chance))


def test_a_clean_path_delivers_at_once() -> None:
    path, times = run(Impairment())
    assert times == [[number * STEP_NS] for number in range(MANY)]
    assert (path.counters.received, path.counters.lost) == (MANY, 0)


def test_the_seed_decides_everything() -> None:
    how = Impairment(loss=0.1, burst=3, jitter_ms=20, reorder=0.1, duplicate=0.1, rate_bps=1_000_000)
    assert run(how)[1] == run(how)[1]
    assert run(how)[1] != run(how, "another")[1]


def test_the_accidents_of_a_datagram_do_not_depend_on_others() -> None:
    how = Impairment(loss=0.2, reorder=0.1, duplicate=0.1)
    _, all_times = run(how)
    assert Path(how, "seed").decide(777, 777 * STEP_NS, 200) == all_times[777]


@pytest.mark.parametrize("burst", [1.0, 4.0])
def test_loss_comes_at_its_rate_and_in_its_bursts(burst: float) -> None:
    path, times = run(Impairment(loss=0.1, burst=burst))
    lost = sum(not each for each in times)
    assert lost == path.counters.lost
    runs = [len(list(group)) for missing, group in itertools.groupby(times, key=lambda t: not t) if missing]
    mean_run = sum(runs) / len(runs)
    assert abs(lost / MANY - 0.1) < 0.02
    assert mean_run == pytest.approx(1 / 0.9 if burst == 1 else burst, rel=0.15)


def test_everything_can_be_lost() -> None:
    assert run(Impairment(loss=1.0, burst=5))[1] == [[]] * MANY


def test_jitter_delays_and_keeps_the_order() -> None:
    _, times = run(Impairment(delay_ms=5, jitter_ms=40))
    flat = [due for (due,) in times]
    assert flat == sorted(flat)
    extra = [due - number * STEP_NS for number, due in enumerate(flat)]
    assert 5 * MS <= min(extra) < 15 * MS
    assert 35 * MS < max(extra) <= 45 * MS


def test_reordering_lets_later_ones_overtake() -> None:
    path, times = run(Impairment(reorder=0.05, reorder_ms=25))
    flat = [due for (due,) in times]
    overtaken = [n for n in range(MANY - 2) if flat[n] > flat[n + 2]]
    assert within(path.counters.reordered, 0.05)
    late = [n for n, due in enumerate(flat) if due != n * STEP_NS]
    assert len(late) == path.counters.reordered
    assert set(overtaken) <= set(late)
    assert all(flat[n] - n * STEP_NS == 25 * MS for n in late)


def test_duplicates_arrive_after_the_first() -> None:
    path, times = run(Impairment(duplicate=0.05, duplicate_ms=7))
    twice = [each for each in times if len(each) == 2]
    assert len(twice) == path.counters.duplicated
    assert within(len(twice), 0.05)
    assert all(second - first == 7 * MS for first, second in twice)


def test_a_slow_link_queues_and_then_drops() -> None:
    """200 bytes and two headers every 10 ms; half of that capacity delivers half, `queue_ms` late."""
    path, times = run(Impairment(rate_bps=(200 + HEADER_BYTES) * 8 * 100 // 2, queue_ms=100))
    assert path.counters.queue_full == pytest.approx(MANY / 2, rel=0.01)
    assert all(due - number * STEP_NS <= 120 * MS for number, each in enumerate(times) for due in each)


def test_the_bad_state_loses_its_share_and_the_good_one_little() -> None:
    """Gilbert and Elliott: runs of losses are shorter than the bad state, and losses come in the good one, too."""
    how = Impairment(loss=0.1, burst=8, bad_loss=0.5, good_loss=0.01)
    path, times = run(how)
    assert how.bad_share == pytest.approx(0.09 / 0.49)
    assert path.counters.lost / MANY == pytest.approx(0.1, rel=0.15)
    # Given a loss, the next datagram is lost by `bad_loss` if the state stays; counted over all pairs.
    lost = [not each for each in times]
    after = sum(both for both in (a and b for a, b in itertools.pairwise(lost))) / sum(lost[:-1])
    bad = how.bad_share * how.bad_loss / how.loss
    expected = bad * ((7 / 8) * 0.5 + (1 / 8) * 0.01) + (1 - bad) * how.good_loss
    assert after == pytest.approx(expected, rel=0.15)


def test_a_dark_path_carries_nothing_for_its_time_and_then_what_it_would_have() -> None:
    """Counted from the first datagram, whenever that comes; it spares nothing."""
    how, start = Impairment(loss=0.1, dark_after_ms=50, dark_ms=100, delay_ms=1), 7_000_000_000
    dark, light = Path(how, "seed"), Path(Impairment(loss=0.1, delay_ms=1), "seed")
    for number in range(40):
        now = start + number * STEP_NS
        usual = light.decide(number, now, 200)
        assert dark.decide(number, now, 200) == ([] if 5 <= number < 15 else usual)
    path = Path(how, "seed")
    assert [bool(path.spare(start + number * STEP_NS)) for number in (0, 4, 5, 14, 15)] == [1, 1, 0, 0, 1]
    assert (path.counters.spared, path.counters.lost) == (3, 2)


@pytest.mark.parametrize("wrong", [{"loss": 0.1, "good_loss": 0.2}, {"loss": 0.6, "bad_loss": 0.5}])
def test_the_share_of_all_losses_lies_between_those_of_the_states(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="loss is"):
        Impairment(**wrong)  # type: ignore[arg-type]  # only the floats are varied


@pytest.mark.parametrize("wrong", [{"loss": 1.1}, {"duplicate": -0.1}, {"burst": 0.5}])
def test_impossible_impairments_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Impairment(**wrong)  # type: ignore[arg-type]  # only the floats are varied
