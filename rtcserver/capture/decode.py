"""A sound file → stereo samples at one rate, piece by piece, once from its beginning to its end.

What cannot be decoded is left out and counted. Rate, sample format and layout may change inside the file, as in chained
Ogg streams or joined MP3 files.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rtcserver.capture.downmix import matrix
from rtcserver.capture.first_bytes import instead_of_sound, wav_says_too_little
from rtcserver.capture.ogg import Part, next_link
from rtcserver.errors import InstrumentError

Samples = npt.NDArray[np.float32]
"""``(frames, 2)`` float32 in [-1, 1]."""

RATES = (1_000, 768_000)
"""Sample rates in a file that are believed, in Hz."""
MAX_SECONDS = 24 * 3600
"""What lies behind is left out: no header is believed, so that a file cannot claim to last for ever."""
MAX_READ_ERRORS = 100
"""Errors in a row, of a disk or of the file's structure, after which the rest is left out."""
MIN_GAP_S, MAX_GAP_S = 0.1, 10.0
"""Jumps of a file's times that are filled with silence; a longer one is no gap but a wrong time."""

_NEGATIVE = 1 << 31
_RAW_FORMATS = frozenset(("mp3", "aac", "ac3", "eac3", "dts", "mpeg", "loas"))
"""Formats without times of their own: what is no packet there (a tag, a page of text) took no time."""


@dataclass(slots=True)
class Tally:
    """What one pass over a file met.

    packets: all; lost: those that could not be decoded. missing_s: seconds that are not in the file, by its own times.
    unread: places at which the file's structure is broken.
    rest: why the rest of the file was left out; strange: what else was; both as clauses.
    frames: delivered, at the stream's rate. complete: the pass is over.
    """

    packets: int = 0
    lost: int = 0
    missing_s: float = 0.0
    unread: int = 0
    rest: str = ""
    strange: str = ""
    frames: int = 0
    complete: bool = False

    def note(self, name: str) -> str | None:
        """One line about what was left out of the file `name`; None if nothing was."""
        said = []
        if self.lost:
            so_far = "" if self.complete else " so far"
            said.append(
                f"{self.lost:,} packet{'' if self.lost == 1 else 's'} of {self.packets:,} could not be decoded{so_far}"
            )
        if self.missing_s:
            said.append(f"{self.missing_s:.1f} s are missing in it")
        if self.unread > 0 and not self.rest:
            said.append(f"{self.unread:,} place{'' if self.unread == 1 else 's'} in it could not be read")
        said += filter(None, (self.rest, self.strange))
        return f"{name}: {'; '.join(said)}." if said else None


def decode(path: Path, rate: int, tally: Tally) -> Iterator[Samples]:
    """The first audio stream of a file at `rate` Hz, in pieces as its packets hold them.

    Raises InstrumentError that names the file and what is wrong, when nothing of it can be played.
    """
    import av

    reader = _Reader(path, rate, tally)
    try:
        for samples in reader.read():
            tally.frames += len(samples)
            yield samples
            if tally.frames > MAX_SECONDS * rate:
                tally.rest = f"only its first {MAX_SECONDS // 3600} hours are played"
                break
    except av.FFmpegError as error:
        raise _unreadable(path, error) from error
    if not tally.frames:
        reason = f": none of its {tally.packets:,} packets can be decoded" if tally.lost else ""
        said = instead_of_sound(path)
        raise InstrumentError(
            f"file: {path.name} holds no samples{reason or (said and f': {said}')}", code="format"
        )
    tally.complete = True


def _open(path: Path, tally: Tally) -> Any:
    """The file's container. Raises InstrumentError."""
    import av

    try:
        if not path.exists():
            raise InstrumentError(f"file: {path} does not exist", code="missing")
        if not path.is_file():
            kind = "a folder" if path.is_dir() else "not a regular file"
            raise InstrumentError(f"file: {path} is {kind}; name a sound file", code="missing")
        options = {}
        if wav_says_too_little(path):
            options["ignore_length"] = "1"
            tally.strange = "it has more sound than its header says"
        # With the protocol in front, a colon in the name is no protocol.
        return av.open(f"file:{path.absolute()}", metadata_errors="replace", options=options)
    except av.FFmpegError as error:
        raise _unreadable(path, error) from error
    except (OSError, ValueError) as error:
        # A name may hold a zero byte, or be none in the locale's encoding.
        reason = getattr(error, "strerror", None) or error
        raise InstrumentError(f"file: {path} cannot be read: {reason}", code="missing") from error


def _unreadable(path: Path, error: Any) -> InstrumentError:
    import av

    said = error.strerror
    if isinstance(error, av.InvalidDataError):
        said = "it is in no format that is known, or damaged"
    with contextlib.suppress(OSError):
        said = instead_of_sound(path) or said
    return InstrumentError(f"file: {path.name} cannot be read as sound: {said}", code="format")


class _Reader:
    """One pass over a file: its packets, decoded and converted."""

    def __init__(self, path: Path, rate: int, tally: Tally) -> None:
        self._path = path
        self._tally = tally
        self._converter = _Converter(rate)
        self._timed = True
        self._position = 0
        """Where in the file the last packet was."""
        self._lead: int | None = None
        """Time of the first decoded frame, in the stream's units."""
        self._expected: float | None = None
        """When the next packet is due, in seconds of the file's own time."""

    def read(self) -> Iterator[Samples]:
        """All the sound. Raises InstrumentError, av.FFmpegError."""
        with _open(self._path, self._tally) as container:
            yield from self._container(container)
            chained = container.format.name == "ogg" and self._tally.unread
        if chained:
            yield from self._links()
        yield from self._converter.flush()

    def _links(self) -> Iterator[Samples]:
        """What lies behind a link that FFmpeg does not play on into."""
        import av

        with self._path.open("rb") as file:
            begin = next_link(file, self._position)
            while begin is not None:
                with (
                    contextlib.suppress(av.FFmpegError, InstrumentError),
                    av.open(Part(file, begin), format="ogg", metadata_errors="replace") as container,
                ):
                    # FFmpeg stopped where this link begins.
                    self._tally.unread -= 1
                    yield from self._container(container, begin)
                begin = next_link(file, max(begin, self._position))

    def _container(self, container: Any, begin: int = 0) -> Iterator[Samples]:
        """The sound of one container, which begins at a place of the file. Raises InstrumentError."""
        stream = next((s for s in container.streams.audio if s.codec_context is not None), None)
        if stream is None:
            missing = (
                "sound with a codec that is known" if container.streams.audio else "sound, only pictures"
            )
            missing = missing if container.streams else "sound"
            said = instead_of_sound(self._path)
            raise InstrumentError(
                f"file: {self._path.name} has no {missing}{said and f': {said}'}", code="format"
            )
        # Other threads would hold many decoded frames, and gain nothing at the pace of playing.
        stream.codec_context.thread_type = "NONE"
        self._timed = not _RAW_FORMATS & set(container.format.name.split(","))
        self._expected = self._lead = None
        for packet in self._packets(container, stream):
            # The last one is empty: it gets out what the decoder holds back.
            self._tally.packets += packet.size > 0
            if packet.pos is not None and packet.pos >= 0:
                self._position = begin + packet.pos
            yield from self._gap(packet)
            yield from self._sound(packet)

    def _packets(self, container: Any, stream: Any) -> Iterator[Any]:
        """All packets that can be read, over errors of the file's structure in between."""
        import av

        errors = 0
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except av.FFmpegError as error:
                errors += 1
                self._tally.unread += errors == 1
                if errors == MAX_READ_ERRORS:
                    self._tally.rest = f"the rest could not be read ({error.strerror})"
                    return
                packets = container.demux(stream)
                continue
            errors = 0
            yield packet

    def _gap(self, packet: Any) -> Iterator[Samples]:
        """Silence for what the file's times say is missing before a packet."""
        if not self._timed or packet.pts is None or not packet.time_base:
            return
        at = float(packet.pts * packet.time_base)
        if self._expected is not None and MIN_GAP_S < (gap := at - self._expected) <= MAX_GAP_S:
            self._tally.missing_s += gap
            yield self._converter.silence(gap)
        self._expected = at + float(packet.duration * packet.time_base) if packet.duration else None

    def _kept(self, packet: Any, frame: Any) -> int | None:
        """How much of a frame is in the file; None for all of it.

        FFmpeg 8.0 (and 5.1) cuts off the end of an Ogg Vorbis file by its last page's position, but not where that
        is the only page of sound: there its times are late by the first packet, which decodes to nothing, and the
        duration of the last one comes out negative, as an unsigned number.
        """
        if not self._timed or not packet.duration or packet.duration < _NEGATIVE or self._lead is None:
            return None
        kept: int = min(packet.duration - 2 * _NEGATIVE + self._lead, frame.samples)
        return max(0, kept)

    def _sound(self, packet: Any) -> Iterator[Samples]:
        """What one packet sounds like; if it cannot be decoded, silence where the file says how long it is."""
        import av

        try:
            frames = packet.decode()
        except (av.FFmpegError, ValueError):
            self._tally.lost += 1
            if self._timed and self._tally.frames and packet.duration and packet.time_base:
                yield self._converter.silence(min(float(packet.duration * packet.time_base), 1.0))
            return
        for frame in frames:
            if self._lead is None and frame.pts is not None:
                self._lead = frame.pts
            if RATES[0] <= frame.sample_rate <= RATES[1]:
                kept = self._kept(packet, frame)
                yield from (
                    self._converter.convert(frame) if kept is None else self._converter.last(frame, kept)
                )
            else:
                self._tally.strange = f"sound of {frame.sample_rate:,} Hz is left out"


class _Converter:
    """Frames of any rate, format and layout → `Samples`. The resampler is made anew where they change."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._kind: tuple[object, ...] = ()
        self._resampler: Any = None
        self._matrix = np.eye(2, dtype=np.float32)

    def convert(self, frame: Any) -> Iterator[Samples]:
        """One decoded frame's samples, less what the resampler holds back."""
        import av

        kind = (frame.sample_rate, frame.format.name, frame.layout.name)
        if kind != self._kind:
            yield from self.flush()
            self._kind = kind
            # The layout stays: FFmpeg's own way to stereo makes mono quieter, and clips six loud channels.
            # Interleaved: PyAV 18.1 ended the process where planar frames were asked for.
            self._resampler = av.AudioResampler("flt", frame.layout, self._rate)
            self._matrix = matrix([channel.name for channel in frame.layout.channels])
        # Times jump where something was lost; samples follow upon one another.
        frame.pts = None
        yield from self._stereo(self._resampler.resample(frame))

    def last(self, frame: Any, kept: int) -> Iterator[Samples]:
        """The last frame, of which only its first `kept` samples count."""
        left = round(kept * self._rate / frame.sample_rate)
        for samples in [*self.convert(frame), *self.flush()]:
            if left > 0:
                yield samples[:left]
            left -= len(samples)

    def flush(self) -> Iterator[Samples]:
        """What the resampler holds back."""
        if self._resampler is not None:
            yield from self._stereo(self._resampler.resample(None))
            self._resampler, self._kind = None, ()

    def silence(self, seconds: float) -> Samples:
        """Nothing, for so long."""
        return np.zeros((round(seconds * self._rate), 2), np.float32)

    def _stereo(self, frames: list[Any]) -> Iterator[Samples]:
        for frame in frames:
            if frame is None or not frame.samples:
                continue
            channels = frame.to_ndarray().reshape(-1, len(self._matrix))
            # A float file may hold what is no number, and what is beyond full scale.
            if not np.isfinite(channels).all():
                channels = np.nan_to_num(channels, nan=0.0, posinf=1.0, neginf=-1.0)
            yield np.clip(channels @ self._matrix, -1.0, 1.0)
