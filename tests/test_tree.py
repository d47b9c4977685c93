"""The tests mirror the tree, and those in real time are kept out of the parallel half."""

from __future__ import annotations

import re
import subprocess
import sys

from tests.realtime import ROOT, uses_rig

JOURNEYS = {
    "deploy": "the lock, the service's unit and its sandbox",
    "main_job": "from the instrument to the ear, through all of it",
    "one_port": "networks, browsers and other clients before the one port",
    "studio": "Studio, from the instrument to the worklet",
    "real": "real files of Debian packages, against other players",
    "rig": "the virtual MONTAGE, impaired networks, browsers",
    "fuzz": "every parser of bytes or text, guided by coverage",
    "hostile": "whatever strangers send to a real server, beside a bystander",
    "faults": "what breaks around a real server: processes, descriptors, disk, clock, device",
    "vectors": "wire formats that Python and the page both read",
}
"""Folders of tests that belong to no single folder of the tree."""


def test_every_folder_of_tests_has_its_folder_in_the_tree() -> None:
    folders = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and path.name[0] not in "._"}
    tree = {path.parent.name for path in (ROOT / "rtcserver").glob("*/__init__.py")}
    tree |= {"signaling", "static", "benchmarks", "examples"}
    assert folders - {"__pycache__"} <= tree | set(JOURNEYS)
    assert set(JOURNEYS) <= folders


def test_the_parallel_half_has_nothing_of_the_rig() -> None:
    """Looked for in the text of what pytest chooses for it, which is another way than `tests.realtime`'s own."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--collect-only",
        "-qq",
        "-m",
        "not realtime and not unhurried",
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=80)
    chosen = {line.partition(":")[0] for line in done.stdout.splitlines() if line.startswith("tests/")}
    assert len(chosen) > 50, done.stdout[-2000:] + done.stderr
    parts = "browser|capture|chromium|drift|firefox|jack|netns|perform|process|relay|server|tones"
    rig = re.compile(rf"tests\.rig\.({parts})\b|from tests\.rig import")
    assert not [name for name in sorted(chosen) if rig.search((ROOT / name).read_text())]


def test_every_test_runs_in_one_of_the_three_parts_that_the_script_has() -> None:
    """What `script/test` chooses is looked at, not what it should choose: nothing is left out, and nothing runs twice."""
    chosen = re.findall(r'-m (?:"([^"]+)"|(\w+))', (ROOT / "script" / "test").read_text())
    expressions = [quoted or word for quoted, word in chosen if (quoted or word) != "pytest"]
    for realtime in (False, True):
        for unhurried in (False, True):
            names = {"realtime": realtime, "unhurried": unhurried}
            assert [eval(text, {}, names) for text in expressions].count(True) == 1, names


def test_what_comes_by_way_of_another_module_counts_too() -> None:
    assert uses_rig(ROOT / "tests/studio/test_network.py")
    assert not uses_rig(ROOT / "tests/test_tree.py")
