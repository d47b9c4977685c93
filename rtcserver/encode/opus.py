"""48 kHz stereo frames → Opus packets, through opuslib.

Restricted-lowdelay is CELT only: its look-ahead is 120 samples (2.5 ms), and in-band FEC does
nothing for it (RFC 6716, section 2.1.7; RFC 7587).
"""

from __future__ import annotations

import ctypes
from typing import Any

from rtcserver.clock import MEDIA_RATE
from rtcserver.errors import DependencyError, ProcessError

_MAX_PACKET = 4000
"""What libopus recommends as the size of the output buffer."""
_COMPLEXITY, _LOW_COMPLEXITY = 4, 10
"""Below `_LOW_BPS` a bit is worth more than time. From there on nobody hears what complexities above 4 add, for as much time
again: ViSQOL is within 0.002 at 160 and 256 kb/s, and 0.01 less at 64 and 96 (docs/benchmarks.md, "realtime")."""
_LOW_BPS = 64_000
_SET_PREDICTION_DISABLED = 4042
"""OPUS_SET_PREDICTION_DISABLED_REQUEST of opus_defines.h, which opuslib has not."""
_CELT_CONFIGS = {120: 28, 240: 29, 480: 30, 960: 31}
"""Configuration numbers of fullband CELT by frame length in samples (RFC 6716, table 2)."""


def load_opus() -> tuple[Any, Any, int]:
    """opuslib's encoder and ctl modules, and its number for restricted-lowdelay.

    Raises DependencyError with the command that installs libopus.
    """
    try:
        import opuslib
        import opuslib.api.ctl as ctl
        import opuslib.api.encoder as encoder
    except Exception as error:
        # opuslib raises a bare Exception when ctypes.util.find_library finds nothing.
        raise DependencyError("libopus is missing; install it with: sudo apt-get install libopus0") from error
    return encoder, ctl, opuslib.APPLICATION_RESTRICTED_LOWDELAY


class OpusEncoder:
    """One stereo encoder of a room. Not thread-safe.

    lookahead: samples at 48 kHz by which the decoder's output lags the encoder's input.
    encoded: packets made since the beginning.
    """

    def __init__(self, frame_samples: int, bitrate_bps: int) -> None:
        encoder, ctl, lowdelay = load_opus()
        self.frame_samples = frame_samples
        self.encoded = 0
        self._api = encoder
        self._ctl = ctl
        self._set_prediction_disabled = ctl.ctl_set(_SET_PREDICTION_DISABLED)
        self._state = encoder.create_state(MEDIA_RATE, 2, lowdelay)
        # As opuslib's encode_float, which makes a new buffer and three more objects for each frame.
        self._encode = encoder.opuslib.api.libopus["opus_encode_float"]
        self._encode.argtypes = (
            ctypes.c_void_p,
            ctypes.c_char_p,
            ctypes.c_int,
            ctypes.c_void_p,
            ctypes.c_int32,
        )
        self._encode.restype = ctypes.c_int32
        self._packet = ctypes.create_string_buffer(_MAX_PACKET)
        self._packet_bytes = memoryview(self._packet).cast("B")
        self.set_bitrate(bitrate_bps)
        self.lookahead: int = encoder.encoder_ctl(self._state, ctl.get_lookahead)

    def set_bitrate(self, bitrate_bps: int) -> None:
        """Change the bitrate from the next frame on. Up to 510000 bit/s, variable bitrate."""
        self._api.encoder_ctl(self._state, self._ctl.set_bitrate, bitrate_bps)
        complexity = _COMPLEXITY if bitrate_bps >= _LOW_BPS else _LOW_COMPLEXITY
        self._api.encoder_ctl(self._state, self._ctl.set_complexity, complexity)
        self.bitrate_bps = bitrate_bps

    def encode_bytes(self, pcm: bytes, *, independent: bool = False) -> bytes:
        """Encode one frame of interleaved stereo float32 in [-1, 1]; decoders clip what is louder.

        independent: code the band energies without those of the frame before, and without the pitch filter (RFC 6716,
        sections 4.3.2.1 and 4.3.7.1): what a decoder knows of another stream is of no matter then.
        """
        if independent:
            self._api.encoder_ctl(self._state, self._set_prediction_disabled, 1)
        length = self._encode(self._state, pcm, self.frame_samples, self._packet, _MAX_PACKET)
        if independent:
            self._api.encoder_ctl(self._state, self._set_prediction_disabled, 0)
        if length < 0:
            raise ProcessError(f"libopus encodes nothing: error {length}")
        self.encoded += 1
        return bytes(self._packet_bytes[:length])

    def close(self) -> None:
        """Free the encoder. Idempotent."""
        if self._state is not None:
            self._api.destroy(self._state)
            self._state = None


class OpusCodec:
    """Opus as `rtcserver.encode.codec.Codec` has it."""

    name = "opus"
    payload_name = f"opus/{MEDIA_RATE}/2"
    """RFC 7587, section 7: always 48000 and 2, whatever is inside."""
    clock_rate = MEDIA_RATE
    frames = tuple(_CELT_CONFIGS)

    def encoder(self, frame_samples: int, bitrate_bps: int) -> OpusEncoder:
        """A new encoder. Raises DependencyError with the command that installs libopus."""
        return OpusEncoder(frame_samples, bitrate_bps)

    def silence(self, frame_samples: int) -> bytes:
        """A packet that decodes to one stereo frame of digital silence.

        The TOC byte (RFC 6716, section 3.1: fullband CELT, stereo, one frame), then a range-coder
        state in which the first symbol, the silence flag of section 4.3, reads as set.

        Raises ValueError for a frame that is not 2.5, 5, 10 or 20 ms.
        """
        config = _CELT_CONFIGS.get(frame_samples)
        if config is None:
            allowed = ", ".join(map(str, self.frames))
            raise ValueError(f"frame_samples is {frame_samples}: allowed are {allowed}")
        return bytes((config << 3 | 1 << 2, 0xFF, 0xFE))


OPUS = OpusCodec()
