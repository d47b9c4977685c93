"""Who may play what: performers' messages in, what the port gets and what everyone sees out. Pure.

The router decides; how several people's keys and pedals meet on the instrument is decided where the messages
leave (`rtcserver.midi.merge`). Every performer's notes are their own: they end when the performer leaves or
presses panic; that a performer fell silent is noticed by `rtcserver.channel.up.receiver`, which also limits how much
they may play. The person at the instrument's keys (`LOCAL`) is a performer whom nothing here releases.

What is not played is counted, by code: ``listener`` (no performer), ``malformed``, ``system`` (System
Exclusive and other system messages, which nobody may send), ``control`` (local control: it would mute the
person at the keys), ``program`` (the profile does not let performers choose sounds), ``nothing`` (it would
change nothing, such as the release of what is not held), ``ignored`` (clock and active sensing).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from rtcserver.channel import cells
from rtcserver.channel.notes import NoteState
from rtcserver.midi import message as m
from rtcserver.midi.message import MessageKind
from rtcserver.midi.performers import LOCAL
from rtcserver.midi.profile import Profile


class PortPlay(NamedTuple):
    """For the port: play `message`, at a monotonic time or at once."""

    performer: int
    message: bytes
    at_ns: int | None


class PortRelease(NamedTuple):
    """For the port: drop what is scheduled for `performer`, let go of what they hold."""

    performer: int


class PortSilence(NamedTuple):
    """For the port: let go of what anybody but `LOCAL` holds, and of what hangs."""


class Shown(NamedTuple):
    """For everyone: `performer` did this at `media_time` (48 kHz samples)."""

    performer: int
    message: bytes
    media_time: int


class Selected(NamedTuple):
    """For everyone: `sound` (as in `Profile.select`; None: not one of the profile's) was chosen."""

    sound: str | None
    channel: int
    performer: int


@dataclass(slots=True)
class Outcome:
    """What follows from what came in; each list in order."""

    port: list[PortPlay | PortRelease | PortSilence] = field(default_factory=list)
    shown: list[Shown] = field(default_factory=list)
    selected: list[Selected] = field(default_factory=list)

    def __iadd__(self, other: Outcome) -> Outcome:
        self.port += other.port
        self.shown += other.shown
        self.selected += other.selected
        return self


class Router:
    """One room's performers. Times are media times and monotonic ns, given by the caller.

    notes: what everyone sees; the router reads it and never writes to it. The caller puts what is `shown` into
    it, by way of the room's journal, before it asks again. `counts` has what came in by code (see above), and
    ``events`` for what was played.
    """

    def __init__(self, profile: Profile, notes: NoteState) -> None:
        self.counts: Counter[str] = Counter()
        self._profile = profile
        self._notes = notes
        self._latest: dict[int, int] = {}
        """Performer → media time of the last event of theirs that was shown; scheduled ones lie ahead."""
        self._banks: dict[int, list[int]] = {}

    def join(self, performer: int) -> None:
        """`performer` may play from now on."""
        self._latest[performer] = 0

    def receive(self, performer: int, message: bytes, media_time: int, at_ns: int | None = None) -> Outcome:
        """`performer` plays `message`; `media_time` is when it is to sound, `at_ns` too if not now."""
        kind, code = self._judge(performer, message)
        if kind is None:
            return self._count(code)
        if self._profile.one_channel:
            message = m.on_channel(message, self._profile.play_channel)
        if kind is MessageKind.MODE:
            outcome = Outcome()
            for end in self._mode_ends(performer, message):
                outcome += self._take(performer, end, media_time, at_ns)
            return outcome
        if self._changes_nothing(performer, kind, message):
            return self._count("nothing")
        return self._take(performer, message, media_time, at_ns)

    def local(self, message: bytes, media_time: int) -> Outcome:
        """The person at the instrument's keys did this; it sounds already."""
        if m.fault(message) is not None or not m.is_channel(message):
            return self._count("ignored")
        self.counts["events"] += 1
        kind = m.classify(message)
        if kind is MessageKind.MODE:
            ends = self._mode_ends(LOCAL, message)
            return Outcome(shown=[Shown(LOCAL, end, media_time) for end in ends])
        if kind is MessageKind.NOTE_OFF and not self._presses(LOCAL, message):
            # The key went down before anybody listened.
            return Outcome()
        outcome = Outcome(shown=[Shown(LOCAL, message, media_time)])
        self._follow_sound(LOCAL, message, outcome)
        return outcome

    def select(self, performer: int, sound: str, channel: int | None, media_time: int) -> Outcome:
        """Choose a sound of the profile. Raises ValueError with a sentence for whoever asked."""
        if performer not in self._latest or not self._profile.programs:
            raise ValueError("sounds cannot be chosen here")
        outcome = Outcome()
        for message in self._profile.select(sound, None if self._profile.one_channel else channel):
            outcome += self._take(performer, message, media_time, None)
        return outcome

    def release(self, performer: int, media_time: int) -> Outcome:
        """Panic: let go of all that `performer` holds. The person at the keys is not released by anybody."""
        if performer == LOCAL:
            return Outcome()
        at = max(media_time, self._latest.get(performer, media_time))
        ends = self._notes.releases(performer) + self._notes.returns(performer)
        return Outcome(port=[PortRelease(performer)], shown=[Shown(performer, end, at) for end in ends])

    def leave(self, performer: int, media_time: int) -> Outcome:
        """`performer` has gone, with all their notes."""
        outcome = self.release(performer, media_time)
        self._latest.pop(performer, None)
        return outcome

    def silence(self, media_time: int) -> Outcome:
        """Silence everyone but the person at the keys, and whatever hangs."""
        shown = [one for performer in self._latest for one in self.release(performer, media_time).shown]
        return Outcome(port=[PortSilence()], shown=shown)

    def _judge(self, performer: int, message: bytes) -> tuple[MessageKind | None, str]:
        """The kind of a channel message that `performer` may play; else None, and the code of why not."""
        if performer not in self._latest:
            return None, "listener"
        if m.fault(message) is not None:
            return None, "malformed"
        if message[0] in (m.CLOCK, m.ACTIVE_SENSING):
            return None, "ignored"
        if not m.is_channel(message):
            return None, "system"
        kind = m.classify(message)
        if kind is MessageKind.MODE and message[1] == m.LOCAL_CONTROL:
            return None, "control"
        chooses = kind is MessageKind.PROGRAM or (
            kind is MessageKind.CONTROL and message[1] in (m.BANK_MSB, m.BANK_LSB)
        )
        if chooses and not self._profile.programs:
            return None, "program"
        return kind, ""

    def _take(self, performer: int, message: bytes, media_time: int, at_ns: int | None) -> Outcome:
        # Never before what was shown of this performer already: a file that was stopped may go on at once.
        at = self._latest[performer] = max(self._latest[performer], media_time)
        outcome = Outcome(port=[PortPlay(performer, message, at_ns)], shown=[Shown(performer, message, at)])
        self._follow_sound(performer, message, outcome)
        self.counts["events"] += 1
        return outcome

    def _mode_ends(self, performer: int, message: bytes) -> list[bytes]:
        """What a channel mode message ends, one by one: everyone sees each, and it ends only one's own."""
        if message[1] == m.LOCAL_CONTROL:
            return []
        pedals = message[1] == m.RESET_CONTROLLERS
        held = self._notes.held(performer)
        ends = cells.releases({cell: held[cell] for cell in held if cells.is_note(cell) != pedals})
        if pedals:
            ends += self._notes.returns(performer)
        return [end for end in ends if m.channel(end) == m.channel(message)]

    def _changes_nothing(self, performer: int, kind: MessageKind, message: bytes) -> bool:
        if kind in (MessageKind.NOTE_OFF, MessageKind.POLY_PRESSURE):
            return not self._presses(performer, message)
        if kind is MessageKind.CONTROL and message[1] in m.PEDALS:
            pedal = cells.controller_cell(m.channel(message), message[1])
            return self._notes.held(performer).get(pedal, 0) == message[2]
        return False

    def _presses(self, performer: int, message: bytes) -> bool:
        """Whether `performer` holds the key that `message` is about."""
        return cells.note_cell(m.channel(message), message[1]) in self._notes.held(performer)

    def _follow_sound(self, performer: int, message: bytes, outcome: Outcome) -> None:
        number = m.channel(message)
        bank = self._banks.setdefault(number, [0, 0])
        if m.status(message) == m.CONTROL and message[1] in (m.BANK_MSB, m.BANK_LSB):
            bank[message[1] == m.BANK_LSB] = message[2]
        elif m.status(message) == m.PROGRAM:
            sound = self._profile.sound_of(bank[0], bank[1], message[1])
            outcome.selected.append(Selected(sound, number, performer))

    def _count(self, code: str) -> Outcome:
        self.counts[code] += 1
        return Outcome()
