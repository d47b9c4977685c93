"""The file player plays a song: a state machine over monotonic time. Pure.

What is due is handed out ahead, with the time at which it is to sound, so that neither the server's event
loop nor the way between processes has a say in the rhythm. Whoever owns a player calls `tick` when `next_ns` has come
and carries out each `PlayerStep`: first the release, then the events.

A file may have more events at one moment than an event loop, or a MIDI cable, can bear. They are then handed out at
`events_per_s`, in order, and none is left out; the song's clock goes on meanwhile, so that what follows is in time again as
soon as the crowd has passed. This is what FluidSynth's own player does when it falls behind.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from rtcserver.clock import NS
from rtcserver.errors import PeerError
from rtcserver.midi.settings import Settings
from rtcserver.midi.smf import Song

LOOKAHEAD_NS = 150_000_000
"""How far ahead events are handed out: the longest that the event loop may stall unheard."""
TICK_NS = 40_000_000
START_NS = 50_000_000
"""From the wish to play to the first note: time for everything to be handed over."""
MAX_EVENTS_A_TURN = 128
"""Events that one `tick` hands out at most: the event loop is held for a millisecond or two."""
EVENTS_PER_S = 8000
"""More than any music has. As they are handed out ahead, eight hundred at one moment still sound in time."""
MIN_TEMPO, MAX_TEMPO = 0.25, 4.0
_THOUSAND = 1000


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

    def __init__(self, events_per_s: int = EVENTS_PER_S) -> None:
        self.late = 0
        """Events that were handed out after their time."""
        self._turn_ns = MAX_EVENTS_A_TURN * NS // events_per_s
        self.song: Song | None = None
        self._settings = Settings(())
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
        self._more_ns: int | None = None
        """The last turn left events behind that are due: when their turn is."""

    @property
    def tempo(self) -> float:
        """Factor on the song's own tempo."""
        return self._milli / _THOUSAND

    @property
    def next_ns(self) -> int | None:
        """When to call `tick`; None while nothing plays."""
        if self.state is not PlayerState.PLAYING:
            return None
        return self._until_ns - LOOKAHEAD_NS + TICK_NS if self._more_ns is None else self._more_ns

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

    def load(self, song: Song, settings: Settings) -> PlayerStep:
        """Take another song; it rests at its beginning. settings: the song's own."""
        step = PlayerStep(release=self.state is PlayerState.PLAYING, changed=True)
        self.song, self.state, self._settings = song, PlayerState.STOPPED, settings
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
        if self._more_ns is not None and now_ns < self._more_ns:
            return PlayerStep()
        step = PlayerStep(events=self._hand_out(now_ns))
        if not step.events and self._index == len(song.events) and now_ns >= self._due(song.duration_ns):
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
        events = [(self._at_ns, message) for message in self._settings.before(self._index)]
        events += self._hand_out(now_ns)
        return PlayerStep(events=events, changed=True)

    def _hand_out(self, now_ns: int) -> list[tuple[int, bytes]]:
        """The events of one turn: what is due until `LOOKAHEAD_NS` from now. What is late sounds now."""
        assert self.song is not None
        found: list[tuple[int, bytes]] = []
        events = self.song.events
        until_ns, self._more_ns = now_ns + LOOKAHEAD_NS, None
        while self._index < len(events) and (due := self._due(events[self._index].at_ns)) < until_ns:
            if len(found) == MAX_EVENTS_A_TURN:
                self._more_ns, until_ns = now_ns + self._turn_ns, due
                break
            self.late += due < now_ns
            found.append((max(due, now_ns), events[self._index].message))
            self._index += 1
        self._until_ns = max(self._until_ns, until_ns)
        return found

    def _due(self, song_ns: int) -> int:
        return self._at_ns + (song_ns - self._song_ns) * _THOUSAND // self._milli

    def _song_at(self, at_ns: int) -> int:
        return self._song_ns + (at_ns - self._at_ns) * self._milli // _THOUSAND
