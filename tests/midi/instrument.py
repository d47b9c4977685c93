"""A strict instrument: it stacks a voice per note-on, as some do, and shares its pedals with its keys."""

from __future__ import annotations

from collections import Counter

from rtcserver.midi import message as m


class ModelInstrument:
    """What sounds after any messages from outside (`play`) and on its own keys (`local`)."""

    def __init__(self) -> None:
        self.voices: Counter[tuple[int, int]] = Counter()
        self.own: set[tuple[int, int]] = set()
        self.controls: dict[tuple[int, int], int] = {}
        self.bend: dict[int, int] = {}
        self.pressure: dict[int, int] = {}
        self.robbed: list[tuple[int, int]] = []
        """Keys that were held on the instrument when somebody outside sent a note-off for them."""

    def play(self, messages: list[bytes]) -> None:
        for message in messages:
            assert m.fault(message) is None
            number = m.channel(message)
            status = message[0] & 0xF0
            if m.is_note_on(message):
                self.voices[number, message[1]] += 1
            elif m.is_note_off(message):
                if (number, message[1]) in self.own:
                    self.robbed.append((number, message[1]))
                self.voices[number, message[1]] = max(0, self.voices[number, message[1]] - 1)
            elif status == m.CONTROL and message[1] in (m.ALL_SOUND_OFF, m.ALL_NOTES_OFF):
                self.robbed += [key for key in self.own if key[0] == number]
                self.voices = Counter({k: v for k, v in self.voices.items() if k[0] != number})
            else:
                self._set(message)

    def local(self, message: bytes) -> None:
        key = (m.channel(message), message[1])
        if m.is_note_on(message):
            self.own.add(key)
        elif m.is_note_off(message):
            self.own.discard(key)
        else:
            self._set(message)

    def pedal(self, number: int, controller: int) -> int:
        return self.controls.get((number, controller), 0)

    @property
    def hanging(self) -> list[tuple[int, int]]:
        """Keys with voices that came from outside."""
        return sorted(key for key, count in self.voices.items() if count)

    def _set(self, message: bytes) -> None:
        number, status = m.channel(message), message[0] & 0xF0
        if status == m.CONTROL:
            self.controls[number, message[1]] = message[2]
        elif status == m.PITCH_BEND:
            self.bend[number] = m.bend_value(message)
        elif status == m.CHANNEL_PRESSURE:
            self.pressure[number] = message[1]
