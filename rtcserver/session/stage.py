"""A room's instrument as performers play it: what they do goes to the port and into the journal.

Between the desk (who is who) and a `rtcserver.midi.supervisor.Port` (what sounds). Loop-bound.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from typing import Any, Protocol

from rtcserver.channel import announce
from rtcserver.channel.cells import is_channel_message
from rtcserver.channel.codec import PANIC_ALL
from rtcserver.channel.telemetry import Player
from rtcserver.channel.up import Played
from rtcserver.clock import monotonic_ns
from rtcserver.errors import PeerError
from rtcserver.midi import message as m
from rtcserver.midi.merge import LOCAL
from rtcserver.midi.profile import Profile
from rtcserver.midi.supervisor import Port

log = logging.getLogger(__name__)


class Audience(Protocol):
    """What the stage needs of its desk."""

    def note(self, performer: int, message: bytes, media_time: int) -> None: ...

    def silence(self, by: int) -> None: ...

    def tell_all(self, text: str) -> None: ...

    def media_now(self, now_ns: int) -> int: ...


class MidiStage:
    """One room's port and profile. `start` and `close` are the owner's to call."""

    def __init__(self, audience: Audience, port: Port, profile: Profile) -> None:
        self.port = port
        self.profile_of = profile
        self.counters: Counter[str] = Counter()
        self._audience = audience
        port.on_message = self._on_instrument

    @property
    def profile(self) -> Mapping[str, object]:
        """The profile's summary, and whether the port is open."""
        status = self.port.status
        return {**self.profile_of.summary(), "state": status.state, "error": status.error}

    @property
    def player(self) -> Mapping[str, object] | None:
        """Nothing plays files yet."""
        return None

    @property
    def sounds(self) -> dict[str, Any]:
        """The whole profile, for the page."""
        return self.profile_of.to_json()

    def upload(self, title: str, data: bytes) -> dict[str, Any]:
        """Raises PeerError: files are not played yet."""
        raise PeerError(409, "no_player", "This server does not play MIDI files.")

    def play(self, performer: int, played: list[Played]) -> None:
        """A performer's events: to the port at once, and to everyone's page."""
        now = monotonic_ns()
        media = self._audience.media_now(now)
        for event in played:
            if event.message == PANIC_ALL:
                self._audience.silence(performer)
                continue
            message = self._on_play_channel(event.message)
            if self._filtered(message):
                self.counters["filtered"] += 1
                continue
            self.counters["played"] += 1
            self.port.send(message, None, performer)
            self._audience.note(performer, message, media)

    def leave(self, performer: int) -> None:
        """Whatever a performer still holds at the port ends."""
        self.port.release(performer)

    def select(self, performer: int, sound: str, channel: int | None) -> None:
        """Choose a sound of the profile. Raises PeerError with what is allowed."""
        if not self.profile_of.programs:
            raise PeerError(403, "not_granted", "Sounds of this instrument are not chosen from here.")
        if self.profile_of.one_channel:
            channel = None
        try:
            messages = self.profile_of.select(sound, channel)
        except ValueError as error:
            raise PeerError(400, "no_such_sound", str(error)) from error
        media = self._audience.media_now(monotonic_ns())
        for message in messages:
            self.port.send(message)
            self._audience.note(performer, message, media)
        self.counters["selected"] += 1
        self._audience.tell_all(announce.selected(sound, channel, performer))

    def silence(self, performer: int) -> None:
        """Let go of everything but what the person at the keys holds."""
        self.counters["silenced"] += 1
        self.port.silence()

    def control_player(self, performer: int, message: Player) -> None:
        """Raises PeerError: files are not played yet."""
        raise PeerError(409, "no_player", "This server does not play MIDI files.")

    def _on_instrument(self, message: bytes, at_ns: int) -> None:
        """Played on the instrument's own keys: shown, never echoed to its port."""
        if not is_channel_message(message):
            self.counters["instrument_system"] += 1
            return
        self.counters["instrument"] += 1
        self._audience.note(LOCAL, message, self._audience.media_now(at_ns))

    def _on_play_channel(self, message: bytes) -> bytes:
        if not self.profile_of.one_channel:
            return message
        return bytes((message[0] & 0xF0 | self.profile_of.play_channel,)) + message[1:]

    def _filtered(self, message: bytes) -> bool:
        """Program changes go by `select`, which knows the instrument's banks; bank selects with them."""
        kind = message[0] & 0xF0
        return kind == m.PROGRAM or (kind == m.CONTROL and message[1] in (0, 32))
