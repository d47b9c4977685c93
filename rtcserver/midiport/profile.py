"""Which profile a room's instrument has, by its configuration."""

from __future__ import annotations

from rtcserver.capture.kinds import kind_of
from rtcserver.config.model import InstrumentConfig
from rtcserver.midi.profile import Profile
from rtcserver.midi.profile_file import guess, load


def profile_of(config: InstrumentConfig) -> Profile:
    """The profile that `midi_profile` names. Raises ConfigError.

    ``auto`` goes by the names of the device and of the MIDI port: a MONTAGE says that it is one. An instrument
    that is played in its own process is General MIDI.
    """
    if config.midi_profile != "auto":
        return load(config.midi_profile)
    in_process = kind_of(config).played_by == "process"
    return load("gm" if in_process else guess(config.device, config.midi_output))
