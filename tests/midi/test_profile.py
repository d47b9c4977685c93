"""The profiles that come with the server, and what a wrong one is told."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from rtcserver.errors import ConfigError
from rtcserver.midi import message as m
from rtcserver.midi import profile_file as profiles


def table(name: str = "montage") -> dict[str, Any]:
    return tomllib.loads((profiles.FOLDER / f"{name}.toml").read_text(encoding="utf-8"))


def test_every_profile_that_comes_along_is_sound() -> None:
    assert profiles.names() == ["gm", "montage"]
    for name in profiles.names():
        profile = profiles.load(name)
        assert profile.id == name
        assert json.loads(json.dumps(profile.to_json())) == profile.to_json()
        assert profile.to_json().items() >= profile.summary().items()
        for scheme in profile.sounds:
            for bank in range(scheme.bank_lsb[0], scheme.bank_lsb[1] + 1):
                for program in range(scheme.program[0], scheme.program[1] + 1):
                    sound = f"{scheme.id}/{bank}/{program}"
                    messages = profile.select(sound)
                    assert all(m.fault(message) is None for message in messages)
                    msb = messages[0][2] if len(messages) == 3 else 0
                    assert profile.sound_of(msb, bank, program) == sound


def test_the_montage_selects_as_its_data_list_says() -> None:
    montage = profiles.load("montage")
    # Page 3, slot 16 of the Live Set: MSB 62, LSB 2, program 15.
    assert montage.select("live-set/2/15") == [b"\xb0\x00\x3e", b"\xb0\x20\x02", b"\xc0\x0f"]
    assert montage.select("performance/16/5") == [b"\xb0\x00\x3f", b"\xb0\x20\x10", b"\xc0\x05"]
    # The empty Multi/GM Performance: 40 1F 7F.
    assert montage.select("performance-multi/31/127") == [b"\xb0\x00\x40", b"\xb0\x20\x1f", b"\xc0\x7f"]
    grid = montage.to_json()["sounds"][0]
    assert (grid["layout"], grid["banks"], grid["programs"]) == ("grid", [0, 15], [0, 15])
    assert montage.channels == range(1)
    assert montage.sound_of(1, 0, 0) is None
    assert len(montage.checklist) >= 5


def test_general_midi_is_a_list_of_names() -> None:
    gm = profiles.load("gm")
    assert gm.select("program/0/24", 3) == [b"\xc3\x18"]
    scheme = gm.to_json()["sounds"][0]
    assert len(scheme["program_names"]) == 128
    assert scheme["program_names"][24] == "Acoustic Guitar (nylon)"
    assert len(scheme["groups"]) == 16
    assert gm.channels == range(16)


@pytest.mark.parametrize(
    "sound",
    [
        "",
        "live-set",
        "live-set/1",
        "live-set/16/0",
        "live-set/0/16",
        "x/0/0",
        "live-set/-1/0",
        "live-set/0/0/0",
    ],
)
def test_a_sound_that_does_not_exist_is_refused(sound: str) -> None:
    with pytest.raises(ValueError, match="allowed"):
        profiles.load("montage").select(sound)


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("id", "MONTAGE 8", "id: 'MONTAGE 8'"),
        ("id", None, "id: None"),
        ("name", "", "name: ''"),
        ("colour", "red", "colour: unknown key"),
        ("channels.play", 17, "channels.play: 17 is not allowed; it must be a whole number from 1 to 16"),
        ("channels.play", True, "channels.play: True"),
        ("channels.mode", "some", 'channels.mode: \'some\' is not allowed; it must be "one" or "all"'),
        ("channels.more", 1, "channels.more: unknown key"),
        ("port", 3, "port: 3"),
        ("port.music", "MIDI 1", "port.music: 'MIDI 1'"),
        ("filter.programs", "yes", "filter.programs: 'yes'"),
        ("filter.system_exclusive", -1, "filter.system_exclusive: -1"),
        ("sounds", {}, "sounds: {}"),
        ("sounds.0.bank_msb", 128, "sounds[0].bank_msb: 128"),
        ("sounds.0.bank_lsb", [3, 2], "sounds[0].bank_lsb: [3, 2]"),
        ("sounds.0.program", [0, 128], "sounds[0].program: [0, 128]"),
        ("sounds.0.program_names", ["a"], "sounds[0].program_names: 1 names"),
        ("sounds.0.layout", "list", "sounds[0].program_names"),
        ("sounds.1.id", "live-set", "'live-set' is there twice"),
        ("checklist.0.text", 5, "checklist[0].text: 5"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(path: str, value: Any, says: str) -> None:
    values = table()
    place: Any = values
    *steps, key = path.split(".")
    for step in steps:
        place = place[int(step)] if isinstance(place, list) else place[step]
    if value is None:
        del place[key]
    else:
        place[key] = value
    with pytest.raises(ConfigError) as caught:
        profiles.parse(values, "montage.toml")
    assert says in str(caught.value)
    assert "montage.toml" in str(caught.value)


@pytest.mark.parametrize(
    ("names", "profile"),
    [
        (("MONTAGE: USB Audio (hw:1,0)", ""), "montage"),
        (("", "modx7"), "montage"),
        (("", ""), "gm"),
        (("P-125",), "gm"),
    ],
)
def test_a_profile_is_guessed_by_the_devices_name(names: tuple[str, ...], profile: str) -> None:
    assert profiles.guess(*names) == profile


def test_files_are_found_by_name_or_path(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'moog'; allowed are gm, montage"):
        profiles.load("moog")
    with pytest.raises(ConfigError, match=r"'\.\./montage'"):
        profiles.load("../montage")
    with pytest.raises(ConfigError, match="does not exist"):
        profiles.load(str(tmp_path / "none.toml"))
    mine = tmp_path / "mine.toml"
    mine.write_text("id = ")
    with pytest.raises(ConfigError, match=r"mine\.toml"):
        profiles.load(str(mine))
    mine.write_text((profiles.FOLDER / "gm.toml").read_text())
    assert profiles.load(str(mine)) == profiles.load("gm")
