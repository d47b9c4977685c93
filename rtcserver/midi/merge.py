"""Several people on one instrument: whose notes, pedals and bends the instrument gets. Pure.

A `Merger` stands where the messages leave for the instrument, in the order in which they are played, so
that what is scheduled and what is played by hand meet in time. The rules, per channel:

- **Keys.** A key sounds until the last of its holders lets go. A key that sounds already and is struck again
  gets a note-off first, so that no instrument stacks voices. A note-off by somebody who does not hold the key
  is nothing.
- **The person at the instrument's own keys** (`LOCAL`) is a holder like the others, but what they play is not
  sent. While they hold a key, nobody else's release of it is sent; when they let go as the last, it is.
- **Pedals** (64, 66, 67, 69): the instrument gets the highest value of all who press. When `LOCAL` lifts a
  pedal while somebody else's is down, the instrument is told so again.
- **Bend, modulation, expression, channel pressure**: the last to move them decides. They return to neutral
  when that one leaves, unless it is `LOCAL`.
- **Everything else** (programs, volume, …) belongs to the instrument: the last one decides, and it stays.
- Channel mode messages are never sent: 120 and 123–127 let go of one's own keys, 121 of one's own pedals and
  bends, 122 (local control) would mute the person at the keys.
"""

from __future__ import annotations

from collections.abc import Iterable

from rtcserver.midi import message as m
from rtcserver.midi.message import MessageKind
from rtcserver.midi.performers import LOCAL


def release_everything(channels: Iterable[int] = range(m.CHANNELS)) -> list[bytes]:
    """What silences an instrument of which nothing is known, as after a process that was killed."""
    messages = []
    for number in channels:
        messages += [m.control(number, pedal, 0) for pedal in sorted(m.PEDALS)]
        messages += [
            m.control(number, m.ALL_NOTES_OFF, 0),
            m.control(number, m.ALL_SOUND_OFF, 0),
            m.pitch_bend(number, m.BEND_CENTRE),
        ]
    return messages


class Merger:
    """The holders of one instrument. Messages are sound ones (`message.fault` finds nothing).

    Each method returns the messages that the instrument gets, in order.
    """

    def __init__(self) -> None:
        self._holders: dict[int, set[int]] = {}
        """channel << 7 | key → who holds it down."""
        self._sounding: dict[int, int] = {}
        """Keys with more note-ons than note-offs sent, and how many more."""
        self._pedals: dict[int, dict[int, int]] = {}
        """channel << 7 | controller → who presses it how far (1–127)."""
        self._pedal_sent: dict[int, int] = {}
        """Where the instrument's pedal is."""
        self._movers: dict[bytes, int] = {}
        """Status byte (and controller) of a bend and the like → who moved it last; absent when neutral."""

    @property
    def sounding(self) -> frozenset[tuple[int, int]]:
        """(channel, key) of all that was sent to the instrument and still sounds."""
        return frozenset(divmod(note, 128) for note in self._sounding)

    def keys(self, owner: int) -> list[tuple[int, int]]:
        """(channel, key) of all that `owner` holds down, ascending."""
        return [divmod(note, 128) for note in sorted(self._holders) if owner in self._holders[note]]

    def pedals(self, owner: int) -> list[tuple[int, int, int]]:
        """(channel, controller, value) of the pedals that `owner` presses, ascending."""
        return [
            (*divmod(pedal, 128), self._pedals[pedal][owner])
            for pedal in sorted(self._pedals)
            if owner in self._pedals[pedal]
        ]

    def _returns(self, owner: int) -> list[bytes]:
        """What brings back to neutral all that `owner` was the last to bend. Changes nothing."""
        messages = []
        for what in sorted(what for what, mover in self._movers.items() if mover == owner):
            if what[0] & 0xF0 == m.PITCH_BEND:
                messages.append(m.pitch_bend(what[0] & 0x0F, m.BEND_CENTRE))
            elif what[0] & 0xF0 == m.CHANNEL_PRESSURE:
                messages.append(m.channel_pressure(what[0] & 0x0F, 0))
            else:
                messages.append(what + bytes((m.NEUTRAL[what[1]],)))
        return messages

    def apply(self, owner: int, message: bytes) -> list[bytes]:
        """`owner` (not `LOCAL`) plays `message`."""
        kind = m.classify(message)
        if kind is MessageKind.NOTE_ON:
            return self._strike(owner, message)
        if kind is MessageKind.NOTE_OFF:
            return self._let_go(owner, m.channel(message) << 7 | message[1], message)
        if kind is MessageKind.POLY_PRESSURE:
            held = owner in self._holders.get(m.channel(message) << 7 | message[1], ())
            return [message] if held else []
        if kind is MessageKind.MODE:
            return self._mode(owner, m.channel(message), message[1])
        if kind is MessageKind.CONTROL and message[1] in m.PEDALS:
            return self._press(owner, m.channel(message) << 7 | message[1], message[2])
        self._move(owner, message, kind)
        return [message]

    def local(self, message: bytes) -> list[bytes]:
        """The instrument says what is played on its own keys; returns what has to be put right there."""
        kind = m.classify(message)
        if kind is MessageKind.NOTE_ON:
            self._holders.setdefault(m.channel(message) << 7 | message[1], set()).add(LOCAL)
        elif kind is MessageKind.NOTE_OFF:
            return self._let_go(LOCAL, m.channel(message) << 7 | message[1], message)
        elif kind is MessageKind.MODE:
            return self._mode(LOCAL, m.channel(message), message[1])
        elif kind is MessageKind.CONTROL and message[1] in m.PEDALS:
            pedal = m.channel(message) << 7 | message[1]
            self._pedal_sent[pedal] = message[2]
            return self._press(LOCAL, pedal, message[2])
        else:
            self._move(LOCAL, message, kind)
        return []

    def release(self, owner: int) -> list[bytes]:
        """`owner` has left: let go of all that is theirs."""
        messages = self._release_keys(owner)
        for pedal in [pedal for pedal, pressers in self._pedals.items() if owner in pressers]:
            messages += self._press(owner, pedal, 0)
        return messages + self._return_moved(owner)

    def release_others(self) -> list[bytes]:
        """Let go of all that was sent, also of keys that `LOCAL` holds too: nobody will do so later."""
        messages = self._end_all()
        for owner in self._others():
            messages += self.release(owner)
        return messages

    def silence(self, channels: Iterable[int] = range(m.CHANNELS)) -> list[bytes]:
        """Silence everybody, and whatever else hangs, but `LOCAL` keeps their keys and pedals."""
        messages = []
        for owner in self._others():
            messages += self.release(owner)
        for number in channels:
            mine = {key for held, key in self.keys(LOCAL) if held == number}
            pressed = any(held == number for held, _, _ in self.pedals(LOCAL))
            if mine or pressed:
                messages += [m.note_off(number, key) for key in range(128) if key not in mine]
            else:
                messages += [m.control(number, pedal, 0) for pedal in sorted(m.PEDALS)]
                messages += [
                    m.control(number, m.ALL_NOTES_OFF, 0),
                    m.control(number, m.ALL_SOUND_OFF, 0),
                ]
        return messages

    def reconnect(self) -> list[bytes]:
        """The instrument was unplugged and is back: end what hung there, press again what is still pressed.

        What is played on its own keys is not known any more.
        """
        self._drop_local()
        messages = self._end_all()
        for pedal in sorted(self._pedals.keys() | {p for p, value in self._pedal_sent.items() if value}):
            self._pedal_sent[pedal] = max(self._pedals.get(pedal, {}).values(), default=0)
            messages.append(m.control(*divmod(pedal, 128), self._pedal_sent[pedal]))
        return messages

    def _others(self) -> list[int]:
        owners = {owner for holders in self._holders.values() for owner in holders}
        owners |= {owner for pressers in self._pedals.values() for owner in pressers}
        owners |= set(self._movers.values())
        return sorted(owners - {LOCAL})

    def _end_all(self) -> list[bytes]:
        """One note-off for each note-on that is out."""
        ended, self._sounding = self._sounding, {}
        return [m.note_off(*divmod(note, 128)) for note in sorted(ended) for _ in range(ended[note])]

    def _drop_local(self) -> None:
        for table in (self._holders, self._pedals):
            for index in list(table):
                owners = table[index]
                if isinstance(owners, set):
                    owners.discard(LOCAL)
                else:
                    owners.pop(LOCAL, None)
                if not owners:
                    del table[index]
        self._movers = {what: owner for what, owner in self._movers.items() if owner != LOCAL}

    def _strike(self, owner: int, message: bytes) -> list[bytes]:
        note = m.channel(message) << 7 | message[1]
        holders = self._holders.setdefault(note, set())
        holders.add(owner)
        if LOCAL in holders:
            # A note-off here would end the note of `LOCAL` too: the strikes are counted and end with the last holder.
            self._sounding[note] = self._sounding.get(note, 0) + 1
            return [message]
        again = [m.note_off(*divmod(note, 128))] * self._sounding.get(note, 0)
        self._sounding[note] = 1
        return [*again, message]

    def _let_go(self, owner: int, note: int, message: bytes) -> list[bytes]:
        holders = self._holders.get(note)
        if holders is None or owner not in holders:
            return []
        holders.discard(owner)
        if holders:
            return []
        del self._holders[note]
        return [message] * self._sounding.pop(note, 0)

    def _release_keys(self, owner: int, number: int | None = None) -> list[bytes]:
        messages = []
        for channel, key in self.keys(owner):
            if number is None or channel == number:
                messages += self._let_go(owner, channel << 7 | key, m.note_off(channel, key))
        return messages

    def _press(self, owner: int, pedal: int, value: int) -> list[bytes]:
        pressers = self._pedals.setdefault(pedal, {})
        if value:
            pressers[owner] = value
        else:
            pressers.pop(owner, None)
        highest = max(pressers.values(), default=0)
        if not pressers:
            del self._pedals[pedal]
        if highest == self._pedal_sent.get(pedal, 0):
            return []
        self._pedal_sent[pedal] = highest
        return [m.control(*divmod(pedal, 128), highest)]

    def _move(self, owner: int, message: bytes, kind: MessageKind) -> None:
        if kind is MessageKind.PITCH_BEND:
            what, neutral = message[:1], m.bend_value(message) == m.BEND_CENTRE
        elif kind is MessageKind.CHANNEL_PRESSURE:
            what, neutral = message[:1], message[1] == 0
        elif kind is MessageKind.CONTROL and (kept := m.NEUTRAL.get(message[1])) is not None:
            what, neutral = message[:2], message[2] == kept
        else:
            return
        if neutral:
            self._movers.pop(what, None)
        else:
            self._movers[what] = owner

    def _return_moved(self, owner: int, number: int | None = None) -> list[bytes]:
        messages = [x for x in self._returns(owner) if number is None or m.channel(x) == number]
        for message in messages:
            self._move(owner, message, m.classify(message))
        return messages

    def _mode(self, owner: int, number: int, controller: int) -> list[bytes]:
        if controller == m.LOCAL_CONTROL:
            return []
        if controller != m.RESET_CONTROLLERS:
            return self._release_keys(owner, number)
        messages: list[bytes] = []
        if owner == LOCAL:
            # The instrument has reset all its own pedals and bends, whoever pressed them.
            for pedal in [pedal for pedal in self._pedal_sent if pedal >> 7 == number]:
                self._pedal_sent[pedal] = 0
                messages += self._press(LOCAL, pedal, 0)
            self._return_moved(LOCAL, number)
            return messages
        for channel, controller_number, _ in self.pedals(owner):
            if channel == number:
                messages += self._press(owner, channel << 7 | controller_number, 0)
        return messages + self._return_moved(owner, number)
