"""Which device a name, a part of one, an index or nothing means; every refusal lists what there is."""

from __future__ import annotations

import pytest

from rtcserver.capture.devices import InputDevice, choose
from rtcserver.errors import InstrumentError

MONTAGE = InputDevice(3, "MONTAGE: USB Audio (hw:2,0)", "ALSA", 8, 44_100)
MONTAGE_JACK = InputDevice(7, "MONTAGE", "JACK Audio Connection Kit", 8, 44_100)
MODX = InputDevice(4, "MODX: USB Audio (hw:3,0)", "ALSA", 10, 44_100)
BUILT_IN = InputDevice(0, "HDA Intel: ALC257 (hw:0,0)", "ALSA", 2, 48_000, is_default=True)
ALL = [BUILT_IN, MONTAGE, MODX, MONTAGE_JACK]


@pytest.mark.parametrize(
    ("wanted", "device"),
    [
        ("modx", MODX),
        ("MONTAGE: USB", MONTAGE),
        ("montage", MONTAGE_JACK),  # a whole name goes before a part of another
        ("montage, jack audio connection kit", MONTAGE_JACK),
        ("3", MONTAGE),
        ("0", BUILT_IN),
        ("", BUILT_IN),
    ],
)
def test_what_means_one_device_is_that_device(wanted: str, device: InputDevice) -> None:
    assert choose(ALL, wanted) is device


def test_an_ambiguous_name_is_refused_with_the_list_of_what_it_matches() -> None:
    with pytest.raises(InstrumentError) as caught:
        choose(ALL, "usb audio")
    assert caught.value.code == "ambiguous"
    assert MONTAGE.label() in str(caught.value)
    assert MODX.label() in str(caught.value)
    assert BUILT_IN.label() not in str(caught.value)


def test_two_of_the_same_name_are_told_apart_by_index_only() -> None:
    twins = [InputDevice(1, "MONTAGE", "ALSA", 8, 44_100), InputDevice(2, "MONTAGE", "ALSA", 8, 44_100)]
    with pytest.raises(InstrumentError, match="index"):
        choose(twins, "MONTAGE")
    assert choose(twins, "2") is twins[1]


@pytest.mark.parametrize("wanted", ["Motif", "9", "hw:9"])
def test_what_does_not_exist_is_refused_with_the_list_of_all(wanted: str) -> None:
    with pytest.raises(InstrumentError) as caught:
        choose(ALL, wanted)
    assert caught.value.code == "missing"
    assert wanted in str(caught.value)
    for device in ALL:
        assert device.label() in str(caught.value)


def test_with_nothing_named_the_only_input_will_do_but_not_one_of_several() -> None:
    assert choose([MODX], "") is MODX
    with pytest.raises(InstrumentError, match="no default input") as caught:
        choose([MODX, MONTAGE], "")
    assert caught.value.code == "missing"
    with pytest.raises(InstrumentError, match=r"\(none\)"):
        choose([], "")
