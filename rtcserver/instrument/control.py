"""What the server and an instrument process say to one another.

As in `rtcserver.children.control_socket`.

Down: ``start`` (once, first), ``add_feed`` (with one descriptor), ``set_bitrate``, ``midi``
(``events``: [performer, hexadecimal, at_ns or 0] each), ``midi_release`` (``performer``), ``midi_silence``,
``read`` (``packets``, ``blocks``: whether anybody reads the room's packets, and PCM),
``encodings`` (``wanted``: `rtcserver.encode.encoding.Encoding.to_values` of each beside the room's own),
``timings`` (with ``reset``: forget the durations after the answer), ``stop``. Up: ``status`` (five a second; one while
nobody reads), ``timings`` (on request).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rtcserver.clock import NS

STATUS_INTERVAL_NS = 200_000_000
IDLE_STATUS_NS = NS
"""While nobody reads: often enough for a process that hangs to be noticed as soon as ever."""
EXIT_STALLED = 4
"""Exit code of a process whose open device delivered nothing for too long."""


@dataclass(slots=True)
class InstrumentStatus:
    """What an instrument process reports five times a second, and once a second while nobody reads.

    state: ``live`` (blocks arrive, or would) or ``silent`` (no device; `error` says why, `code` for programs).
    resting: it plays nothing, as nobody listens and nobody plays, and begins with the first who does.
    note: what is left out of what the instrument plays, though it sounds: one line for people.
    media_time, at_ns: the capture clock: this media time was converted at this monotonic time.
    base: media time of the epoch's first device frame.
    frames: device frames since the epoch began, lost ones included.
    behind_blocks: blocks that wait for the encoder at the moment.
    encode_ns: time that the `encoded` packets took to encode, in all.
    starved_frames: frames of silence that the instrument played because its sound was not ready in time.
    dropped_messages: MIDI messages that it dropped as too many waited.
    demo_ns: monotonic ns at which the demo piece began that it plays; 0 while it plays none.
    coded: whether the room's own encoding is made. further: names of the encodings that are made beside the room's own.
    peak: largest magnitude left and right since the last status, linear.
    """

    state: str = "silent"
    resting: bool = False
    demo_ns: int = 0
    coded: bool = False
    error: str | None = None
    code: str | None = None
    note: str | None = None
    device: str = ""
    rate: int = 0
    channels: int = 0
    blocksize: int = 0
    sample_format: str = ""
    exact: bool = False
    epoch: int = 0
    media_time: int = 0
    at_ns: int = 0
    base: int = 0
    frames: int = 0
    lost_frames: int = 0
    overflows: int = 0
    overruns: int = 0
    behind_blocks: int = 0
    encoded: int = 0
    encode_ns: int = 0
    starved_frames: int = 0
    dropped_messages: int = 0
    feed_dropped: int = 0
    bitrate_bps: int = 0
    further: list[str] = field(default_factory=list)
    peak: list[float] = field(default_factory=lambda: [0.0, 0.0])

    def to_message(self) -> dict[str, Any]:
        """Shares its lists with the status. As `dataclasses.asdict`, which copies them and takes ten times as long."""
        return {"type": "status", **{name: getattr(self, name) for name in self.__dataclass_fields__}}

    @classmethod
    def from_message(cls, message: dict[str, Any]) -> InstrumentStatus:
        known = {name: message[name] for name in cls.__dataclass_fields__ if name in message}
        return cls(**known)
