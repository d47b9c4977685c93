"""Which port and profile a room's instrument has, by its configuration."""

from __future__ import annotations

from rtcserver.capture.kinds import kind_of
from rtcserver.instrument.supervisor import InstrumentSupervisor
from rtcserver.midi.profile import Profile
from rtcserver.midiport.control import PortConfig
from rtcserver.midiport.profile import profile_of
from rtcserver.midiport.supervisor import EmbeddedPort, MidiPort, Port


def port_of(room: str, instrument: InstrumentSupervisor) -> tuple[Port, Profile] | None:
    """The port and the profile of a room, or None if nobody can play it. Raises ConfigError.

    A sound card's instrument needs to be recognised, by its profile or by a named port: the first MIDI
    port that happens to be there is not it.
    """
    config = instrument.config
    played_by = kind_of(config).played_by
    if config.midi == "off" or played_by == "nobody":
        return None
    profile = profile_of(config)
    if played_by == "process":
        return EmbeddedPort(instrument), profile
    if not (config.midi_output or profile.port.contains):
        return None
    port = PortConfig.of(profile, output=config.midi_output, input=config.midi_input, api=config.midi_api)
    return MidiPort(room, port), profile
