"""A desktop's media controls: a message bus of its own, and its players, to which MPRIS brings media keys."""

from __future__ import annotations

import os
import re
import subprocess

from tests.rig.process import RigError, RigProcess, program, wait_until

_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path={socket}</listen><policy context="default">
<allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>
"""
_OBJECT = "/org/mpris/MediaPlayer2"
_PLAYER = "org.mpris.MediaPlayer2.Player"


class Desktop(RigProcess):
    """A session's message bus. `variables` make a program's media controls appear on it."""

    def __init__(self) -> None:
        super().__init__("desktop")

    @property
    def variables(self) -> dict[str, str]:
        return {"DBUS_SESSION_BUS_ADDRESS": f"unix:path={self.directory / 'bus'}"}

    def start(self) -> None:
        config = self.directory / "bus.conf"
        config.write_text(_CONFIG.format(socket=self.directory / "bus"))
        self._spawn(
            [program("dbus-daemon", "dbus"), f"--config-file={config}", "--nofork", "--nopidfile"],
            {**os.environ},
        )
        self._wait_ready((self.directory / "bus").exists)

    def players(self) -> list[str]:
        """Names of the players that can be controlled now."""
        said = self._send("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus.ListNames")
        return sorted(re.findall(r'"(org\.mpris\.MediaPlayer2\.[^"]+)"', said))

    def player(self, timeout_s: float = 20.0) -> str:
        """The one player's name, once there is one."""
        wait_until(lambda: len(self.players()) == 1, "media controls", timeout_s, 0.1)
        return self.players()[0]

    def status(self, player: str) -> str:
        """ "Playing", "Paused" or "Stopped"."""
        return self._property(player, "PlaybackStatus").partition('"')[2].partition('"')[0]

    def metadata(self, player: str) -> dict[str, str]:
        """What it shows: the texts by key, such as ``xesam:title``."""
        pairs = re.findall(
            r'dict entry\(\s*string "([^"]+)"\s*variant\s*(?:array \[\s*)?string "([^"]*)"',
            self._property(player, "Metadata"),
        )
        return dict(pairs)

    def press(self, player: str, key: str) -> None:
        """Press a key: "Play", "Pause", "PlayPause" or "Stop"."""
        self._send(player, _OBJECT, f"{_PLAYER}.{key}")

    def _property(self, player: str, name: str) -> str:
        method = "org.freedesktop.DBus.Properties.Get"
        return self._send(player, _OBJECT, method, f"string:{_PLAYER}", f"string:{name}")

    def _send(self, destination: str, path: str, method: str, *words: str) -> str:
        command = [program("dbus-send", "dbus"), "--session", "--print-reply", f"--dest={destination}"]
        done = subprocess.run(
            [*command, path, method, *words],
            env={**os.environ, **self.variables},
            capture_output=True,
            text=True,
            timeout=10,
        )
        if done.returncode:
            raise RigError(f"{method}: {done.stderr.strip()}")
        return done.stdout
