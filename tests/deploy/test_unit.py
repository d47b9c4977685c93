"""The unit of systemd: it is valid, and as closed as a server with sound can be."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from tests.realtime import ROOT

UNIT = ROOT / "deploy" / "rtcserver.service"
EXPOSURE = 2.0
"""The most that ``systemd-analyze security`` may find, of 10."""
needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None,
    reason="systemd-analyze is missing; apt-get install systemd has it",
)


def exposure(path: str) -> float:
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", path]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60)
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", said.stdout)
    assert found is not None, said.stdout + said.stderr
    return float(found[1])


@needs_systemd
def test_the_unit_exposes_little(tmp_path: object) -> None:
    assert exposure(str(UNIT)) <= EXPOSURE


@needs_systemd
def test_the_unit_has_no_line_that_systemd_does_not_know() -> None:
    said = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(UNIT)], capture_output=True, text=True, timeout=60
    )
    complaints = [line for line in said.stderr.splitlines() if UNIT.name in line]
    # The program is not installed where the test runs.
    assert [line for line in complaints if "is not executable" not in line] == []


def test_audio_and_real_time_stay_possible() -> None:
    """What would lower the figure further, and silence the instrument."""
    unit = UNIT.read_text()
    for line in (
        "SupplementaryGroups=audio",
        "DeviceAllow=char-alsa rw",
        "LimitRTPRIO=40",
        "RestrictRealtime=no",
    ):
        assert f"\n{line}\n" in unit
    for key in ("PrivateDevices", "PrivateNetwork", "PrivateUsers"):
        assert not re.search(rf"^{key}=(yes|true|1)", unit, re.MULTILINE)
