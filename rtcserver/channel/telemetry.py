"""The JSON of the ``telemetry`` channel: what is accepted, what is refused. Pure.

PROTOCOL.md, "telemetry". `parse_client` and `parse_server` raise `ProtocolError` and nothing else. What a server
sends is built in `rtcserver.channel.announce`; `rtcserver.channel.telemetry_peer` adds the limits of a session.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NoReturn, cast

from rtcserver.channel import studio
from rtcserver.channel.announce import MAX_BYTES
from rtcserver.channel.studio import StudioQuality, StudioReady, StudioReport
from rtcserver.channel.wire import SAFE, VERSION, ProtocolError, clamped

MAX_SYSEX = 1024

STATS_FIELDS: Mapping[str, tuple[float, float]] = {
    "interval_ms": (0, 60_000),
    # Since the report before; samples at 48 kHz.
    "packets": (0, 100_000),
    "lost": (0, 100_000),
    "discarded": (0, 100_000),
    "nacks": (0, 100_000),
    "bytes": (0, 100_000_000),
    "played": (0, 10_000_000),
    "concealed": (0, 10_000_000),
    "silent_concealed": (0, 10_000_000),
    "concealments": (0, 100_000),
    "inserted": (0, 10_000_000),
    "removed": (0, 10_000_000),
    # Means of the interval.
    "buffer_ms": (0, 10_000),
    "target_ms": (0, 10_000),
    "jitter_ms": (0, 10_000),
    "rtt_ms": (0, 60_000),
    "playout_ms": (0, 10_000),
    "output_ms": (0, 10_000),
    "latency_ms": (0, 60_000),
    # Studio: the ring.
    "studio_level_ms": (0, 10_000),
    "studio_target_ms": (0, 10_000),
    "studio_lost": (0, 100_000),
    "studio_underruns": (0, 100_000),
    "studio_trimmed_ms": (0, 60_000),
    # The midi channel.
    "midi_events": (0, 100_000),
    "midi_missed": (0, 100_000),
    "midi_repaired": (0, 100_000),
    "midi_skew_ms": (-10_000, 10_000),
    "clock_rtt_ms": (0, 60_000),
    "hidden": (0, 1),
    # Whether the media comes by a TURN server.
    "relayed": (0, 1),
}
"""What a report may say, with the range that it is clamped to."""


@dataclass(frozen=True, slots=True)
class Hello:
    """The first message, and the news of another name. name: printable, at most 32 characters, "" for none; None says
    nothing of it."""

    version: int
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Auth:
    """A signed token that makes its bearer a performer; not checked here."""

    token: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Stats:
    """One report; see `STATS_FIELDS`. Values are clamped, what was absent or null is not in it."""

    values: dict[str, float]


@dataclass(frozen=True, slots=True)
class Select:
    """Choose a sound by its id in the profile. channel: 0–15, or None for the profile's own."""

    sound: str
    channel: int | None = None


@dataclass(frozen=True, slots=True)
class Panic:
    """Release one's own notes, or silence everyone."""

    everyone: bool = False


@dataclass(frozen=True, slots=True)
class PlayerCommand:
    """Tell the player of MIDI files what to do.

    file: with play, None to go on. position_s: with seek. tempo: a factor, with tempo.
    """

    action: Literal["play", "pause", "stop", "seek", "tempo"]
    file: str | None = None
    position_s: float | None = None
    tempo: float | None = None


@dataclass(frozen=True, slots=True)
class Sysex:
    """System Exclusive bytes, F0 to F7. Whether they are granted is for the desk to say."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Pin:
    """Be sent one tier, high, middle or low, whatever the network does; None: what it carries."""

    tier: str | None


ClientMessage = (
    Hello
    | Auth
    | Stats
    | Select
    | Panic
    | PlayerCommand
    | Sysex
    | Pin
    | StudioReady
    | StudioReport
    | StudioQuality
)
TYPES: Mapping[type[ClientMessage], str] = {
    Hello: "hello",
    Auth: "auth",
    Stats: "stats",
    Select: "select",
    Panic: "panic",
    PlayerCommand: "player",
    Sysex: "sysex",
    Pin: "tier",
    StudioReady: "studio_ready",
    StudioReport: "studio_report",
    StudioQuality: "studio_quality",
}
"""What each is called in JSON."""
SERVER_TYPES = frozenset(
    (
        "welcome",
        "performers",
        "selected",
        "player",
        "demo",
        "studio_redundancy",
        "studio_quality",
        "tier",
        "leaving",
        "error",
    )
)
"""What a server's messages are called."""


def parse_client(text: bytes | str) -> ClientMessage:
    """Parse what a client sends. Raises `ProtocolError`, whose `code` goes into an ``error`` message."""
    members = _object(text)
    kind = members.get("type")
    parser = _PARSERS.get(kind) if isinstance(kind, str) else None
    if parser is None:
        raise ProtocolError("the type of this message is unknown", code="unknown_type")
    try:
        return parser(members)
    except ProtocolError as problem:
        problem.of = kind
        raise


def parse_server(text: bytes | str) -> dict[str, Any]:
    """Parse what a server sends: an object with a known `type`. Raises `ProtocolError`.

    Of a ``welcome``, `rtp_offset` and `media_time` are checked, since clocks are built on them; of a
    ``leaving``, `after_ms`.
    """
    members = _object(text)
    kind = members.get("type")
    if not isinstance(kind, str) or kind not in SERVER_TYPES:
        raise ProtocolError("the type of this message is unknown", code="unknown_type")
    if kind == "welcome":
        if members.get("version") != VERSION:
            raise ProtocolError(f"a server of version {members.get('version')!r}", code="unknown_version")
        _integer(members, "rtp_offset", 0, 0xFFFF_FFFF)
        _integer(members, "media_time", -SAFE, SAFE)
    elif kind == "tier":
        _number(members, "frame_ms", 0, 1_000)
        tiers = members.get("tiers")
        if not isinstance(tiers, list) or not all(map(_is_tier, tiers)):
            raise ProtocolError("tiers is not a list of tiers and their bits a second")
    elif kind == "leaving":
        _integer(members, "after_ms", 0, 120_000)
    return members


def _is_tier(item: object) -> bool:
    return (
        isinstance(item, dict)
        and isinstance(item.get("tier"), str)
        and isinstance(item.get("bps"), int)
        and item["bps"] > 0
    )


def _object(text: bytes | str) -> dict[str, Any]:
    if not isinstance(text, str):
        raise ProtocolError("the telemetry channel carries text, not bytes")
    # The first test bounds what the second one costs.
    if len(text) > MAX_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise ProtocolError(f"more than {MAX_BYTES} bytes", code="too_large")
    try:
        members = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise ProtocolError("not JSON") from None
    if not isinstance(members, dict):
        raise ProtocolError("not a JSON object")
    return cast(dict[str, Any], members)


def _no_constant(name: str) -> NoReturn:
    """JSON has no NaN and no infinities (RFC 8259, section 6); Python's parser would take them."""
    raise ValueError(name)


def _text(members: dict[str, Any], name: str, longest: int) -> str:
    value = members.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= longest or not value.isprintable():
        raise ProtocolError(f"{name} is not a text of 1–{longest} printable characters")
    return value


def _name(members: dict[str, Any]) -> str | None:
    """What a person typed: mended, not refused. None where nothing is said, "" to be called nothing any more."""
    value = members.get("name")
    if value is None:
        return None
    if not isinstance(value, str):
        raise ProtocolError("name is not a text")
    return "".join(c if c.isprintable() else " " for c in value).strip()[:32].strip()


def _number(members: dict[str, Any], name: str, low: float, high: float) -> float:
    value = members.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ProtocolError(f"{name} is not a number in {low:g}–{high:g}")
    return float(value)


def _integer(members: dict[str, Any], name: str, low: int, high: int) -> int:
    value = members.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ProtocolError(f"{name} is not an integer in {low}–{high}")
    return value


def _boolean(members: dict[str, Any], name: str) -> bool:
    value = members.get(name, False)
    if not isinstance(value, bool):
        raise ProtocolError(f"{name} is not true or false")
    return value


def _parse_hello(members: dict[str, Any]) -> Hello:
    version = members.get("version")
    if isinstance(version, bool) or version != VERSION:
        raise ProtocolError(f"this server speaks version {VERSION}", code="unknown_version")
    return Hello(VERSION, _name(members))


def _parse_auth(members: dict[str, Any]) -> Auth:
    return Auth(_text(members, "token", 1024), _name(members))


def _parse_stats(members: dict[str, Any]) -> Stats:
    return Stats(clamped(members, STATS_FIELDS))


def _parse_select(members: dict[str, Any]) -> Select:
    channel = members.get("channel")
    return Select(
        _text(members, "sound", 64), None if channel is None else _integer(members, "channel", 0, 15)
    )


def _parse_panic(members: dict[str, Any]) -> Panic:
    return Panic(_boolean(members, "all"))


def _parse_player(members: dict[str, Any]) -> PlayerCommand:
    match members.get("action"):
        case "play":
            return PlayerCommand(
                "play", file=None if members.get("file") is None else _text(members, "file", 64)
            )
        case "pause":
            return PlayerCommand("pause")
        case "stop":
            return PlayerCommand("stop")
        case "seek":
            return PlayerCommand("seek", position_s=_number(members, "position_s", 0, 86_400))
        case "tempo":
            return PlayerCommand("tempo", tempo=_number(members, "tempo", 0.25, 4))
        case _:
            raise ProtocolError("action is not play, pause, stop, seek or tempo")


def _parse_sysex(members: dict[str, Any]) -> Sysex:
    text = members.get("data")
    try:
        data = bytes.fromhex(text) if isinstance(text, str) else b""
    except ValueError:
        data = b""
    if len(data) > MAX_SYSEX:
        raise ProtocolError(f"more than {MAX_SYSEX} bytes of SysEx", code="too_large")
    if len(data) < 3 or data[0] != 0xF0 or data[-1] != 0xF7 or max(data[1:-1]) > 0x7F:
        raise ProtocolError("data is not one SysEx message in hexadecimal")
    return Sysex(data)


def _parse_tier(members: dict[str, Any]) -> Pin:
    tier = members.get("tier")
    if tier is not None and tier not in ("high", "middle", "low"):
        raise ProtocolError("tier is not high, middle, low or null")
    return Pin(tier)


_PARSERS: dict[str, Callable[[dict[str, Any]], ClientMessage]] = {
    "hello": _parse_hello,
    "auth": _parse_auth,
    "stats": _parse_stats,
    "select": _parse_select,
    "panic": _parse_panic,
    "player": _parse_player,
    "sysex": _parse_sysex,
    "tier": _parse_tier,
    "studio_ready": studio.parse_ready,
    "studio_report": studio.parse_report,
    "studio_quality": studio.parse_quality,
}
