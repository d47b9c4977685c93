"""The example instrument, installed as a user would: listed, configured, played and heard in real Chromium."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import numpy as np
import pytest

from tests.main_job.test_listening import live
from tests.main_job.test_page import until
from tests.rig.chromium import RATE, Chromium, hear
from tests.rig.perform import performer_token
from tests.rig.process import REPOSITORY
from tests.rig.server import RtcServer

pytestmark = pytest.mark.unhurried("waits for the page's state and listens to a note's pitch")


@pytest.fixture
def python(tmp_path: Path) -> str:
    """The interpreter of a fresh environment that sees this one's packages, with the example installed in it."""
    home = tmp_path / "venv"
    venv.create(home, with_pip=False)
    interpreter = str(home / "bin" / "python")
    found = subprocess.run(
        [interpreter, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    )
    ours = sysconfig.get_path("purelib")
    (Path(found.stdout.strip()) / "ours.pth").write_text(f"{ours}\n")
    # A build leaves files beside the source.
    source = shutil.copytree(REPOSITORY / "examples" / "pluck", tmp_path / "pluck")
    subprocess.run(
        [interpreter, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation", source],
        check=True,
        cwd=tmp_path,
    )  # fmt: skip
    return interpreter


def run(python: str, *words: str) -> subprocess.CompletedProcess[str]:
    """``rtcserver WORDS`` to its end."""
    return subprocess.run(
        [python, "-m", "rtcserver", *words], capture_output=True, text=True, timeout=60, cwd=REPOSITORY
    )


def test_the_example_is_listed_and_says_itself_what_is_wrong_with_its_options(python: str) -> None:
    listed = run(python, "devices", "--kinds", "--json")
    pluck = next(kind for kind in json.loads(listed.stdout) if kind["kind"] == "pluck")
    assert (pluck["title"], pluck["played_by"], pluck["error"]) == ("Plucked string", "process", None)
    serve = ("serve", "--instrument", "pluck", "--port", "0", "--options")
    wrong = run(python, *serve, "lowest_key = 60, highest_key = 50")
    assert wrong.returncode == 2
    assert "lowest_key = 60 is above highest_key = 50: no key would sound" in wrong.stderr


async def test_the_example_is_played_and_heard(python: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", python)
    config = '[rooms.main]\ninstrument = "pluck"\noptions = { decay_s = 6.0, gain_db = -6.0 }\n'
    with RtcServer(config=config) as server:
        server.wait_healthy(live)
        async with Chromium() as browser:
            page = await browser.open(f"{server.room_url}?listen#perform={performer_token(server)}")
            await until(page, "window.rtcserver.midi.role === 'performer' && window.rtcserver.midi.playable")
            await until(page, "window.rtcserver.midi.heardAt(performance.now()) !== null")
            shown = await page.evaluate("document.body.innerText")
            await page.locator('[data-testid="key-69"]').hover()
            await page.mouse.down()
            heard = await hear(page, 2.0)
            await page.mouse.up()
    assert "Plucked string" in shown
    mono = heard.samples.astype(np.float64).mean(axis=1)[-RATE:]
    spectrum = np.abs(np.fft.rfft(mono))
    assert spectrum[:2000].argmax() == pytest.approx(440, abs=3)
