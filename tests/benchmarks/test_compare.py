"""Two builds side by side: which numbers are compared, and how."""

from __future__ import annotations

import pytest

from benchmarks.rig.compare import ROOT, compared, earlier, git, numbers


def test_numbers_are_found_wherever_they_are_and_nothing_else() -> None:
    result = {
        "us": 3,
        "flat": True,
        "name": "x",
        "none": None,
        "p99": {"alone": 1.5},
        "runs": [{"drift": -0.5}],
    }
    assert numbers(result) == {"us": 3.0, "p99.alone": 1.5, "runs.0.drift": -0.5}


def test_medians_are_divided_and_the_worse_sides_spread_is_told() -> None:
    before = [{"us": 10.0}, {"us": 8.0}, {"us": 12.0}]
    after = [{"us": 11.0, "new": 1}, {"us": 11.0, "new": 1}, {"us": 22.0, "new": 1}]
    assert compared(before, after) == {"us": {"before": 10.0, "after": 11.0, "ratio": 1.1, "spread": 2.0}}


@pytest.mark.parametrize(("before", "after"), [(0.0, 0.0), (0.0, 4.0)])
def test_nothing_is_divided_by_zero(before: float, after: float) -> None:
    assert compared([{"lost": before}], [{"lost": after}])["lost"]["ratio"] is None


def test_a_key_that_one_run_could_not_measure_is_left_out() -> None:
    assert compared([{"a": 1, "b": 2}, {"a": 1, "b": None}], [{"a": 2, "b": 2}]).keys() == {"a"}


def test_one_round_has_no_spread() -> None:
    assert compared([{"us": 2}], [{"us": 3}])["us"] == {
        "before": 2.0,
        "after": 3.0,
        "ratio": 1.5,
        "spread": None,
    }


def test_the_earlier_build_is_a_tree_that_goes_again_whatever_happens() -> None:
    with pytest.raises(RuntimeError, match="a fault"), earlier("HEAD") as folder:  # noqa: PT012  # what is tested
        assert folder != ROOT
        assert (folder / "rtcserver" / "__init__.py").is_file()
        raise RuntimeError("a fault")
    assert not folder.exists()
    assert str(folder) not in git("worktree", "list")


def test_a_revision_that_there_is_not_ends_with_what_git_says() -> None:
    with pytest.raises(SystemExit, match="Needed a single revision"), earlier("no-such-revision"):
        pass
