"""python-rtmidi in a thin shell: port names, one open output and one open input.

rtmidi calls the input's callback on a thread of its own (with JACK, the audio thread).
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rtcserver.errors import ConfigError, DependencyError, InstrumentError
from rtcserver.midiport.ports import CLIENT_NAME

_APIS = {
    "alsa": "API_LINUX_ALSA",
    "jack": "API_UNIX_JACK",
    "coremidi": "API_MACOSX_CORE",
    "winmm": "API_WINDOWS_MM",
}
_SEQUENCER = Path("/dev/snd/seq")
_LISTENS = "00010000"
"""Flag of a listening socket in /proc/net/unix (__SO_ACCEPTCON)."""
MAX_JACK_BYTES = 16_379
"""Bytes of the longest message that python-rtmidi 1.5.8 carries over JACK; longer ones vanish without an error."""
_HINTS = {
    "alsa": "ALSA's sequencer /dev/snd/seq is missing or not readable (modprobe snd-seq; group audio; in a "
    "container: --device /dev/snd)",
    "jack": "no JACK server runs",
}

Callback = Callable[[tuple[list[int], float], Any], None]


def load_rtmidi() -> Any:
    """The rtmidi module. Raises DependencyError with the command that installs what it needs."""
    try:
        import rtmidi
    except ImportError as error:
        raise DependencyError(
            f"python-rtmidi cannot be loaded ({error}); install ALSA with: sudo apt-get install libasound2"
        ) from error
    return rtmidi


def resolve_api(api: str, rtmidi: Any) -> str:
    """The name of the API that `api` (perhaps ``auto``) means here. Raises ConfigError."""
    compiled = [
        name for name, constant in _APIS.items() if getattr(rtmidi, constant) in rtmidi.get_compiled_api()
    ]
    if api == "auto":
        if "alsa" in compiled and not _SEQUENCER.exists() and os.environ.get("JACK_DEFAULT_SERVER"):
            return "jack"
        return compiled[0]
    if api not in compiled:
        raise ConfigError(f"midi_api: {api!r} does not exist here; allowed are auto, {', '.join(compiled)}")
    return api


class Backend:
    """The MIDI system of one API. Its objects are made at the first need, and anew after `reset`."""

    def __init__(self, api: str) -> None:
        self._rtmidi = load_rtmidi()
        self.api = resolve_api(api, self._rtmidi)
        self._constant = getattr(self._rtmidi, _APIS[self.api])
        self._out: Any = None
        self._in: Any = None

    def output_names(self) -> list[str]:
        """Names of the ports that take messages. Raises InstrumentError when the system itself is missing."""
        if self._out is None:
            self._out = self._make(self._rtmidi.MidiOut, CLIENT_NAME)
        return self._list(self._out)

    def input_names(self) -> list[str]:
        """Names of the ports that give messages. Raises InstrumentError."""
        if self._in is None:
            self._in = self._make(self._rtmidi.MidiIn, f"{CLIENT_NAME} in")
            # Clock and active sensing are dozens of messages a second of nothing.
            self._in.ignore_types(sysex=False, timing=True, active_sense=True)
        return self._list(self._in)

    def open_output(self, index: int) -> None:
        """Open the port with this index in `output_names`. Raises InstrumentError."""
        self._open(self._out, index, "out")

    def open_input(self, index: int, callback: Callback) -> None:
        """Open the port with this index in `input_names`. Raises InstrumentError."""
        self._in.set_callback(callback)
        self._open(self._in, index, "in")

    def send(self, message: bytes) -> None:
        """Send one complete message to the open output.

        Raises InstrumentError; with the code ``too_large``, the port goes on as it was.
        """
        if self.api == "jack" and len(message) > MAX_JACK_BYTES:
            raise InstrumentError(
                f"a MIDI message of {len(message):,} bytes was not sent: JACK carries {MAX_JACK_BYTES:,} at most",
                code="too_large",
            )
        try:
            self._out.send_message(message)
        except Exception as error:
            raise InstrumentError(f"the MIDI output failed: {error}", code="failed") from error

    def close_output(self) -> None:
        self._out = self._delete(self._out)

    def close_input(self) -> None:
        if self._in is not None:
            self._in.cancel_callback()
        self._in = self._delete(self._in)

    def reset(self) -> None:
        """Forget all objects; the next call makes new ones. With a dead JACK server it takes a second."""
        with _quiet():
            self.close_input()
            self.close_output()

    def identity(self) -> str | None:
        """Something that changes when the system's server dies or starts again; None: there is none to die.

        rtmidi does not say that a JACK server is gone: names are still listed, and messages vanish.
        """
        if self.api != "jack":
            return None
        name = f"/jack_{os.environ.get('JACK_DEFAULT_SERVER', 'default')}_{os.getuid()}_0"
        with contextlib.suppress(OSError):
            for line in Path("/proc/net/unix").read_text().splitlines():
                # Num RefCount Protocol Flags Type St Inode Path; connections have the listener's path, too.
                if line.endswith(name) and line.split()[3] == _LISTENS:
                    return line.split()[6]
        return ""

    def _make(self, kind: Any, name: str) -> Any:
        with _quiet():
            try:
                return kind(self._constant, name=name)
            except Exception as error:
                hint = _HINTS.get(self.api, str(error))
                raise InstrumentError(f"MIDI ({self.api}) is not available: {hint}", code="system") from error

    def _list(self, port: Any) -> list[str]:
        try:
            return list(port.get_ports())
        except Exception as error:
            raise InstrumentError(f"MIDI ports cannot be listed: {error}", code="system") from error

    @staticmethod
    def _open(port: Any, index: int, name: str) -> None:
        try:
            port.open_port(index, name=name)
        except Exception as error:
            raise InstrumentError(f"the MIDI port cannot be opened: {error}", code="busy") from error

    @staticmethod
    def _delete(port: Any) -> None:
        if port is not None:
            with contextlib.suppress(Exception):
                port.close_port()
            port.delete()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """libjack writes to stderr that no server runs, at every try."""
    sys.stderr.flush()
    saved = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)
