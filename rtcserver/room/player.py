"""The file player plays a song: a state machine over monotonic time. Pure.

What is due is handed out ahead, with the time at which it is to sound, so that neither the server's event
loop nor the way between processes has a say in the rhythm. Whoever owns a player calls `tick` at least every
`TICK_NS` while it plays, and carries out each `PlayerStep`: first the release, then the events.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from rtcserver.clock import NS
from rtcserver.errors import PeerError
from rtcserver.midi import message as m
from rtcserver.midi.message import MessageKind
from rtcserver.midi.smf import Song, SongEvent

LOOKAHEAD_NS = 150_000_000
"""How far ahead events are handed out: the longest that the event loop may stall unheard."""
TICK_NS = 40_000_000
START_NS = 50_000_000
"""From the wish to play to the first note: time for everything to be handed over."""
MAX_EVENTS_A_TURN = 256
"""Events that one `tick` hands out at most, so that a file with thousands at one moment lets others have their turn."""
MIN_TEMPO, MAX_TEMPO = 0.25, 4.0
_THOUSAND = 1000
_KEPT = frozenset((m.VOLUME, m.PAN, m.REVERB, m.CHORUS))


class PlayerState(Enum):
    """What a player does. The words are those of the wire format."""

    STOPPED = "stopped"
    PLAYING = "playing"
    PAUSED = "paused"


class PlayerAction(Enum):
    """What a person or the end of the song does to a player."""

    PLAY = "play"
    PAUSE = "pause"
    STOP = "stop"
    SEEK = "seek"
    END = "end"


TRANSITIONS: dict[PlayerState, dict[PlayerAction, PlayerState]] = {
    PlayerState.STOPPED: {
        PlayerAction.PLAY: PlayerState.PLAYING,
        PlayerAction.PAUSE: PlayerState.STOPPED,
        PlayerAction.STOP: PlayerState.STOPPED,
        PlayerAction.SEEK: PlayerState.PAUSED,
    },
    PlayerState.PLAYING: {
        PlayerAction.PLAY: PlayerState.PLAYING,
        PlayerAction.PAUSE: PlayerState.PAUSED,
        PlayerAction.STOP: PlayerState.STOPPED,
        PlayerAction.SEEK: PlayerState.PLAYING,
        PlayerAction.END: PlayerState.STOPPED,
    },
    PlayerState.PAUSED: {
        PlayerAction.PLAY: PlayerState.PLAYING,
        PlayerAction.PAUSE: PlayerState.PAUSED,
        PlayerAction.STOP: PlayerState.STOPPED,
        PlayerAction.SEEK: PlayerState.PAUSED,
    },
}
"""Pressing a button twice is no error; a song can only end while it plays."""


@dataclass(slots=True)
class PlayerStep:
    """What to do now.

    release: end what sounds and drop what was handed out. events: ``(at_ns, message)``, in order. changed:
    state, position or tempo are not what they would have been: tell everyone.
    """

    release: bool = False
    events: list[tuple[int, bytes]] = field(default_factory=list)
    changed: bool = False


class FilePlayer:
    """The room's player of MIDI files: one song at a time. `now_ns` is monotonic."""

    def __init__(self) -> None:
        self.song: Song | None = None
        self.state = PlayerState.STOPPED
        self._milli = _THOUSAND
        """Tempo in thousandths of the song's own."""
        self._song_ns = self._at_ns = 0
        """While it plays, song time `_song_ns` sounds at `_at_ns`; otherwise the player rests at `_song_ns`."""
        self._before: tuple[int, int, int] | None = None
        """Song time, monotonic time and tempo that hold until `_at_ns`."""
        self._index = 0
        """The next event to hand out."""
        self._until_ns = 0
        """All that is due before has been handed out."""
        self._more = False
        """The last turn left events behind that are due."""

    @property
    def tempo(self) -> float:
        """Factor on the song's own tempo."""
        return self._milli / _THOUSAND

    @property
    def next_ns(self) -> int | None:
        """When to call `tick` at the latest; None while nothing plays. What is past: as soon as others had a turn."""
        if self.state is not PlayerState.PLAYING:
            return None
        return self._until_ns - LOOKAHEAD_NS + (0 if self._more else TICK_NS)

    def position_ns(self, now_ns: int) -> int:
        """What of the song is heard at `now_ns`, in the song's own time."""
        if self.song is None:
            return 0
        if self.state is not PlayerState.PLAYING:
            return self._song_ns
        if now_ns < self._at_ns:
            if self._before is None:
                # Before the first note is due, the position waits.
                return self._song_ns
            song_ns, at_ns, milli = self._before
            return max(0, song_ns + (now_ns - at_ns) * milli // _THOUSAND)
        return min(self._song_at(now_ns), self.song.duration_ns)

    def load(self, song: Song) -> PlayerStep:
        """Take another song; it rests at its beginning."""
        step = PlayerStep(release=self.state is PlayerState.PLAYING, changed=True)
        self.song, self.state = song, PlayerState.STOPPED
        self._song_ns = self._index = 0
        return step

    def play(self, now_ns: int) -> PlayerStep:
        """Play on from where it rests. Raises PeerError when no song is loaded."""
        if self.song is None:
            raise PeerError(409, "no_file", "There is no MIDI file to play.")
        if self.state is PlayerState.PLAYING:
            return PlayerStep()
        self._go(PlayerAction.PLAY)
        return self._begin(self._song_ns, now_ns)

    def pause(self, now_ns: int) -> PlayerStep:
        """Rest where it is."""
        if self.state is not PlayerState.PLAYING:
            return PlayerStep()
        self._song_ns = self.position_ns(now_ns)
        self._go(PlayerAction.PAUSE)
        return PlayerStep(release=True, changed=True)

    def stop(self) -> PlayerStep:
        """Rest at the beginning."""
        step = PlayerStep(release=self.state is PlayerState.PLAYING, changed=True)
        self._go(PlayerAction.STOP)
        self._song_ns = self._index = 0
        return step

    def seek(self, position_ns: int, now_ns: int) -> PlayerStep:
        """Go to a time of the song, and play on there if it plays. Raises PeerError."""
        if self.song is None:
            raise PeerError(409, "no_file", "There is no MIDI file to play.")
        if not 0 <= position_ns <= self.song.duration_ns:
            seconds = self.song.duration_ns / NS
            raise PeerError(400, "position", f"There is no such place; allowed are 0 to {seconds:.1f} s.")
        self._go(PlayerAction.SEEK)
        if self.state is not PlayerState.PLAYING:
            self._song_ns = position_ns
            return PlayerStep(changed=True)
        step = self._begin(position_ns, now_ns)
        step.release = True
        return step

    def set_tempo(self, factor: float, now_ns: int) -> PlayerStep:
        """Play at `factor` times the song's own tempo. Raises PeerError."""
        if not MIN_TEMPO <= factor <= MAX_TEMPO:
            raise PeerError(
                400,
                "tempo",
                f"A tempo of {factor:g} is not possible; allowed are {MIN_TEMPO} to {MAX_TEMPO}.",
            )
        if self.state is PlayerState.PLAYING:
            # What was handed out keeps its times; the new tempo begins behind it.
            turn = max(self._until_ns, now_ns)
            if now_ns >= self._at_ns:
                self._before = (self._song_ns, self._at_ns, self._milli)
            self._song_ns, self._at_ns = self._song_at(turn), turn
        self._milli = round(factor * _THOUSAND)
        return PlayerStep(changed=True)

    def tick(self, now_ns: int) -> PlayerStep:
        """Hand out what is due until `LOOKAHEAD_NS` from now; at the end, stop."""
        song = self.song
        if song is None or self.state is not PlayerState.PLAYING:
            return PlayerStep()
        step = PlayerStep(events=self._hand_out(now_ns + LOOKAHEAD_NS))
        if self._index == len(song.events) and now_ns >= self._due(song.duration_ns):
            self._go(PlayerAction.END)
            self._song_ns = self._index = 0
            # Pedals and bends that the song left somewhere.
            step.release = step.changed = True
        return step

    def describe(self, now_ns: int) -> dict[str, Any]:
        """For everyone to see; times in seconds of the song."""
        return {
            "state": self.state.value,
            "name": self.song.name if self.song is not None else None,
            "position_s": round(self.position_ns(now_ns) / NS, 3),
            "duration_s": round(self.song.duration_ns / NS, 3) if self.song is not None else 0.0,
            "tempo": self.tempo,
        }

    def _go(self, action: PlayerAction) -> None:
        self.state = TRANSITIONS[self.state][action]

    def _begin(self, position_ns: int, now_ns: int) -> PlayerStep:
        """Start at a time of the song: first what was set before it, then what is due."""
        assert self.song is not None
        self._song_ns, self._at_ns, self._before = position_ns, now_ns + START_NS, None
        self._until_ns = now_ns
        self._index = bisect_left(self.song.events, position_ns, key=lambda event: event.at_ns)
        events = [(self._at_ns, message) for message in settings(self.song.events[: self._index])]
        events += self._hand_out(now_ns + LOOKAHEAD_NS)
        return PlayerStep(events=events, changed=True)

    def _hand_out(self, until_ns: int) -> list[tuple[int, bytes]]:
        assert self.song is not None
        found: list[tuple[int, bytes]] = []
        events = self.song.events
        self._more = False
        while self._index < len(events) and (due := self._due(events[self._index].at_ns)) < until_ns:
            if len(found) == MAX_EVENTS_A_TURN:
                self._more, until_ns = True, due
                break
            found.append((due, events[self._index].message))
            self._index += 1
        self._until_ns = max(self._until_ns, until_ns)
        return found

    def _due(self, song_ns: int) -> int:
        return self._at_ns + (song_ns - self._song_ns) * _THOUSAND // self._milli

    def _song_at(self, at_ns: int) -> int:
        return self._song_ns + (at_ns - self._at_ns) * self._milli // _THOUSAND


def settings(events: tuple[SongEvent, ...]) -> list[bytes]:
    """The programs, controllers and bends that are in force after `events`, in an order that sets them."""
    last: dict[tuple[int, int, int], bytes] = {}
    for _, message in events:
        if message[0] < m.CONTROL:
            # Notes: most of what a long file has.
            continue
        kind, number = m.classify(message), m.channel(message)
        if kind is MessageKind.MODE and message[1] == m.RESET_CONTROLLERS:
            for key in [key for key in last if key[0] == number and _is_reset(key)]:
                del last[key]
        elif kind is MessageKind.CONTROL:
            last[number, _order(message), message[1]] = message
        elif kind in (MessageKind.PROGRAM, MessageKind.PITCH_BEND, MessageKind.CHANNEL_PRESSURE):
            last[number, _order(message), 0] = message
    return [last[key] for key in sorted(last)]


def _order(message: bytes) -> int:
    """Banks before the program, the program before everything else."""
    if m.status(message) == m.CONTROL and message[1] in (m.BANK_MSB, m.BANK_LSB):
        return 0
    return {m.PROGRAM: 1, m.CONTROL: 2, m.CHANNEL_PRESSURE: 3, m.PITCH_BEND: 4}[m.status(message)]


def _is_reset(key: tuple[int, int, int]) -> bool:
    """Whether controller 121 resets this: not banks, programs, volume, pan and effects (RP-015)."""
    return key[1] >= 3 or (key[1] == 2 and key[2] not in _KEPT)
