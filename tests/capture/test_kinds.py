"""The registry of instrument kinds, the options of plug-ins, and the errors that a wrong one gets."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from rtcserver.capture import kinds
from rtcserver.capture.describe import describe
from rtcserver.capture.option import Option, check_options
from rtcserver.config.model import INSTRUMENT_KEYS, InstrumentConfig
from rtcserver.errors import ConfigError
from tests.capture.plugins import PLUCK, SOURCES, install
from tests.rig.process import REPOSITORY

pytestmark = pytest.mark.unhurried("reads the tree and asks child processes, which may take their time")


def test_every_kind_has_a_title_and_settings_that_exist() -> None:
    for kind in kinds.BUILT_IN:
        assert kind.title
        assert set(kind.settings) <= set(INSTRUMENT_KEYS)
    assert {kind.key: kind.played_by for kind in kinds.BUILT_IN} == {
        "portaudio": "port",
        "fluidsynth": "process",
        "file": "nobody",
        "tone": "nobody",
    }


def test_nothing_but_the_registry_compares_kinds() -> None:
    keys = {kind.key for kind in kinds.BUILT_IN}
    found = []
    for path in [*(REPOSITORY / "rtcserver").rglob("*.py"), *(REPOSITORY / "signaling").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Compare) and "instrument" in ast.unparse(node):
                constants = {n.value for n in ast.walk(node) if isinstance(n, ast.Constant)}
                if keys & constants:
                    found.append(f"{path.name}: {ast.unparse(node)}")
    assert not found


def test_an_unknown_kind_gets_the_list_of_kinds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, pluck=PLUCK)
    with pytest.raises(
        ConfigError,
        match=r'^room main: instrument = "organ" is not allowed; '
        "allowed are portaudio, fluidsynth, file, tone, pluck; "
        "a plug-in's package is installed with: .*python[0-9.]* -m pip install FOLDER$",
    ):
        kinds.check(InstrumentConfig(instrument="organ"), "room main: ")


def test_a_built_in_kind_takes_no_options() -> None:
    with pytest.raises(ConfigError, match="options: tone takes none; its keys are tone_left_hz"):
        kinds.check(InstrumentConfig(instrument="tone", options={"left_hz": 440}))


def test_a_file_that_a_room_names_has_to_be_there(tmp_path: Path) -> None:
    (tmp_path / "sound.wav").write_bytes(b"")

    def check(**settings: str) -> None:
        kinds.check(InstrumentConfig(**settings), "room main: ")  # type: ignore[arg-type]  # keys of texts

    check()
    check(instrument="file", file=str(tmp_path / "sound.wav"))
    check(instrument="tone", file="not looked at", soundfont="nor this")
    for settings, words in (
        ({"instrument": "file"}, "room main: .* needs a sound file"),
        (
            {"instrument": "file", "file": f"{tmp_path}/no.wav"},
            r"file = .*/no\.wav: this file does not exist",
        ),
        ({"instrument": "file", "file": str(tmp_path)}, "is a folder"),
        ({"soundfont": f"{tmp_path}/no.sf2"}, r"soundfont = .*/no\.sf2: this file does not exist"),
    ):
        with pytest.raises(ConfigError, match=words):
            check(**settings)


OPTIONS = (
    Option("decay_s", 4.0, "Seconds.", least=0.1, most=20.0),
    Option("strings", 6, "How many.", least=1),
    Option("body", "wood", "What it is made of.", choices=("wood", "steel")),
    Option("damped", False, "Whether it is damped."),
)


def test_options_have_defaults_and_types() -> None:
    assert check_options("harp", OPTIONS, {}) == {
        "decay_s": 4.0, "strings": 6, "body": "wood", "damped": False
    }  # fmt: skip
    given = check_options("harp", OPTIONS, {"decay_s": 2, "damped": True})
    assert (given["decay_s"], type(given["decay_s"]), given["damped"]) == (2.0, float, True)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"decay": 2.0}, "options: harp has no option decay; allowed are decay_s, strings, body, damped"),
        ({"decay_s": 21.0}, r"options: decay_s = 21.0 is not allowed; allowed is a number from 0.1 to 20"),
        ({"decay_s": float("nan")}, "decay_s = nan is not allowed"),
        ({"decay_s": "long"}, "decay_s = 'long' is not allowed; allowed is a number"),
        ({"strings": 2.5}, "strings = 2.5 is not allowed; allowed is a whole number from 1"),
        ({"strings": True}, "strings = true is not allowed"),
        ({"body": "brass"}, "body = 'brass' is not allowed; allowed is wood or steel"),
        ({"damped": 1}, "damped = 1 is not allowed; allowed is true or false"),
    ],
)
def test_a_wrong_option_is_named_with_what_is_allowed(given: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        check_options("harp", OPTIONS, given)


def test_a_plugin_says_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, pluck=PLUCK, sine=SOURCES["sine"], no_kind=SOURCES["no_kind"])
    assert kinds.installed() == ["no_kind", "pluck", "sine"]
    said = describe("pluck", {})
    assert (said["title"], said["playable"], said["wrong"]) == ("Plucked string", True, "")
    assert {option["name"] for option in said["options"]} >= {"decay_s", "brightness"}
    assert describe("sine", {})["playable"] is False
    assert describe("sine", {"hz": 5.0})["wrong"].startswith("options: hz = 5.0 is not allowed")
    # The plug-in's own check, in its own words.
    wrong = describe("pluck", {"lowest_key": 60, "highest_key": 50})["wrong"]
    assert wrong == "options: pluck: lowest_key = 60 is above highest_key = 50: no key would sound"
    assert "no subclass of rtcserver.capture.plugin.Instrument" in describe("no_kind", {})["error"]
