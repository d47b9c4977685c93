"""Which device a name, a part of one, an index or nothing means; every refusal lists what there is."""

from __future__ import annotations

import pytest

from rtcserver.capture.devices import InputDevice, choose, list_devices, load_portaudio
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


def test_a_device_whose_name_is_a_number_is_found_by_it() -> None:
    numbered = InputDevice(5, "808", "JACK Audio Connection Kit", 2, 48_000)
    three = InputDevice(6, "3", "JACK Audio Connection Kit", 2, 48_000)
    assert choose([*ALL, numbered], "808") is numbered
    assert choose([*ALL, three], "3") is three, "a whole name goes before an index"
    assert choose([*ALL, three], "6") is three
    with pytest.raises(InstrumentError, match="is called"):
        choose(ALL, "\u00b2")


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (b"Fl\xfcgel", "Fl\ufffdgel"),
        ("MONTAGE: Flügel".encode()[:-4], "MONTAGE: Fl\ufffd"),
        ("Flügel".encode(), "Flügel"),
    ],
)
def test_a_name_that_is_not_utf8_is_read_as_far_as_it_is(
    raw: bytes, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PortAudio's own structures, with a device of that name in them."""
    sd = load_portaudio()
    ffi = sd._ffi
    text = ffi.new("char[]", raw)
    info = ffi.new("PaDeviceInfo *", {"structVersion": 2, "name": text, "maxInputChannels": 2})
    api_name = ffi.new("char[]", b"ALSA")
    api = ffi.new("PaHostApiInfo *", {"structVersion": 1, "name": api_name, "deviceCount": 1})

    class Lib:
        """The three calls that answer with the device, and the rest of PortAudio."""

        Pa_GetDeviceCount = staticmethod(lambda: 1)
        Pa_GetDeviceInfo = staticmethod(lambda index: info)
        Pa_GetHostApiCount = staticmethod(lambda: 1)
        Pa_GetHostApiInfo = staticmethod(lambda index: api)
        Pa_HostApiDeviceIndexToDeviceIndex = staticmethod(lambda api, index: 0)

        def __getattr__(self, key: str) -> object:
            return getattr(real, key)

    real = sd._lib
    monkeypatch.setattr(sd, "_lib", Lib())
    (device,) = list_devices(sd)
    assert device.name == name
    device.name.encode()
    assert sd.query_devices(0)["name"] == name, "as the opening of a stream asks for it"
