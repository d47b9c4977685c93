"""What a server says on the ``telemetry`` channel. PROTOCOL.md, "Server to client". Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping

from rtcserver.channel.wire import VERSION, ProtocolError

MAX_BYTES = 4096
"""UTF-8 bytes of the largest message of either side."""
MAX_PERFORMERS = 32
_PERFORMERS_BYTES = 2000
"""Leaves room for the rest of a ``welcome``."""


def pack(kind: str, members: Mapping[str, object]) -> str:
    """A message of either side. Raises `ProtocolError` if it is larger than `MAX_BYTES`."""
    try:
        text = json.dumps(
            {"type": kind, **members}, separators=(",", ":"), allow_nan=False, ensure_ascii=False
        )
        size = len(text.encode())
    except (TypeError, ValueError) as problem:
        raise ProtocolError(f"a {kind} message cannot be written: {problem}") from None
    if size > MAX_BYTES:
        raise ProtocolError(f"a {kind} message of {size} bytes", code="too_large")
    return text


def welcome(
    *,
    session: str,
    room: str,
    performer: int | None,
    mode: str,
    rtp_offset: int,
    media_time: int,
    profile: Mapping[str, object] | None,
    performers: list[tuple[int, str]],
    player: Mapping[str, object] | None = None,
    demo: Mapping[str, object] | None = None,
    muted: bool = False,
) -> str:
    """The answer to `hello`, and the news of a changed role. rtp_offset: rtp = (media time + it) mod 2³². muted: whether
    nothing is taken that it plays."""
    return pack(
        "welcome",
        {
            "version": VERSION,
            "session": session,
            "room": room,
            "role": "listener" if performer is None else "performer",
            "performer": performer,
            "mode": mode,
            "rtp_offset": rtp_offset,
            "media_time": media_time,
            "profile": profile,
            "performers": _performer_list(performers),
            "player": player,
            "demo": demo,
            "muted": muted,
            "limits": {},
        },
    )


def performers(present: list[tuple[int, str]]) -> str:
    """Who plays, by number: the first `MAX_PERFORMERS` of them, as far as they fit."""
    return pack("performers", {"performers": _performer_list(present)})


def selected(sound: str, channel: int | None, by: int) -> str:
    """A sound was chosen."""
    return pack("selected", {"sound": sound, "channel": channel, "by": by})


def demo(played: Mapping[str, object] | None) -> str:
    """The demo piece plays: ``since`` (media time of its beginning), ``round`` (samples); None: it plays no more."""
    return pack("demo", {"demo": played})


def tier(now: str, pinned: str | None, frame_ms: float, rates: Mapping[str, int]) -> str:
    """What the session is sent. rates: bits a second of each tier that it may have, from the best on."""
    return pack(
        "tier",
        {
            "tier": now,
            "pinned": pinned,
            "frame_ms": frame_ms,
            "tiers": [{"tier": t, "bps": bps} for t, bps in rates.items()],
        },
    )


def leaving(reason: str, message: str, after_ms: int) -> str:
    """The last message of a session: the server ends it. after_ms: when to come again, counted from its arrival."""
    return pack("leaving", {"reason": reason, "message": message, "after_ms": after_ms})


def error(code: str, message: str, of: str | None = None) -> str:
    """A refusal. `code`: stable word, `message`: one sentence, cut to 200 characters."""
    return pack("error", {"code": code, "message": message[:200], **({"of": of} if of else {})})


def _performer_list(present: list[tuple[int, str]]) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    size = 0
    for number, name in present[:MAX_PERFORMERS]:
        one: dict[str, object] = {"id": number, "name": name[:32]}
        size += len(json.dumps(one, separators=(",", ":"), ensure_ascii=False).encode()) + 1
        if size > _PERFORMERS_BYTES:
            break
        found.append(one)
    return found
