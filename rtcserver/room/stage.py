"""A room's instrument as performers play it: what they do goes to the port and into the journal.

Between the desk (who is who), the router (who may what), the player of MIDI files, and a port (what
sounds). Loop-bound; nothing here waits.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from rtcserver.channel import announce
from rtcserver.channel.notes import NoteState
from rtcserver.channel.telemetry import PlayerCommand
from rtcserver.channel.up.messages import PANIC_ALL
from rtcserver.channel.up.receiver import Played
from rtcserver.clock import NS, monotonic_ns
from rtcserver.errors import PeerError
from rtcserver.midi.performers import FILE_PLAYER
from rtcserver.midi.profile import Profile
from rtcserver.midi.settings import Settings
from rtcserver.midi.smf import Song, arrange, read
from rtcserver.midiport.control import PORT_COUNTS
from rtcserver.midiport.supervisor import Port
from rtcserver.room.player import EVENTS_PER_S, FilePlayer, PlayerState, PlayerStep
from rtcserver.room.router import Outcome, PortPlay, PortRelease, Router

log = logging.getLogger(__name__)

MAX_READING = 4
"""Uploaded files that may wait for being read, one after the other; a further one is answered 503."""


MAX_KEPT_EVENTS = 600_000
"""Events of all uploaded files that a room keeps, some 80 MB; beyond, the oldest file goes."""


@dataclass(frozen=True, slots=True)
class StageLimits:
    """files: uploaded ones that a room keeps; for one more the oldest goes. events_per_s: of a file that plays."""

    files: int = 16
    events_per_s: int = EVENTS_PER_S


class Audience(Protocol):
    """What the stage needs of its desk."""

    def note(self, performer: int, message: bytes, media_time: int) -> None:
        """Put what a performer does into the journal, for everyone to see."""

    def silence_everyone(self) -> None:
        """Silence everyone."""

    def tell_all(self, text: str) -> None:
        """JSON for everyone."""

    def media_now(self, now_ns: int) -> int:
        """The room's media time at a monotonic time."""


class Stage:
    """One room's port, profile, performers' rights and file player. Whoever made the port starts and closes it.

    notes: the state of the journal in which `Audience.note` puts what it is given.
    """

    def __init__(
        self,
        audience: Audience,
        port: Port,
        profile: Profile,
        notes: NoteState,
        limits: StageLimits | None = None,
    ) -> None:
        self.port = port
        self._limits = limits or StageLimits()
        self._audience = audience
        self._profile = profile
        self._router = Router(profile, notes)
        self._player = FilePlayer(self._limits.events_per_s)
        self._reading = asyncio.Semaphore(1)
        self._to_read = 0
        self._files: OrderedDict[str, tuple[Song, Settings]] = OrderedDict()
        self._loaded: str | None = None
        self._player_by: int | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._router.join(FILE_PLAYER)
        port.on_message = self._on_instrument

    @property
    def profile(self) -> Mapping[str, object]:
        """The profile's summary, and whether the port is open."""
        status = self.port.status
        return {**self._profile.summary(), "state": status.state, "error": status.error}

    @property
    def sounds(self) -> dict[str, Any]:
        """The whole profile, for the page."""
        return self._profile.to_json()

    @property
    def counters(self) -> Mapping[str, int]:
        """What was played and refused (see `Router.counts`), what of a file came late (``file_late``), and what the port did
        (``port_sent``, …)."""
        status = self.port.status
        ports = {f"port_{name}": getattr(status, name) for name in PORT_COUNTS}
        return {**self._router.counts, "file_late": self._player.late, **ports}

    @property
    def player(self) -> Mapping[str, object]:
        """What the player does, as in a ``player`` message."""
        now = monotonic_ns()
        return {
            **self._player.describe(now),
            "file": self._loaded,
            "by": self._player_by,
            "media_time": self._audience.media_now(now),
        }

    @property
    def plays(self) -> str:
        """The name of the file that plays at this moment, or ""."""
        song = self._player.song
        return song.name if song is not None and self._player.state is PlayerState.PLAYING else ""

    # Performers

    def join(self, performer: int) -> None:
        """`performer` may play from now on."""
        self._router.join(performer)

    def play(self, performer: int, played: list[Played]) -> None:
        """A performer's events, in order: to the port at once, and to everyone's page."""
        media = self._audience.media_now(monotonic_ns())
        for event in played:
            if event.message == PANIC_ALL:
                self._audience.silence_everyone()
            else:
                self._carry_out(self._router.receive(performer, event.message, media))

    def leave(self, performer: int) -> None:
        """`performer` has gone, with all their notes."""
        self._carry_out(self._router.leave(performer, self._audience.media_now(monotonic_ns())))

    def select(self, performer: int, sound: str, channel: int | None) -> None:
        """Choose a sound of the profile. Raises PeerError with what is allowed."""
        media = self._audience.media_now(monotonic_ns())
        try:
            outcome = self._router.select(performer, sound, channel, media)
        except ValueError as error:
            raise PeerError(400, "no_such_sound", str(error)) from error
        self._carry_out(outcome)

    def silence(self) -> None:
        """Let go of everything but what the person at the keys holds; the player stops, too."""
        self._step(self._player.stop())
        self._carry_out(self._router.silence(self._audience.media_now(monotonic_ns())))
        self._tell_player()

    # Files

    async def upload(self, title: str, data: bytes) -> dict[str, Any]:
        """Take a MIDI file: ``{"file", "name", "duration_s"}``, and ``"remark"`` if something in it is wrong.

        Raises PeerError that says what is wrong with a file that cannot be played.
        """
        if self._to_read >= MAX_READING:
            raise PeerError(
                503, "busy", "Too many MIDI files are being read at this moment.", retry_after_s=MAX_READING
            )
        self._to_read += 1
        try:
            # The densest file takes half a second to read: not on the loop that performers' notes pass, and one by one.
            async with self._reading:
                song, settings = await asyncio.to_thread(_read, data, self._profile)
        finally:
            self._to_read -= 1
        if not song.notes:
            raise PeerError(422, "midi_file", "This MIDI file has no notes that this instrument would play.")
        file, name = secrets.token_urlsafe(9), title or song.name or "MIDI file"
        # What everybody sees of the player is what the performer's page calls the file.
        self._files[file] = replace(song, name=name), settings
        while len(self._files) > 1 and (
            len(self._files) > self._limits.files or self._kept > MAX_KEPT_EVENTS
        ):
            self._files.popitem(last=False)
        described = {"file": file, "name": name, "duration_s": round(song.duration_ns / NS, 3)}
        return described | ({"remark": song.remark} if song.remark else {})

    @property
    def _kept(self) -> int:
        """Events of all files that are kept."""
        return sum(len(song.events) for song, _ in self._files.values())

    def control_player(self, performer: int, message: PlayerCommand) -> None:
        """Play, pause, stop, seek, tempo. Raises PeerError."""
        now = monotonic_ns()
        match message.action:
            case "play":
                if message.file is not None and message.file != self._loaded:
                    self._load(message.file)
                step = self._player.play(now)
            case "pause":
                step = self._player.pause(now)
            case "stop":
                step = self._player.stop()
            case "seek":
                step = self._player.seek(round((message.position_s or 0) * NS), now)
            case "tempo":
                step = self._player.set_tempo(message.tempo or 1.0, now)
        self._player_by = performer
        self._step(step)

    def close(self) -> None:
        """Stop the player."""
        self._step(self._player.stop())
        if self._timer is not None:
            self._timer.cancel()

    def _load(self, file: str) -> None:
        if file not in self._files:
            raise PeerError(404, "no_file", "This MIDI file is not here any more; upload it again.")
        self._step(self._player.load(*self._files[file]))
        self._loaded = file

    def _step(self, step: PlayerStep) -> None:
        """Carry out what the player wants: first the release, then the events."""
        now = monotonic_ns()
        if step.release:
            self._carry_out(self._router.release(FILE_PLAYER, self._audience.media_now(now)))
        handed = Outcome()
        for at_ns, message in step.events:
            outcome = self._router.receive(FILE_PLAYER, message, self._audience.media_now(at_ns), at_ns)
            # The port gets a turn's events together: message by message, a crowd of them would fill its socket.
            handed.port += outcome.port
            outcome.port = []
            self._carry_out(outcome)
        self._carry_out(handed)
        if step.changed:
            self._tell_player()
        self._arm(now)

    def _arm(self, now: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self._player.next_ns
        if due is not None and self._player.state is PlayerState.PLAYING:
            wait_s = max(0, due - now) / NS
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._step(self._player.tick(monotonic_ns()))

    def _tell_player(self) -> None:
        self._audience.tell_all(announce.pack("player", self.player))

    # Outcomes

    def _carry_out(self, outcome: Outcome) -> None:
        events: list[tuple[int, bytes, int | None]] = []
        for order in outcome.port:
            if isinstance(order, PortPlay):
                events.append((order.performer, order.message, order.at_ns))
                continue
            # What came before goes out before.
            self.port.play(events)
            events = []
            if isinstance(order, PortRelease):
                self.port.release(order.performer)
            else:
                self.port.silence()
        if events:
            self.port.play(events)
        for shown in outcome.shown:
            self._audience.note(shown.performer, shown.message, shown.media_time)
        for chosen in outcome.selected:
            if chosen.sound is not None:
                self._audience.tell_all(announce.selected(chosen.sound, chosen.channel, chosen.performer))

    def _on_instrument(self, message: bytes, at_ns: int) -> None:
        """Played on the instrument's own keys: shown, never echoed to its port."""
        self._carry_out(self._router.local(message, self._audience.media_now(at_ns)))


def _read(data: bytes, profile: Profile) -> tuple[Song, Settings]:
    """A file as this instrument plays it. Raises PeerError. On a thread of its own."""
    song = arrange(read(data), profile)
    return song, Settings(song.events)
