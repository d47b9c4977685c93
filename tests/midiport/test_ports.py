"""The right port under every name that systems give it; never a guess."""

from __future__ import annotations

import pytest

from rtcserver.errors import InstrumentError
from rtcserver.midi import profile_file
from rtcserver.midi.profile import PortRules
from rtcserver.midiport.ports import choose, stable_name

MONTAGE = profile_file.load("montage").port
GM = profile_file.load("gm").port
ALSA = [
    "Midi Through:Midi Through Port-0 14:0",
    "MONTAGE:MONTAGE MIDI 1 24:0",
    "MONTAGE:MONTAGE MIDI 2 24:1",
    "MONTAGE:MONTAGE MIDI 3 24:2",
]


@pytest.mark.parametrize(
    ("name", "api", "stable"),
    [
        ("MONTAGE:MONTAGE MIDI 1 24:0", "alsa", "MONTAGE:MONTAGE MIDI 1"),
        ("MONTAGE:MONTAGE MIDI 1 128:12", "alsa", "MONTAGE:MONTAGE MIDI 1"),
        ("MONTAGE-1 3", "winmm", "MONTAGE-1"),
        ("MONTAGE Port 1", "coremidi", "MONTAGE Port 1"),
        ("MONTAGE:midi_00", "jack", "MONTAGE:midi_00"),
    ],
)
def test_numbers_of_the_day_are_no_part_of_a_name(name: str, api: str, stable: str) -> None:
    assert stable_name(name, api) == stable


@pytest.mark.parametrize(
    ("names", "api", "music"),
    [
        (ALSA, "alsa", 1),
        (["Yamaha MONTAGE-3 2", "Yamaha MONTAGE-2 1", "Yamaha MONTAGE-1 0"], "winmm", 2),
        (["MONTAGE Port 2", "MONTAGE Port 1", "MONTAGE Port 3"], "coremidi", 1),
        (["system:midi_playback_1", "MONTAGE:midi_00"], "jack", 1),
        (
            ["Launchpad:Launchpad MIDI 1 20:0", "MODX7:MODX7 MIDI 1 24:0", "MODX7:MODX7 MIDI 2 24:1"],
            "alsa",
            1,
        ),
        (["rtcserver:MONTAGE 128:0", "MONTAGE:MONTAGE MIDI 1 24:0"], "alsa", 1),
        # A name that no pattern knows is taken when it is the only one.
        (["MONTAGE:Keyboard 24:0", "MONTAGE:MONTAGE MIDI 2 24:1"], "alsa", 0),
    ],
)
def test_the_music_port_of_a_montage(names: list[str], api: str, music: int) -> None:
    assert choose(names, "", MONTAGE, api, "output") == music


def test_the_ports_that_move_faders_are_never_taken_by_themselves() -> None:
    with pytest.raises(InstrumentError) as caught:
        choose(ALSA[2:], "", MONTAGE, "alsa", "output")
    assert caught.value.code == "missing"
    # By name, operators may do as they like.
    assert choose(ALSA, "MONTAGE MIDI 3", MONTAGE, "alsa", "output") == 3


@pytest.mark.parametrize("wanted", ["", "MONTAGE", "montage midi 1", "MONTAGE:MONTAGE MIDI 1"])
def test_two_instruments_with_one_name_are_refused_with_the_list(wanted: str) -> None:
    names = [*ALSA, "MONTAGE:MONTAGE MIDI 1 28:0"]
    with pytest.raises(InstrumentError) as caught:
        choose(names, wanted, MONTAGE, "alsa", "output")
    assert caught.value.code == "ambiguous"
    for name in (names[1], names[4]):
        assert name in str(caught.value), "the numbers of the day tell them apart"
    assert choose(names, "MONTAGE:MONTAGE MIDI 1 28:0", MONTAGE, "alsa", "output") == 4


def test_a_part_of_a_name_that_several_have_is_refused() -> None:
    with pytest.raises(InstrumentError) as caught:
        choose(ALSA, "montage", GM, "alsa", "input")
    assert caught.value.code == "ambiguous"
    assert "midi_input" in str(caught.value)
    assert "MONTAGE MIDI 2" in str(caught.value)


def test_without_name_and_rules_only_the_only_port_will_do() -> None:
    assert (
        choose(["Midi Through:Midi Through Port-0 14:0", "P-125:P-125 MIDI 1 20:0"], "", GM, "alsa", "output")
        == 1
    )
    assert choose(["Midi Through:Midi Through Port-0 14:0"], "Through", GM, "alsa", "output") == 0
    with pytest.raises(InstrumentError, match="several"):
        choose(["A:a 20:0", "B:b 21:0"], "", PortRules(), "alsa", "output")
    with pytest.raises(InstrumentError, match=r"\(none\)") as caught:
        choose([], "", MONTAGE, "alsa", "output")
    assert caught.value.code == "missing"
    with pytest.raises(InstrumentError, match='called "Nord"'):
        choose(ALSA, "Nord", MONTAGE, "alsa", "output")
