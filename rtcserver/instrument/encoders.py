"""The encoders of one room: its own for the whole life of the process, and further ones while somebody needs them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Any

from rtcserver.encode.codec import Encoder, codec_named
from rtcserver.encode.encoding import LIGHT, WARM_SAMPLES, Encoding
from rtcserver.encode.framing import Framer
from rtcserver.encode.pipeline import EncoderRun
from rtcserver.errors import DependencyError


class Encoders:
    """`runs` is what `rtcserver.encode.pipeline.EncodePipeline` takes, and follows `want`. Not thread-safe.

    own: the room's own encoding. Raises DependencyError if its library is missing.
    """

    def __init__(self, own: Encoding) -> None:
        self.own: Encoder = codec_named(own.codec).encoder(own.frame_samples, own.bitrate_bps)
        self.runs = [EncoderRun(own.stream, Framer(own.frame_samples), self.own)]
        self._further: dict[int, Encoding] = {}
        """Those that are wanted beside the room's own, by stream."""

    @property
    def names(self) -> list[str]:
        """Names of the further encodings at work."""
        return [encoding.name for encoding in self._further.values()]

    def want(self, wanted: Iterable[Mapping[str, Any]]) -> None:
        """Encode so from now on, beside the room's own: `Encoding.to_values` each. What is wanted no more ends.

        One whose library is missing is left out, and said on standard error.
        """
        asked = {encoding.stream: encoding for encoding in map(Encoding.from_values, wanted)}
        kept = {stream: e for stream, e in self._further.items() if asked.get(stream) == e}
        for run in [run for run in self.runs[1:] if run.stream not in kept]:
            self.runs.remove(run)
            run.encoder.close()
        self._further = kept
        for stream, encoding in asked.items():
            if stream in kept or stream == self.runs[0].stream:
                continue
            try:
                encoder = codec_named(encoding.codec).encoder(encoding.frame_samples, encoding.bitrate_bps)
            except DependencyError as error:
                print(f"{encoding.name} cannot be encoded: {error}", file=sys.stderr, flush=True)
                continue
            framer = Framer(encoding.frame_samples)
            run = EncoderRun(
                stream,
                framer,
                encoder,
                warm_samples=WARM_SAMPLES,
                codec=encoding.codec,
                apart=encoding.name == LIGHT,
            )
            self.runs.append(run)
            self._further[stream] = encoding
