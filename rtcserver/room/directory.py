"""The rooms of this server: each an instrument under supervision, described for signaling."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from rtcserver.capture.kinds import kind_of
from rtcserver.children.liveness import Progress
from rtcserver.clock import MEDIA_RATE, NS
from rtcserver.config.model import RoomConfig, ServerConfig
from rtcserver.instrument.supervisor import InstrumentSupervisor

DRIFT_AFTER_S = 60
"""A device's clock is compared with this machine's over so long at least: blocks come a few milliseconds off their time."""


class Room:
    """One room: its configuration and its instrument."""

    def __init__(self, config: RoomConfig) -> None:
        self.config = config
        self.instrument = InstrumentSupervisor(config.name, config.instrument)

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def title(self) -> str:
        """What the page calls the room."""
        kind = kind_of(self.config.instrument)
        device = self.instrument.status.device if kind.named_by_device else ""
        return self.config.title or device or kind.title


class Rooms:
    """All rooms; the RoomDirectory of signaling. Loop-bound."""

    def __init__(
        self,
        config: ServerConfig,
        listeners: Callable[[str], int],
        processes: Callable[[], dict[str, dict[str, object]]],
        studio: Callable[[str], dict[str, object] | None] = lambda room: None,
    ) -> None:
        self._rooms = {name: Room(room) for name, room in config.rooms.items()}
        self._listeners = listeners
        self._processes = processes
        self._studio = studio
        self._live = config.live

    def __getitem__(self, name: str) -> Room:
        return self._rooms[name]

    def all(self) -> Sequence[Room]:
        """The rooms in the order of the configuration."""
        return list(self._rooms.values())

    def names(self) -> Sequence[str]:
        """Names of all rooms."""
        return list(self._rooms)

    def describe(self, name: str) -> dict[str, Any]:
        """The public JSON of a room; see `signaling.rooms.RoomDirectory`."""
        room = self._rooms[name]
        status, config = room.instrument.status, room.config.instrument
        kind = kind_of(config)
        progress = room.instrument.progress
        again = status.code == "restarting" and progress is not None
        starting = status.state != "live" and (status.error is None or again)
        return {
            "name": name,
            "title": room.title,
            "instrument": {
                "kind": kind.key,
                "title": kind.title,
                "name": status.device or config.device or kind.title,
                "state": status.state,
                "starting": starting,
                "error": _starting(status.error, progress) if starting else status.error,
                "note": status.note,
                "rate": status.rate,
                "channels": status.channels,
            },
            "audio": {"frame_ms": config.frame_ms, "bitrate_bps": status.bitrate_bps},
            "listeners": self._listeners(name),
            "live_opus": self._live,
            "studio": self._studio(name),
        }

    def health(self) -> dict[str, Any]:
        """Rooms and processes, for ``/healthz``."""
        processes: dict[str, dict[str, object]] = {
            f"instrument:{name}": {
                "pid": room.instrument.pid,
                "running": room.instrument.pid is not None,
                "restarts": room.instrument.restarts,
            }
            for name, room in self._rooms.items()
        }
        processes |= self._processes()
        live = all(room.instrument.status.state == "live" for room in self._rooms.values())
        running = all(process["running"] for process in processes.values())
        return {
            "status": "ok" if live and running else "degraded",
            "rooms": {name: self._room_health(room) for name, room in self._rooms.items()},
            "processes": processes,
        }

    @staticmethod
    def _room_health(room: Room) -> dict[str, Any]:
        status = asdict(room.instrument.status)
        behind_frames = status.pop("behind_blocks") * status["blocksize"]
        xruns = status["overflows"] + status["overruns"]
        config, anchor, origin = room.config.instrument, room.instrument.anchor, room.instrument.origin
        elapsed_s = (anchor.at_ns - origin.at_ns) / NS
        offset_s = (anchor.media_time - origin.media_time) / MEDIA_RATE - elapsed_s
        return {
            **status,
            "frame_ms": config.frame_ms,
            "clock_offset_s": offset_s,
            "drift_ppm": round(1e6 * offset_s / elapsed_s) if elapsed_s >= DRIFT_AFTER_S else None,
            "encoded_total": room.instrument.encoded,
            "xruns": xruns,
            "frames_behind": behind_frames,
        }


def _starting(error: str | None, progress: Progress | None) -> str:
    """What is waited for, after what was wrong before."""
    before = f"{error[0].upper()}{error[1:]}. " if error else ""
    loading = f": {progress}" if progress is not None else ""
    return f"{before}The instrument is starting{loading}."
