"""Which keys a running server takes over when its configuration is read again (SIGHUP), and which differ. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from rtcserver.config.model import INSTRUMENT_KEYS, SERVER_KEYS, ServerConfig

RELOADABLE = frozenset({"bitrate_bps", "log_level"})
"""All others take effect at the next start, but for the rules of access and the users."""


@dataclass(frozen=True, slots=True)
class Reload:
    """What reading the configuration again brings.

    config: the one to go on with: the old one with the new rules of access, users and values of `RELOADABLE` keys.
    rules: whether rules of access or users have changed. bitrates_bps: by room,
    where it changed. log_level: where it changed, else None. waiting: other keys that differ, sorted, such as
    ``port`` or ``rooms.main.device``; ``rooms.NAME`` is a room that came or went.
    """

    config: ServerConfig
    bitrates_bps: Mapping[str, int]
    log_level: str | None
    waiting: tuple[str, ...]
    rules: bool = False


def compare(old: ServerConfig, new: ServerConfig) -> Reload:
    """What changes in a running server."""
    waiting = {key for key in SERVER_KEYS if key not in RELOADABLE and getattr(old, key) != getattr(new, key)}
    waiting |= {f"rooms.{name}" for name in old.rooms.keys() ^ new.rooms.keys()}
    rooms = dict(old.rooms)
    bitrates: dict[str, int] = {}
    for name in old.rooms.keys() & new.rooms.keys():
        before, after = old.rooms[name], new.rooms[name]
        if before.title != after.title:
            waiting.add(f"rooms.{name}.title")
        differing = {
            key
            for key in INSTRUMENT_KEYS
            if getattr(before.instrument, key) != getattr(after.instrument, key)
        }
        waiting |= {f"rooms.{name}.{key}" for key in differing - RELOADABLE}
        if "bitrate_bps" in differing:
            bitrates[name] = after.instrument.bitrate_bps
            instrument = replace(before.instrument, bitrate_bps=after.instrument.bitrate_bps)
            rooms[name] = replace(before, instrument=instrument)
    return Reload(
        replace(old, rooms=rooms, log_level=new.log_level, access=new.access, users=new.users),
        bitrates,
        new.log_level if new.log_level != old.log_level else None,
        tuple(sorted(waiting)),
        (old.access, old.users) != (new.access, new.users),
    )
