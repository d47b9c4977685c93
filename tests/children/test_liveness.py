"""When a process counts as hung: limits on its start and on its silence are two numbers."""

from __future__ import annotations

import pytest

from rtcserver.children.liveness import SILENCE_NS, START_NS, Liveness, Progress
from rtcserver.clock import NS


def test_a_start_may_take_long_and_silence_may_not() -> None:
    liveness = Liveness(0)
    assert not liveness.hung(START_NS)
    assert liveness.hung(START_NS + 1)
    liveness.heard(START_NS, None)
    assert liveness.reported
    assert not liveness.hung(START_NS + SILENCE_NS)
    assert liveness.hung(START_NS + SILENCE_NS + 1)
    assert START_NS >= 10 * SILENCE_NS


def test_who_reports_progress_is_never_too_slow() -> None:
    liveness, now = Liveness(0), 0
    for minute in range(60):
        now += 60 * NS
        assert not liveness.hung(now)
        liveness.heard(now, Progress("loading", minute / 60))
        assert liveness.progress == Progress("loading", minute / 60)
    assert liveness.hung(now + START_NS + 1), "and who stops to report it is"


def test_a_process_that_runs_may_load_again() -> None:
    liveness = Liveness(0)
    liveness.heard(1, None)
    liveness.heard(2, Progress("loading another"))
    assert not liveness.hung(2 + SILENCE_NS + 1)
    liveness.heard(3, None)
    assert liveness.progress is None
    assert liveness.hung(3 + SILENCE_NS + 1)


def test_time_in_which_nobody_listened_does_not_count() -> None:
    liveness = Liveness(0)
    liveness.heard(0, None)
    liveness.held_up(10 * NS)
    assert not liveness.hung(10 * NS + SILENCE_NS)
    assert liveness.hung(10 * NS + SILENCE_NS + 1)


def test_progress_is_read_for_people() -> None:
    assert str(Progress.from_message({"what": "loading grand.sf2", "share": 0.404})) == (
        "loading grand.sf2, 40 %"
    )
    assert str(Progress.from_message({"what": "loading grand.sf2"})) == "loading grand.sf2"


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan"), "much", [0.5], 10**400])
def test_a_share_is_between_nothing_and_all(share: object) -> None:
    with pytest.raises(ValueError, match="share"):
        Progress.from_message({"what": "loading", "share": share})
