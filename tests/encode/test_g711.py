"""G.711: every sample and every byte, against the reference code of the field and against FFmpeg's."""

from __future__ import annotations

import warnings

import av
import numpy as np
import numpy.typing as npt
import pytest

from rtcserver.encode import g711
from rtcserver.encode.codec import codec_named
from rtcserver.encode.g711 import Law

SAMPLES = np.arange(-32_768, 32_768, dtype=np.int16)
BYTES = bytes(range(256))
both = pytest.mark.parametrize("law", ["mulaw", "alaw"])

NAMED = {
    # sample: byte; what ITU-T G.711 and its many copies agree on
    "mulaw": {
        0: 0xFF,
        8: 0xFE,
        -8: 0x7E,
        32_124: 0x80,
        -32_124: 0x00,
        32_767: 0x80,
        -32_768: 0x00,
        1_000: 0xCE,
    },
    "alaw": {
        0: 0xD5,
        8: 0xD5,
        -8: 0x55,
        32_256: 0xAA,
        -32_256: 0x2A,
        32_767: 0xAA,
        -32_768: 0x2A,
        1_000: 0xFA,
    },
}


def av_context(law: Law, mode: str) -> av.AudioCodecContext:
    context = av.CodecContext.create(f"pcm_{law}", mode)  # type: ignore[call-overload]
    assert isinstance(context, av.AudioCodecContext)
    context.sample_rate, context.layout, context.format = g711.RATE, "mono", "s16"
    return context


@both
def test_named_samples(law: Law) -> None:
    for sample, code in NAMED[law].items():
        assert g711.encode(np.array([sample], np.int16), law) == bytes((code,)), sample


@both
def test_every_byte_decodes_as_ffmpeg_decodes_it(law: Law) -> None:
    decoded = [frame.to_ndarray()[0] for frame in av_context(law, "r").decode(av.Packet(BYTES))]
    assert np.array_equal(g711.decode(BYTES, law), np.concatenate(decoded))


@both
def test_every_sample_is_encoded_as_by_ffmpeg_but_for_those_between_two_levels(law: Law) -> None:
    """FFmpeg decides half way between two levels; G.711's own decision values lie elsewhere where segments meet."""
    frame = av.AudioFrame.from_ndarray(SAMPLES[None], "s16", "mono")
    frame.sample_rate = g711.RATE
    theirs = np.frombuffer(b"".join(map(bytes, av_context(law, "w").encode(frame))), np.uint8)
    ours = np.frombuffer(g711.encode(SAMPLES, law), np.uint8)
    differs = ours != theirs
    assert 0 < np.count_nonzero(differs) < 0.02 * len(SAMPLES)
    levels = np.unique(g711.decode(BYTES, law))
    ranks = [np.searchsorted(levels, g711.decode(codes[differs].tobytes(), law)) for codes in (ours, theirs)]
    assert np.abs(ranks[0] - ranks[1]).max() == 1
    between = np.sort([levels[rank] for rank in ranks], axis=0)
    assert np.all((between[0] <= SAMPLES[differs]) & (SAMPLES[differs] <= between[1]))


@both
def test_every_sample_and_byte_as_in_pythons_own_module(law: Law) -> None:
    """`audioop`, which is Sun's code; gone with Python 3.13."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        audioop = pytest.importorskip("audioop")
    encode, decode = (
        (audioop.lin2ulaw, audioop.ulaw2lin) if law == "mulaw" else (audioop.lin2alaw, audioop.alaw2lin)
    )
    assert g711.encode(SAMPLES, law) == encode(SAMPLES.tobytes(), 2)
    assert g711.decode(BYTES, law).tobytes() == decode(BYTES, 2)


@both
def test_a_level_is_encoded_to_itself(law: Law) -> None:
    levels = g711.decode(BYTES, law)
    again = g711.decode(g711.encode(levels, law), law)
    assert np.array_equal(levels, again)


@both
def test_no_sample_is_further_away_than_a_step(law: Law) -> None:
    error = np.abs(g711.decode(g711.encode(SAMPLES, law), law).astype(np.int32) - SAMPLES)
    # A step is a sixteenth of its segment's lower end at most, and what lies at a decision value may be off by it whole.
    magnitude = np.abs(SAMPLES.astype(np.int32))
    assert np.all(error <= np.maximum(magnitude / 32 + 8, 16))


def sines(dbfs: float) -> npt.NDArray[np.float32]:
    wave = 10 ** (dbfs / 20) * np.sin(2 * np.pi * 440 * np.arange(960 * 50) / 48_000)
    return np.repeat(wave[:, None], 2, axis=1).astype(np.float32)


@pytest.mark.parametrize("name", ["pcmu", "pcma"])
@pytest.mark.parametrize("dbfs", [-3, -20, -33])
def test_a_sine_comes_out_33_db_above_its_noise(name: str, dbfs: float) -> None:
    codec = codec_named(name)
    encoder = codec.encoder(960, 64_000)
    sound = sines(dbfs)
    packets = [encoder.encode_bytes(sound[at : at + 960].tobytes()) for at in range(0, len(sound), 960)]
    assert {len(packet) for packet in packets} == {160}
    law: Law = "mulaw" if name == "pcmu" else "alaw"
    heard = g711.decode(b"".join(packets), law)[1600:] / 32_768
    at = np.arange(len(heard))
    basis = np.stack([np.sin(2 * np.pi * 440 * at / 8_000), np.cos(2 * np.pi * 440 * at / 8_000)])
    fit = np.linalg.lstsq(basis.T, heard, rcond=None)[0]
    assert abs(20 * np.log10(np.hypot(*fit)) - dbfs) < 0.1
    noise = heard - fit @ basis
    assert 20 * np.log10(np.hypot(*fit) / np.sqrt(2) / noise.std()) > 33


@pytest.mark.parametrize(("name", "most"), [("pcmu", 0), ("pcma", 8)])
def test_silence_is_next_to_nothing(name: str, most: int) -> None:
    law: Law = "mulaw" if name == "pcmu" else "alaw"
    assert np.abs(g711.decode(codec_named(name).silence(960), law)).max() == most
