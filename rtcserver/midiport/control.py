"""What the server and a port process say to one another, over a socket like an instrument process's.

Down: ``start`` (once, first: `PortConfig`), ``play`` (``events``: [performer, hexadecimal, at_ns or 0] each),
``release`` (``performer``: drop what waits, let go of what sounds), ``silence`` (everybody), ``stop``.
Up: ``status`` (two a second, and at once when a port comes or goes), ``input`` (``events``: [hexadecimal,
at_ns] each).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any

from rtcserver.midi import message as m
from rtcserver.midi.profile import PortRules, Profile

STATUS_INTERVAL_NS = 500_000_000
EVENTS_PER_MESSAGE = 400
"""Short events in one control message; with System Exclusive fewer."""
BYTES_PER_MESSAGE = 16_384
"""MIDI bytes in one control message."""
PORT_COUNTS = (
    "sent",
    "received",
    "ignored",
    "malformed",
    "dropped",
    "early",
    "cancelled",
    "opened",
    "unsent",
)
"""What of a `PortStatus` counts up, from the start of its process on."""


@dataclass(frozen=True, slots=True)
class PortConfig:
    """What a port process opens.

    output, input: a name, a part of one, or empty: the profile's rules choose. api: ``auto``, ``alsa``,
    ``jack``, ``coremidi``, ``winmm``. rules: the profile's. channels: those that anything may sound on, from
    0. listen: whether there is an input at all.
    """

    output: str = ""
    input: str = ""
    api: str = "auto"
    rules: PortRules = field(default_factory=PortRules)
    channels: tuple[int, ...] = tuple(range(m.CHANNELS))
    listen: bool = True

    @classmethod
    def of(
        cls, profile: Profile, *, output: str = "", input: str = "", api: str = "auto", listen: bool = True
    ) -> PortConfig:
        """The configuration for an instrument of this profile."""
        return cls(output, input, api, profile.port, tuple(profile.channels), listen)

    def to_message(self) -> dict[str, Any]:
        return {"type": "start", **asdict(self)}

    @classmethod
    def from_message(cls, message: dict[str, Any]) -> PortConfig:
        rules = {key: tuple(value) for key, value in message["rules"].items()}
        return cls(
            message["output"],
            message["input"],
            message["api"],
            PortRules(**rules),
            tuple(message["channels"]),
            message["listen"],
        )


@dataclass(slots=True)
class PortStatus:
    """What a port process reports.

    state: ``live`` (the output is open) or ``missing`` (it is not; `error` says why, `code` for programs).
    output, input: names of the open ports, empty when closed. input_error: why there is no input.
    sent, received: messages; ignored: real-time messages that came in; malformed: faults of the input's byte
    stream; dropped: input that the server was too slow for; waiting: scheduled messages; early: scheduled
    messages played before their time because too many waited; cancelled: those dropped by a release;
    late_p99_ns, late_max_ns: how much later than asked the last thousand scheduled messages left; opened:
    times that the output was opened. The server itself counts unsent: messages that it could not hand over,
    since there was no process or it did not read.
    """

    state: str = "missing"
    error: str | None = None
    code: str | None = None
    api: str = ""
    output: str = ""
    input: str = ""
    input_error: str | None = None
    sent: int = 0
    received: int = 0
    ignored: int = 0
    malformed: int = 0
    dropped: int = 0
    waiting: int = 0
    early: int = 0
    cancelled: int = 0
    late_p99_ns: int = 0
    late_max_ns: int = 0
    opened: int = 0
    unsent: int = 0

    def to_message(self) -> dict[str, Any]:
        return {"type": "status", **asdict(self)}

    @classmethod
    def from_message(cls, message: dict[str, Any]) -> PortStatus:
        return cls(**{each.name: message[each.name] for each in fields(cls) if each.name in message})
