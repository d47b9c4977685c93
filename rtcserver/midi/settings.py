"""What a song has set at any of its events: programs, controllers and bends, for a player that begins there. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from rtcserver.midi import message as m
from rtcserver.midi.message import MessageKind
from rtcserver.midi.smf import SongEvent

EVERY = 16_384
"""Events between two marks: what is walked through at most, some ten milliseconds' worth."""
_KEPT = frozenset((m.VOLUME, m.PAN, m.REVERB, m.CHORUS))
_Channel = dict[tuple[int, int], bytes]
"""(order, controller number) → the message that set it last."""


class Settings:
    """The settings of a song. Made once, in the time of a walk through all events; asked for from then on."""

    def __init__(self, events: Sequence[SongEvent]) -> None:
        self._events = events
        self._marks: list[list[_Channel]] = []
        now: list[_Channel] = [{} for _ in range(m.CHANNELS)]
        for begin in range(0, len(events), EVERY):
            self._marks.append([dict(channel) for channel in now])
            _follow(now, events[begin : begin + EVERY])

    def before(self, index: int) -> list[bytes]:
        """What is in force before the event at `index`, as messages in an order that sets it."""
        if not self._marks:
            return []
        mark = min(index // EVERY, len(self._marks) - 1)
        now = [dict(channel) for channel in self._marks[mark]]
        _follow(now, self._events[mark * EVERY : index])
        return [channel[key] for channel in now for key in sorted(channel)]


def _follow(now: list[_Channel], events: Sequence[SongEvent]) -> None:
    for _, message in events:
        if message[0] < m.CONTROL:
            # Notes: most of what a long file has.
            continue
        kind, channel = m.classify(message), now[m.channel(message)]
        if kind is MessageKind.MODE and message[1] == m.RESET_CONTROLLERS:
            for key in [key for key in channel if _is_reset(key)]:
                del channel[key]
        elif kind is MessageKind.CONTROL:
            channel[_order(message), message[1]] = message
        elif kind in (MessageKind.PROGRAM, MessageKind.PITCH_BEND, MessageKind.CHANNEL_PRESSURE):
            channel[_order(message), 0] = message


def _order(message: bytes) -> int:
    """Banks before the program, the program before everything else."""
    if m.status(message) == m.CONTROL and message[1] in (m.BANK_MSB, m.BANK_LSB):
        return 0
    return {m.PROGRAM: 1, m.CONTROL: 2, m.CHANNEL_PRESSURE: 3, m.PITCH_BEND: 4}[m.status(message)]


def _is_reset(key: tuple[int, int]) -> bool:
    """Whether controller 121 resets this: not banks, programs, volume, pan and effects (RP-015)."""
    return key[0] >= 3 or (key[0] == 2 and key[1] not in _KEPT)
