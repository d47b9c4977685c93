"""A benchmark's line of JSON comes whatever happens, in time, and says what failed."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import time
from typing import Any

import pytest

from benchmarks.rig import outcome
from benchmarks.rig.outcome import Result, take_budget
from tests.realtime import ROOT


def run(body: str, *words: str) -> tuple[int, dict[str, Any], float]:
    """A benchmark with this `main`: exit code, result, seconds."""
    program = (
        "import signal, sys, time\n"
        "from benchmarks.rig.common import emit\n"
        "from benchmarks.rig.outcome import OverBudgetError, Result, left_s, main_of\n"
        f"def main():\n{textwrap.indent(textwrap.dedent(body), '    ')}\n"
        "sys.exit(main_of(main))\n"
    )
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", program, *words], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    took = time.monotonic() - began
    lines = done.stdout.splitlines()
    assert len(lines) == 1, done
    return done.returncode, json.loads(lines[0]), took


PEERS = """
result = Result(peers=3)
with result.peer("first", ("first_us",)) as found:
    found["first_us"] = 4.0
with result.peer("second", ("second_us", "second_listeners")) as found:
    found["second_listeners"] = 3
    raise RuntimeError("there is no second server here")
with result.peer("third", ("third_us",)) as found:
    found["third_us"] = 1.0
result.ratio("ratio_first", "third_us", "first_us")
result.ratio("ratio_second", "third_us", "second_us")
return result.emit(benchmark="x")
"""


def test_a_peer_that_fails_is_null_with_its_reason_and_the_others_go_on() -> None:
    code, said, _ = run(PEERS)
    assert code == 1
    assert said == {
        "first_us": 4.0,
        "second_us": None,
        "second_listeners": 3,
        "third_us": 1.0,
        "ratio_first": 0.25,
        "ratio_second": None,
        "benchmark": "x",
        "errors": {"second": "there is no second server here"},
    }


def test_a_peer_that_hangs_is_ended_by_the_budget_and_what_came_before_is_printed() -> None:
    code, said, took = run(
        """
        result = Result(peers=2)
        with result.peer("first", ("first_us",)) as found:
            found["first_us"] = 4.0
        with result.peer("second", ("second_us",)):
            time.sleep(50)
        with result.peer("third", ("third_us",)):
            time.sleep(50)
        return result.emit()
        """,
        "--budget-s",
        "1",
    )
    assert code == 1
    assert (said["first_us"], said["second_us"], said["third_us"]) == (4.0, None, None)
    assert "--budget-s" in said["errors"]["second"]
    assert "--budget-s" in said["errors"]["third"]
    assert took < 20


def test_what_fails_outside_of_any_peer_is_printed_too() -> None:
    code, said, _ = run("raise FileNotFoundError('no such file as x.wav')")
    assert code == 1
    assert list(said) == ["benchmark", "errors"]
    assert list(said["errors"].values()) == ["FileNotFoundError: no such file as x.wav"]


def test_what_succeeds_is_as_it_was() -> None:
    assert run("emit({'us': 3.5})")[:2] == (0, {"us": 3.5})


def test_rounds_have_their_peers_share_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcome, "left_s", lambda: 40.0)
    result = Result(peers=2)
    with result.peer("first", ()):
        assert result.fits(19)
        assert not result.fits(21)
    with result.peer("second", ()):
        assert result.fits(39)
        assert not result.fits(41)
    assert result.fits(1e6), "outside of a peer nothing bounds it"


@pytest.mark.parametrize(
    ("words", "left", "seconds"),
    [
        (["x", "--budget-s", "12.5", "--only-ours"], ["x", "--only-ours"], 12.5),
        (["x", "--budget-s=30"], ["x"], 30.0),
        (["x", "--rounds", "2"], ["x", "--rounds", "2"], 100.0),
    ],
)
def test_the_budget_is_taken_off_the_command_line(words: list[str], left: list[str], seconds: float) -> None:
    assert take_budget(words, 100.0) == seconds
    assert words == left


@pytest.mark.parametrize(
    "words", [["--budget-s"], ["--budget-s", "soon"], ["--budget-s=0"], ["--budget-s", "nan"]]
)
def test_a_wrong_budget_is_named(words: list[str]) -> None:
    with pytest.raises(SystemExit, match=r"--budget-s: .* is not a number of seconds from 1 to 86400"):
        take_budget(words)
