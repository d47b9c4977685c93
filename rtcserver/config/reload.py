"""Which keys a running server takes over when its configuration is read again (SIGHUP), and which differ. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from rtcserver.config.model import INSTRUMENT_KEYS, SERVER_KEYS, ServerConfig

LIMITS = frozenset(
    {
        "max_listeners",
        "max_listeners_per_room",
        "studio_listeners",
        "studio_light_listeners",
        "max_live_per_address",
        "max_half_open",
        "max_half_open_per_address",
        "shared_addresses",
        "max_connections",
        "max_connections_per_address",
        "max_media_connections",
        "max_media_connections_per_address",
        "max_requests_per_minute",
        "max_offers_per_minute",
        "max_uploads_per_minute",
    }
)
"""What is asked for each newcomer anew. Limits of what is open already, as of a session's channels, are not."""
PAGES = frozenset({"allowed_hosts", "allowed_origins"})
ICE = frozenset(
    {
        "ice_servers",
        "turn_secret",
        "turn_secret_file",
        "turn_lifetime_s",
        "turn_username",
        "turn_password",
        "turn_password_file",
    }
)
"""What the next listener is told of STUN and TURN servers."""
RELOADABLE = frozenset({"bitrate_bps", "log_level", "title"}) | LIMITS | PAGES | ICE
"""Keys that are taken over, besides the rules of access, the users and the rooms' titles. All others wait."""


@dataclass(frozen=True, slots=True)
class Reload:
    """What reading the configuration again brings.

    config: the one to go on with: the old one with all that is taken over. rules, limits, pages: whether rules of access
    or users, keys of `LIMITS`, keys of `PAGES` have changed. bitrates_bps, titles: by room, where they changed.
    log_level: where it changed, else None. waiting: other keys that differ, sorted, such as ``port`` or
    ``rooms.main.device``; ``rooms.NAME`` is a room that came or went.
    """

    config: ServerConfig
    bitrates_bps: Mapping[str, int]
    titles: Mapping[str, str]
    log_level: str | None
    waiting: tuple[str, ...]
    rules: bool = False
    limits: bool = False
    pages: bool = False


def compare(old: ServerConfig, new: ServerConfig) -> Reload:
    """What changes in a running server."""
    changed = {key for key in SERVER_KEYS if getattr(old, key) != getattr(new, key)}
    waiting = changed - RELOADABLE
    waiting |= {f"rooms.{name}" for name in old.rooms.keys() ^ new.rooms.keys()}
    rooms = dict(old.rooms)
    bitrates: dict[str, int] = {}
    titles: dict[str, str] = {}
    for name in old.rooms.keys() & new.rooms.keys():
        before, after = old.rooms[name], new.rooms[name]
        if before.title != after.title:
            titles[name] = after.title
        differing = {
            key
            for key in INSTRUMENT_KEYS
            if getattr(before.instrument, key) != getattr(after.instrument, key)
        }
        waiting |= {f"rooms.{name}.{key}" for key in differing - RELOADABLE}
        instrument = before.instrument
        if "bitrate_bps" in differing:
            bitrates[name] = after.instrument.bitrate_bps
            instrument = replace(instrument, bitrate_bps=after.instrument.bitrate_bps)
        rooms[name] = replace(before, title=after.title, instrument=instrument)
    taken = {key: getattr(new, key) for key in changed & RELOADABLE}
    return Reload(
        replace(old, rooms=rooms, access=new.access, users=new.users, **taken),
        bitrates,
        titles,
        new.log_level if new.log_level != old.log_level else None,
        tuple(sorted(waiting)),
        rules=(old.access, old.users) != (new.access, new.users),
        limits=bool(changed & LIMITS),
        pages=bool(changed & PAGES),
    )
