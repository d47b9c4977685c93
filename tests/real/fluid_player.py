"""FluidSynth's own player of MIDI files, with the events that it plays written down."""

from __future__ import annotations

import ctypes
from typing import Any

from rtcserver.capture.fluid import load_library
from rtcserver.midi import message as m

PLAYING = 1
BLOCK = 4096
RATE = 44_100
TAIL_S = 2
"""What FluidSynth plays on behind the last event."""


def play(data: bytes, max_s: float = 7200) -> list[tuple[int, int, int, int]]:
    """The notes that it plays: ``(tick, channel, key, velocity)``, velocity 0 for a note that ends."""
    fluid: Any = load_library()._fl
    pointer = ctypes.c_void_p
    for name in ("new_fluid_settings", "new_fluid_synth", "new_fluid_player"):
        getattr(fluid, name).restype = pointer
    settings = pointer(fluid.new_fluid_settings())
    synth = pointer(fluid.new_fluid_synth(settings))
    player = pointer(fluid.new_fluid_player(synth))
    notes: list[tuple[int, int, int, int]] = []

    def heard(_: Any, event: int) -> int:
        kind = fluid.fluid_midi_event_get_type(pointer(event))
        if kind in (m.NOTE_ON, m.NOTE_OFF):
            tick = fluid.fluid_player_get_current_tick(player)
            channel = fluid.fluid_midi_event_get_channel(pointer(event))
            key = fluid.fluid_midi_event_get_key(pointer(event))
            velocity = fluid.fluid_midi_event_get_velocity(pointer(event)) if kind == m.NOTE_ON else 0
            notes.append((tick, channel, key, velocity))
        return 0

    callback = ctypes.CFUNCTYPE(ctypes.c_int, pointer, pointer)(heard)
    fluid.fluid_player_set_playback_callback(player, callback, None)
    fluid.fluid_player_add_mem(player, ctypes.c_char_p(data), ctypes.c_size_t(len(data)))
    fluid.fluid_player_play(player)
    block = (ctypes.c_short * (2 * BLOCK))()
    for _ in range(round(max_s * RATE / BLOCK)):
        if fluid.fluid_player_get_status(player) != PLAYING:
            break
        fluid.fluid_synth_write_s16(synth, BLOCK, block, 0, 2, block, 1, 2)
    fluid.delete_fluid_player(player)
    fluid.delete_fluid_synth(synth)
    fluid.delete_fluid_settings(settings)
    return notes
