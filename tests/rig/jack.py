"""The virtual MONTAGE: JACK's dummy driver, FluidSynth on it, and a client with a tone per channel.

PortAudio's JACK host API makes one device of each JACK *client*: all output ports of a client are the
input channels of a device with the client's name, in the order in which they were registered. So a
JACK client ``MONTAGE`` with eight output ports is what a plugged-in MONTAGE is to PortAudio.

Every server has a name of its own, which its clients find through ``JACK_DEFAULT_SERVER``; several
rigs run side by side without seeing each other.
"""

from __future__ import annotations

import itertools
import math
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from tests.rig.drift import clock_shim
from tests.rig.process import REPOSITORY, RigError, RigProcess, may_run_as_hardware, program

SOUNDFONTS = (
    "/usr/share/sounds/sf2/TimGM6mb.sf2",
    "/usr/share/sounds/sf2/FluidR3_GM.sf2",
    "/usr/share/sounds/sf2/default-GM.sf2",
)
_numbers = itertools.count(1)


def soundfont() -> str:
    """The smallest General MIDI soundfont that is installed. Raises `RigError` if there is none."""
    for path in SOUNDFONTS:
        if Path(path).exists():
            return path
    raise RigError("no soundfont is installed: run script/bootstrap, or: apt-get install timgm6mb-soundfont")


class JackServer(RigProcess):
    """A private JACK server on the dummy driver: PortAudio's device ``system``, silent, but paced.

    rate: frames per second. blocksize: frames a period. channels: inputs of the device ``system``.
    drift_ppm: the device's clock is this many parts per million fast (negative: slow) against
    ``CLOCK_MONOTONIC``, while it still calls its rate `rate`, as a real crystal does.
    realtime: JACK's and its clients' audio threads run under SCHED_FIFO, as in a studio; by default where
    that is allowed. Without it two busy processes on two cores cost every tenth block.

    ``stop()`` (or ``kill()``) removes the device under its users, ``start()`` brings it back under the
    same name. Its clients (`FluidSynthOnJack`, `Tones`) end with it and have to be started again.
    """

    def __init__(
        self,
        *,
        rate: int = 44_100,
        blocksize: int = 128,
        channels: int = 8,
        playback: int = 2,
        drift_ppm: float = 0.0,
        realtime: bool | None = None,
    ) -> None:
        super().__init__("jack")
        self.rate = rate
        self.blocksize = blocksize
        self.channels = channels
        self.playback = playback
        self.drift_ppm = drift_ppm
        self.realtime = may_run_as_hardware() if realtime is None else realtime
        self.name = f"rig-{os.getpid()}-{next(_numbers)}"

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables by which a client finds this server and no other."""
        return {
            "JACK_DEFAULT_SERVER": self.name,
            "JACK_NO_AUDIO_RESERVATION": "1",
            "JACK_NO_START_SERVER": "1",
        }

    @property
    def env(self) -> dict[str, str]:
        """The whole environment for a subprocess that is to use this server."""
        return {**os.environ, **self.variables}

    def start(self) -> None:
        env = self.env
        if self.drift_ppm:
            env.update(clock_shim(self.directory, self.drift_ppm))
        command = f"{program('jackd', 'jackd2')} -n {self.name} --no-mlock"
        command += " -R -P 10" if self.realtime else " -r"
        command += f" -d dummy -r {self.rate} -p {self.blocksize} -C {self.channels} -P {self.playback}"
        self._spawn(command.split(), env, hardware=True)
        self._wait_ready(lambda: bool(self.ports()))

    def ports(self) -> list[str]:
        """Full names of all ports, e.g. ``system:capture_1``; empty while the server is down."""
        listing = subprocess.run(
            [program("jack_lsp", "jackd2")], env=self.env, capture_output=True, text=True, timeout=10
        )
        return listing.stdout.split("\n")[:-1] if listing.returncode == 0 else []

    @contextmanager
    def portaudio(self) -> Iterator[None]:
        """Make sounddevice in *this* process use this server, and none of it afterwards.

        Device lists are frozen at initialisation: enter it after the clients that shall be seen.
        """
        import sounddevice  # initialises PortAudio, which scans the devices of the server then current

        before = {key: os.environ.get(key) for key in self.variables}
        os.environ.update(self.variables)
        sounddevice._terminate()
        sounddevice._initialize()
        try:
            yield
        finally:
            sounddevice._terminate()
            for key, value in before.items():
                if value is None:
                    del os.environ[key]
                else:
                    os.environ[key] = value
            sounddevice._initialize()


class JackClient(RigProcess):
    """A process with ports on a `JackServer`. Usable when its first audio output port is there."""

    def __init__(self, server: JackServer, name: str, channels: int) -> None:
        super().__init__(name)
        self.server = server
        self.name = name
        self.channels = channels

    def _wait_ports(self) -> None:
        def ready() -> bool:
            mine = [port for port in self.server.ports() if port.startswith(f"{self.name}:")]
            return len(mine) >= self.channels

        self._wait_ready(ready)


class FluidSynthOnJack(JackClient):
    """A playable instrument: PortAudio device `name` (2 inputs) and a JACK MIDI input port.

    Notes come in by JACK MIDI at `midi_port`, or by `note_on` and the like for tests without MIDI.
    """

    def __init__(self, server: JackServer, name: str = "MONTAGE", gain: float = 0.8) -> None:
        super().__init__(server, name, channels=2)
        self.gain = gain
        self._stdin: IO[bytes] | None = None

    def start(self) -> None:
        options = {
            "audio.jack.id": self.name,
            "midi.jack.id": self.name,
            "audio.jack.autoconnect": "0",
            "midi.autoconnect": "0",
            "synth.chorus.active": "0",
            "synth.reverb.active": "0",
        }
        command = [program("fluidsynth", "fluidsynth"), "-a", "jack", "-m", "jack", "-q"]
        command += ["-r", str(self.server.rate), "-g", str(self.gain)]
        for key, value in options.items():
            command += ["-o", f"{key}={value}"]
        # The shell on standard input keeps it alive, plays notes, and ends it when this process ends.
        child = self._spawn([*command, soundfont()], self.server.env, stdin=subprocess.PIPE, hardware=True)
        self._stdin = child.stdin
        self._wait_ports()

    @property
    def midi_port(self) -> str:
        """Full name of the MIDI input port."""
        for port in self.server.ports():
            if port.startswith(f"{self.name}:midi"):
                return port
        raise RigError(f"{self.name} has no MIDI port")

    def note_on(self, key: int, velocity: int = 100, channel: int = 0) -> None:
        """Start note `key` (60 is middle C) on the MIDI channel counted from 0."""
        self.command(f"noteon {channel} {key} {velocity}")

    def note_off(self, key: int, channel: int = 0) -> None:
        self.command(f"noteoff {channel} {key}")

    def command(self, line: str) -> None:
        """A line for FluidSynth's own shell."""
        if self._stdin is None:
            raise RigError("FluidSynth is not started")
        self._stdin.write(f"{line}\n".encode())
        self._stdin.flush()

    def stop(self, timeout_s: float = 5.0) -> None:
        super().stop(timeout_s)
        self._stdin = None


class Tones(JackClient):
    """PortAudio device `name` whose channel *n* (from 1) carries a sine of ``hz(n)`` and nothing else.

    level_dbfs: level of each sine, 0 being full scale. Frequencies are whole numbers of Hz and no
    multiples of one another; the phase follows JACK's frame counter, so a block that went missing
    leaves the later ones where they belong.
    """

    FIRST_HZ = 311
    STEP_HZ = 101

    def __init__(
        self, server: JackServer, channels: int = 8, name: str = "MONTAGE", level_dbfs: float = -12.0
    ) -> None:
        super().__init__(server, name, channels)
        self.level_dbfs = level_dbfs

    def hz(self, channel: int) -> int:
        """Frequency of the channel with this printed number (1 is the first)."""
        if not 1 <= channel <= self.channels:
            raise ValueError(f"channel {channel} is not in 1–{self.channels}")
        return self.FIRST_HZ + self.STEP_HZ * (channel - 1)

    def start(self) -> None:
        amplitude = math.pow(10, self.level_dbfs / 20)
        frequencies = [str(self.hz(channel)) for channel in range(1, self.channels + 1)]
        command = [sys.executable, "-m", "tests.rig.tones", self.name, str(amplitude), *frequencies]
        self._spawn(command, self.server.env, cwd=REPOSITORY, hardware=True)
        self._wait_ports()

    def pause(self) -> None:
        """Freeze the process (SIGSTOP), as a hung driver would: the ports stay, the sound does not."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)


class Exact(JackClient):
    """PortAudio device `name` with two inputs of known noise and two outputs that are recorded; see `tests.rig.exact`.

    seconds: the longest recording.
    """

    def __init__(self, server: JackServer, seconds: float, name: str = "MONTAGE") -> None:
        super().__init__(server, name, channels=4)
        self.seconds = seconds
        self._file = self.directory / "recorded.npy"

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.rig.exact", self.name, str(self._file), str(self.seconds)]
        self._spawn(command, self.server.env, cwd=REPOSITORY, hardware=True)
        self._wait_ports()

    def recorded(self) -> npt.NDArray[np.float32]:
        """What was played on the outputs, ``(frames, 2)``; ends the client."""
        self.stop()
        samples: npt.NDArray[np.float32] = np.load(self._file)
        return samples
