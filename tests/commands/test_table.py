"""The command line as a whole: what each start imports, what each help lists, what the user can mend."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rtcserver.commands.check import INSTRUMENT_FLAGS
from rtcserver.commands.table import COMMANDS, main
from tests.rig.process import REPOSITORY

pytestmark = pytest.mark.unhurried("asserts what commands print")


def help_of(name: str, capsys: pytest.CaptureFixture[str]) -> set[str]:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"], {})
    assert ended.value.code == 0
    return set(re.findall(r"^  (?:-h, )?(--[a-z-]+)", capsys.readouterr().out, re.MULTILINE))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_subcommand_has_its_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--help" in help_of(name, capsys)


def test_check_lists_its_own_flags_and_the_instruments(capsys: pytest.CaptureFixture[str]) -> None:
    instrument = {f"--{key.replace('_', '-')}" for key in INSTRUMENT_FLAGS}
    assert help_of("check", capsys) == {"--help", "--key", "--velocity", "--json", "--config", *instrument}
    assert {"--port", "--tls", "--bitrate-bps", *instrument} <= help_of("serve", capsys)


def test_the_programs_help_names_all_subcommands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"], {})
    said = capsys.readouterr().out
    for name, text in COMMANDS.items():
        assert re.search(rf"^    {name} +{text}$", said, re.MULTILINE)


def test_a_wrong_value_ends_in_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--port", "many"], {}) == 2
    said = capsys.readouterr().err
    assert said.startswith('rtcserver: --port: port = "many" is not allowed')
    assert said.count("\n") == 1


def test_the_environment_has_a_say(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check"], {"RTCSERVER_INSTRUMENT": "tone", "RTCSERVER_PORT": "1"}) == 2
    assert "instrument: tone cannot be played" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [("--instrument", "file", "--file", "/nowhere/sound.wav"), ("--soundfont", "/nowhere/sound.sf2")]
)
def test_a_missing_file_ends_serve_before_it_serves(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--port", "0", *words], {}) == 2
    said = capsys.readouterr()
    assert re.fullmatch(r"rtcserver: room main: \w+ = /nowhere/\S+: this file does not exist\n", said.err)
    assert said.out == ""


@pytest.mark.parametrize(("name", "spared"), [("serve", "aiortc rich sounddevice"), ("load", "aiohttp.web")])
def test_a_start_imports_only_its_own_subcommand(name: str, spared: str) -> None:
    """Before it runs, that is: the help of ``serve`` needs no web, no device and no display."""
    program = (
        "import sys\nfrom rtcserver.commands.table import build_parser\n"
        f"build_parser({name!r})\nprint(*(m for m in {spared.split()} if m in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("--prot", "--port"),
        ("--media_port", "--media-port"),
        ("--mediaport=1", "--media-port"),
        ("extra", ""),
    ],
)
def test_a_slip_in_a_flag_is_told_which_one_was_meant(
    word: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["serve", word], {})
    assert ended.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == f"rtcserver: error: unrecognized arguments: {word}" + (
        f"; did you mean {meant}?" if meant else ""
    )


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_that_nobody_reads_ends_without_a_traceback(unbuffered: str, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "rtcserver", "link", "--state-dir", str(tmp_path)],
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
            stdout=writing,
            stderr=subprocess.PIPE,
            timeout=30,
        )
    finally:
        os.close(writing)
    assert (ended.returncode, ended.stderr) == (141, b"")
