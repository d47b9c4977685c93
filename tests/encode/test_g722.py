"""G.722: a listener's decoder gets the sound at its level and time, and silence wherever it was."""

from __future__ import annotations

import sys

import av
import numpy as np
import numpy.typing as npt
import pytest

from rtcserver.encode import g722
from rtcserver.encode.codec import codec_named
from rtcserver.encode.g722 import G722Encoder
from rtcserver.errors import DependencyError

FRAME = 960
CODEC = codec_named("g722")


def loaded() -> G722Encoder:
    encoder = CODEC.encoder(FRAME, 64_000)
    assert isinstance(encoder, G722Encoder)
    encoder._loading._thread.join(30)
    return encoder


def decoded(packets: list[bytes]) -> npt.NDArray[np.float64]:
    context = av.CodecContext.create("g722", "r")
    context.sample_rate, context.layout = g722.SAMPLE_RATE, "mono"
    frames = [frame for packet in packets for frame in context.decode(av.Packet(packet))]
    return np.concatenate([frame.to_ndarray()[0] for frame in frames]) / 32_768


def encoded(encoder: G722Encoder, hz: float, frames: int = 100) -> list[bytes]:
    wave = 0.5 * np.sin(2 * np.pi * hz * np.arange(FRAME * frames) / 48_000)
    stereo = np.repeat(wave[:, None], 2, axis=1).astype(np.float32)
    return [encoder.encode_bytes(stereo[at : at + FRAME].tobytes()) for at in range(0, len(stereo), FRAME)]


@pytest.mark.parametrize("hz", [440.0, 1_000.0, 3_000.0])
def test_a_tone_comes_at_its_level_and_lags_by_the_lookahead(hz: float) -> None:
    encoder = loaded()
    packets = encoded(encoder, hz)
    assert {len(packet) for packet in packets} == {160}
    assert encoder.encoded == len(packets)
    heard = decoded(packets)
    at = np.arange(g722.SAMPLE_RATE // 2, len(heard))
    found = 2 * np.mean(heard[at] * np.exp(-2j * np.pi * hz * at / g722.SAMPLE_RATE))
    lag_s = encoder.lookahead / 48_000
    assert abs(20 * np.log10(abs(found) / 0.5)) < 0.3
    late_s = (-np.angle(found / -1j) / (2 * np.pi * hz) - lag_s) % (1 / hz)
    assert min(late_s, 1 / hz - late_s) < 1 / g722.SAMPLE_RATE


def test_silence_quietens_a_decoder_wherever_it_is() -> None:
    music = encoded(loaded(), 440.0, 50)
    for at in (5, 23, 49):
        heard = decoded([*music[:at], *[CODEC.silence(FRAME)] * 5])
        # The first frame brings the decoder there.
        assert np.abs(heard[(at + 1) * 320 :]).max() < 10 ** (-54 / 20)


def test_what_is_encoded_before_the_library_is_there_is_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = loaded()
    monkeypatch.setattr(g722._Loading, "done", False)
    assert encoded(encoder, 440.0, 2) == [CODEC.silence(FRAME)] * 2
    monkeypatch.undo()
    assert CODEC.silence(FRAME) not in encoded(encoder, 440.0, 10)
    encoder.close()
    encoder.close()


def test_a_library_that_cannot_be_loaded_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    encoder = loaded()
    with pytest.raises(DependencyError, match="pip install av"):
        encoded(encoder, 440.0, 1)
