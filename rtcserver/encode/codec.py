"""What a codec is to the rest of the server, and the codecs that there are.

A codec is one module beside this one and one entry in `CODECS`. Nothing else on the way of
the sound names it: the instrument process asks it for an encoder, whoever fills a gap asks it for silence. Offers and
answers (`rtcserver.sdp`) name codecs as `Codec.payload_name` does.
"""

from __future__ import annotations

from typing import Protocol

from rtcserver.encode.g711 import PCMA, PCMU
from rtcserver.encode.g722 import G722
from rtcserver.encode.opus import OPUS


class Encoder(Protocol):
    """One room's encoder at work. Not thread-safe.

    frame_samples: samples in a frame at 48 kHz. lookahead: samples by which the decoder's output
    lags the encoder's input. bitrate_bps: as set last. encoded: packets made so far.
    """

    encoded: int

    @property
    def frame_samples(self) -> int: ...

    @property
    def lookahead(self) -> int: ...

    @property
    def bitrate_bps(self) -> int: ...

    def set_bitrate(self, bitrate_bps: int) -> None:
        """Change the bitrate from the next frame on; nothing for a codec that has only one."""

    def encode_bytes(self, pcm: bytes, *, independent: bool = False) -> bytes:
        """Encode one frame of interleaved stereo float32 in [-1, 1], `frame_samples` of each channel.

        independent: a decoder that has decoded another encoding of the same sound up to here goes on with this packet
        without a click.
        """

    def close(self) -> None:
        """Free the encoder. Idempotent."""


class Codec(Protocol):
    """A way to encode 48 kHz stereo frames.

    name: for the feed, the configuration and the API. payload_name: encoding name, RTP clock rate and channels
    as in ``a=rtpmap`` (RFC 8866, section 6.6). clock_rate: of its RTP timestamps, in Hz; it divides 48,000. frames:
    allowed frame lengths in samples at 48 kHz.
    """

    @property
    def name(self) -> str: ...

    @property
    def payload_name(self) -> str: ...

    @property
    def clock_rate(self) -> int: ...

    @property
    def frames(self) -> tuple[int, ...]: ...

    def encoder(self, frame_samples: int, bitrate_bps: int) -> Encoder:
        """A new encoder. Raises DependencyError with the command that installs what is missing."""

    def silence(self, frame_samples: int) -> bytes:
        """A packet that decodes to one frame of silence, or leads to it, whatever came before it.

        Needs no library. Raises ValueError for a frame length that is not one of `frames`.
        """


DEFAULT: Codec = OPUS
"""What rooms are encoded with."""
CODECS: dict[str, Codec] = {codec.name: codec for codec in (DEFAULT, G722, PCMU, PCMA)}


def codec_offered(payload_name: str) -> Codec:
    """The codec that descriptions call so. Raises ValueError that lists those there are."""
    for codec in CODECS.values():
        if codec.payload_name == payload_name:
            return codec
    names = ", ".join(codec.payload_name for codec in CODECS.values())
    raise ValueError(f"there is no codec {payload_name!r}; allowed are {names}")


def codec_named(name: str) -> Codec:
    """The codec of this name. Raises ValueError that lists those there are."""
    try:
        return CODECS[name]
    except KeyError:
        raise ValueError(f"there is no codec {name!r}; allowed are {', '.join(CODECS)}") from None
