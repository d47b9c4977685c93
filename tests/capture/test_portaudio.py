"""PortAudio's devices as people have them, on a real PortAudio: one channel, and a number for a name."""

from __future__ import annotations

import time

import numpy as np
import pytest

from rtcserver.capture.block import to_float
from rtcserver.capture.mix import stereo_mix
from rtcserver.capture.portaudio import PortAudioSource
from rtcserver.config.model import InstrumentConfig
from tests.rig.jack import JackServer, Tones

pytestmark = pytest.mark.unhurried("asserts what the blocks hold, whenever they come")


def test_a_mono_device_with_a_number_for_a_name_is_heard_on_both_sides(jack_server: JackServer) -> None:
    config = InstrumentConfig(instrument="portaudio", device="808")
    with Tones(jack_server, 1, "808") as tone, jack_server.portaudio():
        source = PortAudioSource(config)
        stream, ring = source.open()
        parts = []
        deadline = time.monotonic() + 20
        try:
            mix = stereo_mix(config.channels, config.mix, stream.channels)
            while sum(map(len, parts)) < stream.rate and time.monotonic() < deadline:
                item = ring.read()
                if item is None:
                    time.sleep(0.002)
                    continue
                block = item[0]
                parts.append(mix.apply(to_float(block.data, stream, block.frames)).copy())
        finally:
            source.close()
            ring.close()
    assert source.name == "808"
    assert stream.channels == 1
    heard = np.concatenate(parts)
    assert (heard[:, 0] == heard[:, 1]).all()
    level = 20 * np.log10(np.abs(heard).max())
    assert level == pytest.approx(tone.level_dbfs, abs=0.1), "as loud as a channel of a pair"


def test_callbacks_are_timed_from_the_moment_that_somebody_asks(jack_server: JackServer) -> None:
    with Tones(jack_server, 2, "timed"), jack_server.portaudio():
        source = PortAudioSource(InstrumentConfig(instrument="portaudio", device="timed"))
        _, ring = source.open()

        def await_blocks(count: int) -> None:
            wanted, deadline = ring.written + count, time.monotonic() + 20
            while ring.written < wanted and time.monotonic() < deadline:
                time.sleep(0.002)
            assert ring.written >= wanted

        try:
            await_blocks(10)
            assert source.timings() == {"callback": [], "interval": []}
            source.forget_timings()
            await_blocks(20)
            timed = source.timings()
        finally:
            source.close()
            ring.close()
    assert len(timed["callback"]) >= 19
    assert len(timed["interval"]) >= 18
    assert all(0 < taken < 10**9 for taken in timed["callback"])
