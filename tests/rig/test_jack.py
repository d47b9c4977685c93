"""The virtual MONTAGE is what it claims to be, through real PortAudio."""

from __future__ import annotations

import time

import numpy as np
import pytest

from tests.rig.capture import record
from tests.rig.jack import FluidSynthOnJack, JackServer, Tones

pytestmark = pytest.mark.unhurried("asserts what the channels carry, whenever it comes")


@pytest.mark.parametrize("channels", [8, 32])
def test_each_channel_carries_its_own_tone_and_nothing_else(channels: int) -> None:
    with JackServer() as server, Tones(server, channels) as tones, server.portaudio():
        # On a machine that is busy with other things JACK may lose a block; what is asked is what it carries.
        for _ in range(5):
            recording = record("MONTAGE", channels, server.rate, server.rate)
            if not recording.overflows:
                break
    assert [recording.hz(column) for column in range(channels)] == [
        tones.hz(channel) for channel in range(1, channels + 1)
    ]
    spectrum = np.abs(np.fft.rfft(recording.samples[:, 2:4], axis=0))
    for column, wanted in enumerate((tones.hz(3), tones.hz(4))):
        assert recording.dbfs(2 + column) == pytest.approx(tones.level_dbfs, abs=0.01)
        rest = np.delete(spectrum[:, column], wanted)
        assert rest.max() < 1e-6 * spectrum[wanted, column], "another channel leaks in"


def test_two_rigs_do_not_see_each_other() -> None:
    with (
        JackServer() as left,
        JackServer(rate=48_000) as right,
        Tones(left, 8, "LEFT"),
        Tones(right, 8, "RIGHT"),
    ):
        import sounddevice

        for server, name in ((left, "LEFT"), (right, "RIGHT")):
            with server.portaudio():
                devices = {device["name"]: device for device in sounddevice.query_devices()}
            assert devices.keys() == {"system", name}
            assert devices[name]["max_input_channels"] == 8
            assert devices[name]["default_samplerate"] == server.rate
        assert not [device for device in sounddevice.query_devices() if device["name"] in ("LEFT", "RIGHT")]


def test_a_note_is_heard() -> None:
    with JackServer() as server, FluidSynthOnJack(server, "Piano") as piano, server.portaudio():
        assert piano.midi_port.startswith("Piano:midi")
        before = record("Piano", 2, server.rate, server.rate // 10)
        piano.note_on(69)
        after = record("Piano", 2, server.rate, server.rate)
    assert before.dbfs(0) < -80
    assert after.dbfs(0) > -50
    assert after.hz(0) == pytest.approx(440, abs=2)


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_the_device_goes_and_comes_back_under_its_name(how: str) -> None:
    with JackServer() as server, Tones(server) as tones:
        getattr(server, how)()
        assert server.ports() == []
        tones.stop()
        server.start()
        tones.start()
        with server.portaudio():
            assert record("MONTAGE", 8, server.rate, server.rate).hz(7) == tones.hz(8)


@pytest.mark.realtime
def test_a_drifting_crystal_counts_more_frames() -> None:
    """A far larger error than a crystal has, so that two seconds show it."""

    def frames_per_second(ppm: float) -> float:
        with JackServer(drift_ppm=ppm) as server, Tones(server, 2), server.portaudio():
            begin = time.monotonic()
            record("MONTAGE", 2, server.rate, 2 * server.rate)
            return 2 * server.rate / (time.monotonic() - begin)

    assert frames_per_second(100_000) / frames_per_second(0) == pytest.approx(1.1, abs=0.03)
