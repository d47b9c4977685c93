"""What signaling knows of rooms. Implemented by whoever wires the server together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from aiohttp import web

from rtcserver.errors import PeerError
from signaling.headers import printable


class RoomDirectory(Protocol):
    """The rooms of this server. Loop-bound; every call returns at once."""

    def names(self) -> Sequence[str]:
        """Names of all rooms, in the order of the configuration. They do not change while serving."""

    def describe(self, name: str) -> dict[str, Any]:
        """The public JSON of a room that exists::

            {"name": "main", "title": "...",
             "instrument": {"kind": "...", "name": "...", "state": "live" or "silent",
                            "starting": whether it loads or is opened ("error" says what is waited for),
                            "error": None or a sentence, "note": None or a sentence (what of a
                            file is left out), "rate": Hz, "channels": n},
             "audio": {"frame_ms": 10, "bitrate_bps": 160000},
             "listeners": n,
             "live_opus": whether `signaling.live` has its sound for other players,
             "studio": None or {"listeners": n, "limit": n, "rate": Hz, "bits": 16 or 24, "frames": n,
                                "mbps": x, "packets_per_s": x, ...}}

        Raises `KeyError` for an unknown name.
        """

    def health(self) -> dict[str, Any]:
        """``{"status": "ok" or "degraded", "rooms": {...}, "processes": {...}}``; JSON-serialisable."""


SILENT = "It may be switched off or unplugged."
LOADS = "It is loading."


def for_listeners(described: dict[str, Any]) -> dict[str, Any]:
    """What `RoomDirectory.describe` says, as listeners are told it: what is wrong with the instrument is said without the
    names of files, devices and settings, with which only its owner can do something."""
    instrument = described["instrument"]
    error = instrument.get("error") and (LOADS if instrument.get("starting") else SILENT)
    return described | {"instrument": instrument | {"error": error, "note": None}}


def title_of(rooms: RoomDirectory, name: str) -> str:
    """What the page calls a room that exists, without what cannot be shown."""
    return printable(str(rooms.describe(name)["title"])) or name


def existing(rooms: RoomDirectory, request: web.Request) -> str:
    """The room that a request's address names. Raises PeerError(404) if there is none of this name."""
    name = request.match_info["room"]
    if name not in rooms.names():
        raise PeerError(404, "no_such_room", "There is no room of this name.")
    return name
