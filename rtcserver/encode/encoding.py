"""The ways in which one room's sound is encoded, side by side. Pure.

A room has its own encoding, which is always made, and further ones, each made only while somebody needs it
(`rtcserver.instrument.process`). All begin their frames on one grid of media time, and every frame that begins at a
multiple of `SWITCH_SAMPLES` can be decoded without the ones before it as soon as there is more than one of its codec:
there a listener goes from one to another, in the same RTP stream (`rtcserver.broadcast.room`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from rtcserver.encode.codec import DEFAULT, codec_named

OWN = 0
"""The number of a room's own encoding on its feed."""
MAX_STREAMS = 16
SWITCH_SAMPLES = 9_600
"""Samples at 48 kHz between two places where a listener may change its encoding: 200 ms, whole frames of each length."""
WARM_SAMPLES = 4_800
"""Samples at 48 kHz that a new encoder has seen before anybody gets its packets: its filters have settled then."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """A codec, a bitrate and a frame length.

    stream: its number on the feed (`rtcserver.encode.packet`), `OWN` for the room's own. name: how payload kinds and
    the API call it. codec: by name. frame_samples: at 48 kHz. Raises ValueError for what cannot be.
    """

    stream: int
    name: str
    codec: str
    bitrate_bps: int
    frame_samples: int

    def __post_init__(self) -> None:
        if not 0 <= self.stream < MAX_STREAMS:
            raise ValueError(f"stream is {self.stream}: allowed is 0 to {MAX_STREAMS - 1}")
        if not self.name.replace("-", "").isalnum():
            raise ValueError(f"an encoding's name is {self.name!r}: allowed are letters, digits and -")
        allowed = codec_named(self.codec).frames
        if self.frame_samples not in allowed:
            raise ValueError(f"frame_samples is {self.frame_samples}: allowed are {allowed}")

    @property
    def frame_ms(self) -> float:
        """Duration of a frame."""
        return self.frame_samples / 48

    def to_values(self) -> dict[str, Any]:
        """As JSON-serialisable values."""
        return asdict(self)

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> Encoding:
        """From `to_values`. Raises ValueError or TypeError for anything else."""
        return cls(**values)


HIGH = "opus-high"
LOW = "opus-low"
LIGHT = "opus-light"
"""Studio light: short frames, taken out before a browser's jitter buffer. Nobody changes between it and the tiers."""
_LIGHT_STREAM = 6
TIERS = {"high": HIGH, "middle": DEFAULT.name, "low": LOW}
"""What a listener may be sent, from the best on: what the page and the API call it, and its encoding."""
HIGH_BPS = 256_000
"""Above that nobody hears a difference (ViSQOL: 4.58 at 256 kb/s, 4.57 at 192)."""
HIGH_SHARE = 1.6
"""At most so many times the room's own bitrate: whoever sets that means to spend about so much."""
LOW_BPS = 36_000
"""With 50 packets a second of 56 bytes around their payload (IPv4, UDP, RTP, the tag of AES-GCM) 58.4 kb/s: a network of
64 kb/s carries it, and has room for RTCP, STUN and MIDI."""
LOW_FRAME_SAMPLES = 960
_TELEPHONY = ("g722", "pcmu", "pcma")
"""Codecs for those whose offer has no Opus; the encoding is called like its codec."""
_TELEPHONY_FIRST = 3
"""The number of the first of them."""


def own_encoding(bitrate_bps: int, frame_samples: int) -> Encoding:
    """A room's own, whose bitrate and frame length these are."""
    return Encoding(OWN, DEFAULT.name, DEFAULT.name, bitrate_bps, frame_samples)


class LightConfig(Protocol):
    """What Studio light is made of, as `rtcserver.config.model.InstrumentConfig` says it."""

    @property
    def studio_light_bitrate_bps(self) -> int: ...

    @property
    def light_frame_samples(self) -> int: ...


def light_of(config: LightConfig) -> Encoding:
    """Studio light of a room."""
    return Encoding(
        _LIGHT_STREAM, LIGHT, DEFAULT.name, config.studio_light_bitrate_bps, config.light_frame_samples
    )


def encodings_of(bitrate_bps: int, frame_samples: int, light: Encoding | None = None) -> dict[str, Encoding]:
    """All encodings of a room by name, its own first, whose bitrate and frame length these are. light: Studio light, if
    there is to be any.

    Those of other codecs than the room's are for listeners that know no other, and nobody changes between codecs.
    """
    high_bps = max(bitrate_bps, min(HIGH_BPS, round(bitrate_bps * HIGH_SHARE)))
    found = [own_encoding(bitrate_bps, frame_samples)]
    found.append(Encoding(1, HIGH, DEFAULT.name, high_bps, frame_samples))
    found.append(Encoding(2, LOW, DEFAULT.name, LOW_BPS, LOW_FRAME_SAMPLES))
    for stream, name in enumerate(_TELEPHONY, _TELEPHONY_FIRST):
        found.append(Encoding(stream, name, name, 64_000, codec_named(name).frames[0]))
    if light is not None:
        found.append(light)
    return {encoding.name: encoding for encoding in found}
