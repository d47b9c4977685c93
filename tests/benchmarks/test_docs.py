"""docs/benchmarks.md lists every benchmark with its keys, and nothing that is not there."""

from __future__ import annotations

import ast
import re

import pytest

from tests.realtime import ROOT

TEXT = (ROOT / "docs/benchmarks.md").read_text()
BENCHMARKS = sorted(
    path.stem for path in (ROOT / "benchmarks").glob("*.py") if "__main__" in path.read_text()
)

SERVERS = ("janus", "aiortc_packet", "aiortc_stock")
BY_NAME = {
    "fanout": {f"{server}_{what}" for server in SERVERS for what in ("us", "listeners")},
    "sound": {"visqol_worst", "visqol_dense_worst"},
}
"""Keys that are put together from a name, so that they stand nowhere as they are."""


def rows(text: str) -> dict[str, str]:
    """The tables' rows by the name in their first cell."""
    found = re.findall(r"^\| `(\w+)` \| (.*) \|$", text, re.MULTILINE)
    assert len({name for name, _ in found}) == len(found), "a name is listed twice"
    return dict(found)


KEYS = rows(TEXT.partition("## Keys")[2].partition("\n## ")[0])


def printed(name: str) -> set[str]:
    """Keys that stand at the top of the result: given to `emit` by name, or in the tuples for `Result.peer`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / f"benchmarks/{name}.py").read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("emit", "result.emit"):
            found |= {word.arg for word in node.keywords if word.arg}
            for dictionary in (one for one in node.args if isinstance(one, ast.Dict)):
                found |= {key.value for key in dictionary.keys if isinstance(key, ast.Constant)}
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "result.ratio":
            found.add(ast.literal_eval(node.args[0]))
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in (
            "OURS",
            "WAITING",
            "PAGE",
            "PACING",
        ):
            found |= set(ast.literal_eval(node.value))
    return found


def test_every_benchmark_is_listed_with_its_question_and_its_keys() -> None:
    questions = rows(TEXT.partition("## Keys")[0])
    assert sorted(questions) == BENCHMARKS
    assert sorted(KEYS) == BENCHMARKS


@pytest.mark.parametrize("name", BENCHMARKS)
def test_the_keys_are_those_that_it_prints(name: str) -> None:
    listed = set(re.findall(r"`(\w+)`", KEYS[name]))
    assert listed
    assert printed(name) <= listed
    # What is listed is made somewhere in the benchmark, in the load generator's figures or from a server's name.
    source = (ROOT / f"benchmarks/{name}.py").read_text() + (ROOT / "rtcserver/load/report.py").read_text()
    missing = {key for key in listed if not re.search(rf'"{key}"|\b{key}=', source)}
    assert missing <= BY_NAME.get(name, set())
