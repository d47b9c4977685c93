"""Codecs by name, and what the server relies on in each: its frames, its silence, an encoder for them."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest

from rtcserver.encode.codec import CODECS, DEFAULT, Codec, codec_named
from rtcserver.sdp.offer import CODECS as OFFERED

ROOT = Path(__file__).resolve().parents[2]
every_codec = pytest.mark.parametrize("codec", CODECS.values(), ids=list(CODECS))


def test_a_codec_is_found_by_its_name() -> None:
    assert codec_named("opus") is DEFAULT
    assert (DEFAULT.payload_name, DEFAULT.clock_rate) == ("opus/48000/2", 48_000)
    with pytest.raises(ValueError, match=r"no codec 'vorbis'; allowed are opus, g722, pcmu, pcma"):
        codec_named("vorbis")


def test_offers_and_answers_name_the_same_codecs() -> None:
    assert tuple(codec.payload_name for codec in CODECS.values()) == OFFERED


@every_codec
def test_every_frame_length_has_its_silence_and_its_encoder(codec: Codec) -> None:
    for frame in codec.frames:
        encoder = codec.encoder(frame, 128_000)
        quiet = encoder.encode_bytes(np.zeros((frame, 2), np.float32).tobytes())
        encoder.set_bitrate(96_000)
        assert (encoder.frame_samples, encoder.encoded) == (frame, 1)
        assert encoder.bitrate_bps == (96_000 if codec is DEFAULT else 64_000)
        assert 0 <= encoder.lookahead < frame * 4
        assert 48_000 % codec.clock_rate == 0
        # The same kind of packet as the encoder's own: a decoder goes on without a reset.
        if codec is DEFAULT:
            assert codec.silence(frame)[0] == quiet[0]
        else:
            assert len(codec.silence(frame)) == len(quiet) == frame * codec.clock_rate // 48_000
        encoder.close()
        encoder.close()


@every_codec
def test_a_frame_length_that_it_does_not_have_is_named(codec: Codec) -> None:
    with pytest.raises(
        ValueError, match=f"frame_samples is 441: allowed are {', '.join(map(str, codec.frames))}"
    ):
        codec.silence(441)


def test_only_the_registry_names_the_module_of_a_codec() -> None:
    """A further codec touches its own module and the registry."""
    modules = {"rtcserver.encode.opus", "rtcserver.encode.g711", "rtcserver.encode.g722"}
    importing = set()
    for path in (ROOT / "rtcserver").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module in modules:
                importing.add(str(path.relative_to(ROOT / "rtcserver")))
    assert importing == {"encode/codec.py"}
