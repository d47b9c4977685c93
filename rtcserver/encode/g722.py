"""G.722 (ITU-T G.722): 7 kHz of speech in 64 kb/s, by FFmpeg's encoder.

Two bands of adaptive differences, 16,000 samples a second. In RTP its clock is 8,000 Hz all the same, by a mistake in an
early RFC that was kept (RFC 3551, section 4.5.2): 20 ms are 320 samples and 160 units of its timestamp.

FFmpeg's libraries are 20 MB that no other codec needs, and loading them takes 30 to 90 ms. So they are loaded when the
first encoder is made, on a thread beside the sound, and what is encoded meanwhile is silence.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import os
import threading
from collections.abc import Callable
from pathlib import Path

from rtcserver.capture.priority import lower_priority
from rtcserver.encode.mono import Mono, MonoDownsampler
from rtcserver.errors import DependencyError

SAMPLE_RATE = 16_000
CLOCK_RATE = 8_000
FRAME = 960
"""Samples at 48 kHz in a packet: 20 ms."""
BITRATE_BPS = 64_000
_FILTERS = 22
"""Samples at 16 kHz by which the two filters that part and join the bands delay the sound."""
_QUIETEST = 0xFF
"""No byte means silence by itself. This one, repeated, leads every decoder to 56 dB below full scale within a frame."""


class G722Encoder:
    """One room's. Not thread-safe.

    lookahead: samples at 48 kHz by which the decoder's output lags the input.
    """

    frame_samples = FRAME
    bitrate_bps = BITRATE_BPS

    def __init__(self) -> None:
        self.encoded = 0
        self._mono = MonoDownsampler(SAMPLE_RATE)
        self.lookahead = self._mono.lookahead + _FILTERS * 3
        self._encode: Callable[[Mono], bytes] | None = None
        self._loading = _Loading()

    def set_bitrate(self, bitrate_bps: int) -> None:
        """Nothing: in RTP, G.722 has one bitrate."""

    def encode_bytes(self, pcm: bytes, *, independent: bool = False) -> bytes:
        """Encode one frame of interleaved stereo float32 in [-1, 1]: 160 bytes; silence until the encoder is loaded.

        Raises DependencyError if it cannot be loaded.
        """
        samples = self._mono.process(pcm)
        self.encoded += 1
        if self._encode is None:
            if not self._loading.done:
                return G722.silence(FRAME)
            self._encode = self._loading.encoder()
        return self._encode(samples)

    def close(self) -> None:
        """Let go of FFmpeg's state. Idempotent."""
        self._encode = None


class _Loading:
    """Loads FFmpeg's libraries in the background. One use."""

    def __init__(self) -> None:
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._load, name="loading G.722", daemon=True)
        self._thread.start()

    @property
    def done(self) -> bool:
        """Whether it is over, well or not."""
        return not self._thread.is_alive()

    def encoder(self) -> Callable[[Mono], bytes]:
        """A new encoder of ``(320,) int16``, once `done`. Raises DependencyError if loading has failed."""
        if self._failure is not None:
            raise DependencyError(
                f"G.722 needs PyAV, and that cannot be loaded ({self._failure}); install it with: pip install av"
            ) from self._failure
        from av import AudioCodecContext, AudioFrame, CodecContext

        context = CodecContext.create("g722", "w")
        assert isinstance(context, AudioCodecContext)
        context.sample_rate, context.layout, context.format = SAMPLE_RATE, "mono", "s16"

        def encode(samples: Mono) -> bytes:
            frame = AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
            frame.sample_rate = SAMPLE_RATE
            return b"".join(map(bytes, context.encode(frame)))

        return encode

    def _load(self) -> None:
        lower_priority(0)
        try:
            _map_libraries()
            import av  # noqa: F401
        except Exception as error:
            self._failure = error


def _map_libraries() -> None:
    """Have the system load PyAV's shared libraries without the interpreter's lock, for which a device's callback waits.

    An import alone would hold it for some 10 ms at a time. What fails here fails again in the import, with a reason.
    """
    spec = importlib.util.find_spec("av")
    if spec is None or spec.origin is None:
        return
    with contextlib.suppress(OSError, AttributeError):
        # A foreign function is called without the lock; `ctypes.CDLL` itself keeps it.
        dlopen = ctypes.CDLL(None).dlopen
        dlopen.restype = ctypes.c_void_p
        for library in sorted(Path(spec.origin).parent.rglob("*.so")):
            dlopen(os.fsencode(library), ctypes.c_int(os.RTLD_NOW))


class G722Codec:
    """G.722 as `rtcserver.encode.codec.Codec` has it."""

    name = "g722"
    payload_name = "G722/8000"
    clock_rate = CLOCK_RATE
    frames = (FRAME,)

    def encoder(self, frame_samples: int, bitrate_bps: int) -> G722Encoder:
        """A new encoder; the bitrate is always 64 kb/s."""
        self.silence(frame_samples)
        return G722Encoder()

    def silence(self, frame_samples: int) -> bytes:
        """One frame that leads any decoder to silence. Raises ValueError for other frames than 20 ms."""
        if frame_samples != FRAME:
            raise ValueError(f"frame_samples is {frame_samples}: allowed are {FRAME}")
        return bytes((_QUIETEST,)) * (FRAME // 6)


G722 = G722Codec()
