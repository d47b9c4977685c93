"""Who may play what: performers' messages in, what the port gets and what everyone sees out. Pure.

The router decides; how several people's keys and pedals meet on the instrument is decided where the messages
leave (`rtcserver.midi.merge`). Every performer's notes are his own: they end when he leaves, is not heard for
1.75 s, or presses panic. The person at the instrument's keys (`LOCAL`) is a performer whom nothing here
releases.

What is refused, by code: ``listener`` (no performer), ``malformed``, ``rate`` (over `EVENTS_PER_S`; never
what lets go), ``sysex`` and ``system`` (not granted, or too long), ``control`` (local control: it would mute
the person at the keys), ``program`` (the profile does not let performers choose sounds).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from rtcserver.clock import NS
from rtcserver.midi import message as m
from rtcserver.midi.merge import LOCAL, PEDALS, Merger
from rtcserver.midi.message import Kind
from rtcserver.midi.profile import Profile

FILE_PLAYER = 2
"""Performer number of the player of MIDI files (PROTOCOL.md)."""
EVENTS_PER_S = 1000
EVENTS_BURST = 250
SILENCE_NS = 7 * NS // 4
GRANT_SYSEX, GRANT_SYSTEM = "sysex", "system"


class Play(NamedTuple):
    """For the port: play `message`, at a monotonic time or at once."""

    performer: int
    message: bytes
    at_ns: int | None


class Release(NamedTuple):
    """For the port: drop what is scheduled for `performer`, let go of what he holds."""

    performer: int


class Silence(NamedTuple):
    """For the port: let go of what anybody but `LOCAL` holds, and of what hangs."""


class Shown(NamedTuple):
    """For everyone: `performer` did this at `media_time` (48 kHz samples)."""

    performer: int
    message: bytes
    media_time: int


class Refusal(NamedTuple):
    """For the sender: why his message was not played."""

    performer: int
    code: str
    reason: str


class Selected(NamedTuple):
    """For everyone: `sound` (as in `Profile.select`; None: not one of the profile's) was chosen."""

    sound: str | None
    channel: int
    performer: int


@dataclass(slots=True)
class Outcome:
    """What follows from what came in; each list in order."""

    port: list[Play | Release | Silence] = field(default_factory=list)
    shown: list[Shown] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    selected: list[Selected] = field(default_factory=list)
    silent: list[int] = field(default_factory=list)
    """Performers who were released because they were not heard."""

    def __iadd__(self, other: Outcome) -> Outcome:
        self.port += other.port
        self.shown += other.shown
        self.refused += other.refused
        self.selected += other.selected
        self.silent += other.silent
        return self


class TokenBucket:
    """`per_second` on average, `burst` at once. Pure."""

    def __init__(self, per_second: int, burst: int, now_ns: int) -> None:
        self._cost = NS // per_second
        self._most = burst * self._cost
        self._level, self._at_ns = self._most, now_ns

    def take(self, now_ns: int) -> bool:
        """Whether one more is allowed; if so it is paid for."""
        self._level = min(self._most, self._level + max(0, now_ns - self._at_ns))
        self._at_ns = max(self._at_ns, now_ns)
        if self._level < self._cost:
            return False
        self._level -= self._cost
        return True


@dataclass(slots=True)
class _Performer:
    granted: frozenset[str]
    heard_ns: int
    bucket: TokenBucket | None
    latest_media: int = 0
    """Media time of the last event of his that was shown; scheduled ones lie ahead."""


class Router:
    """One room's performers. Times are monotonic ns and media times, given by the caller.

    `counts` has the refusals by code, and ``events`` (taken in), ``ignored`` (clock and active sensing),
    ``nothing`` (releases of what was not held), ``silent`` (releases after `SILENCE_NS`).
    """

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.counts: Counter[str] = Counter()
        self._held = Merger()
        """What everybody holds, as far as it was handed to the port."""
        self._performers: dict[int, _Performer] = {}
        self._banks: dict[int, list[int]] = {}

    def keys(self, performer: int) -> list[tuple[int, int]]:
        """(channel, key) that `performer` holds."""
        return self._held.keys(performer)

    def join(self, performer: int, now_ns: int, granted: Iterable[str] = ()) -> None:
        """`performer` may play from now on. granted: `GRANT_SYSEX`, `GRANT_SYSTEM`."""
        # A file has been checked as a whole, and may be denser than a person.
        bucket = None if performer == FILE_PLAYER else TokenBucket(EVENTS_PER_S, EVENTS_BURST, now_ns)
        self._performers[performer] = _Performer(frozenset(granted), now_ns, bucket)

    def heard(self, performer: int, now_ns: int) -> None:
        """His connection lives, whether he plays or not."""
        if (state := self._performers.get(performer)) is not None:
            state.heard_ns = now_ns

    def receive(
        self, performer: int, message: bytes, now_ns: int, media_time: int, at_ns: int | None = None
    ) -> Outcome:
        """`performer` plays `message`; `media_time` is when it is to sound, `at_ns` too if not now."""
        state = self._performers.get(performer)
        if state is None:
            return self._refuse(performer, "listener", "listeners cannot play; open the performer link")
        state.heard_ns = max(state.heard_ns, now_ns)
        if (fault := m.fault(message)) is not None:
            return self._refuse(performer, "malformed", fault)
        kind = m.classify(message)
        if kind in (Kind.SYSEX, Kind.SYSTEM, Kind.REAL_TIME):
            return self._system(performer, state, message, kind, now_ns, at_ns)
        if self.profile.one_channel:
            message = m.on_channel(message, self.profile.play_channel)
        if kind is Kind.MODE:
            return self._mode(performer, state, message, media_time, at_ns)
        if (code := self._forbidden(kind, message)) is not None:
            return self._refuse(performer, code, "sounds are not chosen by program changes here")
        lets_go, nothing = self._effect(performer, kind, message)
        if nothing:
            self.counts["nothing"] += 1
            return Outcome()
        # What lets go is never limited: it cannot outnumber what was let in, and a lost one would hang.
        if not lets_go and state.bucket is not None and not state.bucket.take(now_ns):
            return self._refuse(performer, "rate", f"more than {EVENTS_PER_S} events a second")
        return self._take(performer, state, message, media_time, at_ns)

    def local(self, message: bytes, media_time: int) -> Outcome:
        """The person at the instrument's keys did this; it sounds already."""
        if m.fault(message) is not None or not m.is_channel(message):
            self.counts["ignored"] += 1
            return Outcome()
        self.counts["events"] += 1
        kind = m.classify(message)
        if kind is Kind.MODE:
            keys, pedals = self._held.keys(LOCAL), self._held.pedals(LOCAL)
            self._held.local(message)
            ends = [m.note_off(*key) for key in keys if not self._held.presses(LOCAL, *key)]
            for number, pedal, _ in pedals:
                if not self._held.pedal(LOCAL, number, pedal):
                    ends.append(m.control(number, pedal, 0))
            return Outcome(shown=[Shown(LOCAL, end, media_time) for end in ends])
        unheld = kind is Kind.NOTE_OFF and not self._held.presses(LOCAL, m.channel(message), message[1])
        self._held.local(message)
        if unheld:
            # Pressed before we listened.
            return Outcome()
        outcome = Outcome(shown=[Shown(LOCAL, message, media_time)])
        self._follow_sound(LOCAL, message, outcome)
        return outcome

    def select(self, performer: int, sound: str, channel: int | None, media_time: int) -> Outcome:
        """Choose a sound of the profile. Raises ValueError with a sentence for whoever asked."""
        state = self._performers.get(performer)
        if state is None or not self.profile.programs:
            raise ValueError("sounds cannot be chosen here")
        outcome = Outcome()
        for message in self.profile.select(sound, None if self.profile.one_channel else channel):
            outcome += self._take(performer, state, message, media_time, None)
        return outcome

    def release(self, performer: int, media_time: int) -> Outcome:
        """Panic: let go of all that `performer` holds. The person at the keys is not released by anybody."""
        if performer == LOCAL:
            return Outcome()
        state = self._performers.get(performer)
        at = max(media_time, state.latest_media) if state is not None else media_time
        outcome = Outcome(port=[Release(performer)])
        ends = [m.note_off(*key) for key in self._held.keys(performer)]
        ends += [m.control(number, pedal, 0) for number, pedal, _ in self._held.pedals(performer)]
        ends += self._held.returns(performer)
        outcome.shown += [Shown(performer, message, at) for message in ends]
        self._held.release(performer)
        return outcome

    def leave(self, performer: int, media_time: int) -> Outcome:
        """`performer` has gone, with all his notes."""
        outcome = self.release(performer, media_time)
        self._performers.pop(performer, None)
        return outcome

    def silence(self, media_time: int) -> Outcome:
        """Silence everyone but the person at the keys, and whatever hangs."""
        outcome = Outcome()
        for performer in self._performers:
            outcome.shown += self.release(performer, media_time).shown
        outcome.port = [Silence()]
        return outcome

    def tick(self, now_ns: int, media_time: int) -> Outcome:
        """Release performers who hold something and have not been heard for `SILENCE_NS`."""
        outcome = Outcome()
        for performer, state in self._performers.items():
            late = performer != FILE_PLAYER and now_ns - state.heard_ns >= SILENCE_NS
            if late and self._held.holds(performer):
                outcome += self.release(performer, media_time)
                outcome.silent.append(performer)
                self.counts["silent"] += 1
        return outcome

    def _take(
        self, performer: int, state: _Performer, message: bytes, media_time: int, at_ns: int | None
    ) -> Outcome:
        # Never before what was shown of him already: a file that was stopped and goes on at once.
        state.latest_media = max(state.latest_media, media_time)
        shown = Shown(performer, message, state.latest_media)
        outcome = Outcome(port=[Play(performer, message, at_ns)], shown=[shown])
        self._held.apply(performer, message)
        self._follow_sound(performer, message, outcome)
        self.counts["events"] += 1
        return outcome

    def _mode(
        self, performer: int, state: _Performer, message: bytes, media_time: int, at_ns: int | None
    ) -> Outcome:
        """As in `rtcserver.midi.merge`; everyone sees what each of them ends."""
        number, controller = m.channel(message), message[1]
        if controller == m.LOCAL_CONTROL:
            return self._refuse(performer, "control", "local control would mute the person at the keys")
        if controller == m.RESET_CONTROLLERS:
            ends = [m.control(*pedal[:2], 0) for pedal in self._held.pedals(performer) if pedal[0] == number]
            ends += [end for end in self._held.returns(performer) if m.channel(end) == number]
        else:
            ends = [m.note_off(*key) for key in self._held.keys(performer) if key[0] == number]
        outcome = Outcome()
        for end in ends:
            outcome += self._take(performer, state, end, media_time, at_ns)
        return outcome

    def _system(
        self,
        performer: int,
        state: _Performer,
        message: bytes,
        kind: Kind,
        now_ns: int,
        at_ns: int | None,
    ) -> Outcome:
        if message[0] in (m.CLOCK, m.ACTIVE_SENSING):
            self.counts["ignored"] += 1
            return Outcome()
        if kind is Kind.SYSEX:
            longest = self.profile.system_exclusive
            if GRANT_SYSEX not in state.granted:
                return self._refuse(performer, "sysex", "System Exclusive is not granted")
            if len(message) > longest:
                reason = f"System Exclusive of {len(message)} bytes; allowed are {longest}"
                return self._refuse(performer, "sysex", reason)
        elif GRANT_SYSTEM not in state.granted:
            return self._refuse(performer, "system", "system messages are not granted")
        if state.bucket is not None and not state.bucket.take(now_ns):
            return self._refuse(performer, "rate", f"more than {EVENTS_PER_S} events a second")
        self.counts["events"] += 1
        return Outcome(port=[Play(performer, message, at_ns)])

    def _forbidden(self, kind: Kind, message: bytes) -> str | None:
        chooses = kind is Kind.PROGRAM or (kind is Kind.CONTROL and message[1] in (m.BANK_MSB, m.BANK_LSB))
        return "program" if chooses and not self.profile.programs else None

    def _effect(self, performer: int, kind: Kind, message: bytes) -> tuple[bool, bool]:
        """Whether `message` only lets go of something, and whether it does nothing at all."""
        number = m.channel(message)
        if kind is Kind.NOTE_OFF:
            return True, not self._held.presses(performer, number, message[1])
        if kind is Kind.CONTROL and message[1] in PEDALS:
            return message[2] == 0, self._held.pedal(performer, number, message[1]) == message[2]
        if kind is Kind.POLY_PRESSURE:
            return False, not self._held.presses(performer, number, message[1])
        return False, False

    def _follow_sound(self, performer: int, message: bytes, outcome: Outcome) -> None:
        number = m.channel(message)
        bank = self._banks.setdefault(number, [0, 0])
        if message[0] & 0xF0 == m.CONTROL and message[1] in (m.BANK_MSB, m.BANK_LSB):
            bank[message[1] == m.BANK_LSB] = message[2]
        elif message[0] & 0xF0 == m.PROGRAM:
            sound = self.profile.sound_of(bank[0], bank[1], message[1])
            outcome.selected.append(Selected(sound, number, performer))

    def _refuse(self, performer: int, code: str, reason: str) -> Outcome:
        self.counts[code] += 1
        return Outcome(refused=[Refusal(performer, code, reason)])
