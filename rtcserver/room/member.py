"""One session's DataChannels: what comes in is parsed and limited, what goes out is bounded.

Owned by the room's desk; loop-bound. Whatever a client sends costs only itself.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Protocol

from aiortc import RTCDataChannel

from rtcserver.access.door import Grant
from rtcserver.channel import announce
from rtcserver.channel.down.sender import HIDDEN, LISTEN, SLOW, STUDIO, Cadence
from rtcserver.channel.limits import ChannelRates
from rtcserver.channel.midi_peer import MidiPeer, MidiPeerCounters
from rtcserver.channel.studio import StudioQuality, StudioReady, StudioReport
from rtcserver.channel.telemetry import TYPES, ClientMessage, Pin, Stats
from rtcserver.channel.telemetry_peer import TelemetryCounters, TelemetryPeer
from rtcserver.channel.up.receiver import UpCounters
from rtcserver.clock import NS, monotonic_ns
from rtcserver.errors import PeerError, RtcServerError
from rtcserver.peer.oneport_session import OnePortSession
from rtcserver.room.people import Known
from rtcserver.room.samples import SampleListener
from rtcserver.room.studio import RedundancyControl

log = logging.getLogger(__name__)

MAX_BUFFERED = 64 * 1024
"""Bytes waiting on a channel beyond which notes are skipped: newer ones repeat them."""


SUMMED = ("packets", "lost", "played", "concealed", "silent_concealed", "studio_lost", "studio_underruns")
"""Of a report (`rtcserver.channel.telemetry.STATS_FIELDS`) what is counted since the report before."""


@dataclass(slots=True)
class DownCounters:
    """In messages to members. skipped: not sent, since the channel was full or closed; notes are repeated by newer ones."""

    skipped: int = 0


@dataclass(slots=True)
class ChannelCounters:
    """What all members of a room sent on their DataChannels, and what of it and of what they are sent was dropped."""

    midi: MidiPeerCounters = field(default_factory=MidiPeerCounters)
    performer: UpCounters = field(default_factory=UpCounters)
    telemetry: TelemetryCounters = field(default_factory=TelemetryCounters)
    down: DownCounters = field(default_factory=DownCounters)

    def by_event(self) -> dict[str, int]:
        """Counts by name: ``midi_malformed``, ``performer_limited``, ``telemetry_frequent``, …"""
        return {
            f"{part}_{name}": count for part, counts in asdict(self).items() for name, count in counts.items()
        }


class MemberDesk(Protocol):
    """What a member asks of the desk of its room."""

    counters: ChannelCounters
    """Where members count."""
    rates: ChannelRates
    """What each of their channels may bring."""

    def on_message(self, member: Member, message: ClientMessage) -> None:
        """Something said on ``telemetry`` that is not the member's own business."""

    def on_stats(self, member: Member, values: dict[str, float]) -> None:
        """A report of how the sound arrives."""

    def on_midi(self, member: Member, data: bytes | str) -> None:
        """A message of the ``midi`` channel."""

    def on_midi_open(self, member: Member) -> None:
        """The ``midi`` channel can be written to."""

    def set_exact(self, member: Member, *, twice: bool) -> None:
        """Give a Studio member its PCM. Raises PeerError."""

    def set_light(self, member: Member, *, samples: bool = False) -> None:
        """Give a Studio member compressed sound, alone or with the samples beside it. Raises PeerError."""

    def on_samples_closed(self, member: Member) -> None:
        """The ``studio`` channel is closed: nothing can be sent on it any more."""


class Member:
    """A session that has opened a channel."""

    def __init__(self, session: OnePortSession, desk: MemberDesk) -> None:
        self.session = session
        self.telemetry = TelemetryPeer(desk.counters.telemetry, desk.rates)
        self.midi = MidiPeer(desk.counters.midi, desk.counters.performer, desk.rates)
        self.name = ""
        self.grant = Grant()
        """On what ground it performs, if it does."""
        self.muted = False
        """Whether a performer let nothing be taken that it plays."""
        self.totals: Counter[str] = Counter()
        """What its page has reported of what only adds up, since the session began; see `SUMMED`."""
        self.hidden = False
        """Whether its page says that nobody sees it."""
        self.studio_ready = False
        self.redundancy = RedundancyControl()
        self.samples: SampleListener | None = None
        """Its ``studio`` channel, if it listens by one."""
        self._reported_ns: int | None = None
        self._desk = desk
        self._channels: dict[str, RTCDataChannel] = {}
        session.on_tier = self.tell_tier

    def attach(self, channel: RTCDataChannel) -> None:
        """Take over a channel by its label; a second one of a label, or an unknown one, stays mute."""
        if channel.label == "studio":
            self._attach_samples(channel)
            return
        if channel.label not in ("telemetry", "midi") or channel.label in self._channels:
            return
        self._channels[channel.label] = channel
        handler: Callable[[bytes | str], None] = (
            self._on_telemetry if channel.label == "telemetry" else self._on_midi
        )
        channel.on("message", handler)
        if channel.label == "midi":
            self._desk.on_midi_open(self)

    def _attach_samples(self, channel: RTCDataChannel) -> None:
        """Samples are never repeated and never wait for one another: no other kind of channel will do."""
        if self.session.mode != "studio-channel" or self.samples is not None:
            return
        if channel.ordered or channel.maxRetransmits != 0:
            return
        session = self.session
        self.samples = SampleListener(channel, session.rtp_offset, lambda: session.buffered, self._give_up)
        channel.on("close", lambda: self._desk.on_samples_closed(self))

    def _give_up(self) -> None:
        with self.session.about():
            log.warning("it takes next to nothing of what Studio sends it, and is ended")
        self.session.end("stuck")

    def tell(self, text: str) -> None:
        """Send JSON on ``telemetry``."""
        self._send("telemetry", text)

    def tell_tier(self) -> None:
        """Say which tier it is sent, if there are tiers for it."""
        feedback = self.session.feedback
        if feedback.tiers is not None and "telemetry" in self._channels:
            now, frame_ms = str(self.session.details["tier"]), feedback.frame_ms(self.session.encoding)
            self.tell(announce.tier(now, feedback.pinned, frame_ms, feedback.tier_rates))

    def send_midi(self, data: bytes) -> None:
        """Send one message on ``midi``."""
        self._send("midi", data)

    @property
    def has_midi(self) -> bool:
        """Whether notes can be sent to it."""
        return "midi" in self._channels

    def known(self, now_ns: int) -> Known:
        """What performers are told of it."""
        return Known(
            self.name,
            self.midi.performer,
            self.muted,
            self.grant.admin,
            self.totals,
            None if self._reported_ns is None else (now_ns - self._reported_ns) / NS,
        )

    @property
    def cadence(self) -> Cadence:
        """How often it is sent what is played."""
        if self.session.mode != "listen":
            return STUDIO
        if self.hidden:
            return HIDDEN
        return SLOW if self.session.details.get("tier") == "low" else LISTEN

    def _send(self, label: str, data: bytes | str) -> None:
        channel = self._channels.get(label)
        if channel is None or channel.readyState != "open" or channel.bufferedAmount > MAX_BUFFERED:
            self._desk.counters.down.skipped += 1
            return
        channel.send(data)

    def _on_telemetry(self, text: bytes | str) -> None:
        now = monotonic_ns()
        message, refusal = self.telemetry.receive(text, now)
        if refusal is not None:
            self.tell(refusal)
        if self.telemetry.abusive:
            self._channels["telemetry"].close()
            return
        if message is None:
            return
        try:
            self._handle(message, now)
        except RtcServerError as error:
            kind = TYPES.get(type(message))
            self.tell(announce.error(getattr(error, "code", "refused"), str(error), kind))

    def _see(self, *, hidden: bool) -> None:
        """Notes leave rarely for a page that nobody sees; one that is seen again gets the whole state at once."""
        returns, self.hidden = self.hidden and not hidden, hidden
        if returns and self.has_midi:
            self._desk.on_midi_open(self)

    def _handle(self, message: ClientMessage, now: int) -> None:
        match message:
            case Stats(values):
                self.session.details["stats"] = values
                self._reported_ns = now
                self.totals.update({name: round(values[name]) for name in SUMMED if name in values})
                self.session.page_said(values)
                self._desk.on_stats(self, values)
                self._see(hidden=bool(values.get("hidden")))
            case Pin(tier):
                self.session.pin(tier)
                self.tell_tier()
            case StudioReady():
                self._ready()
            case StudioQuality(quality):
                self._change(quality)
            case StudioReport(values):
                self._report(values, now)
            case _:
                self._desk.on_message(self, message)

    def _ready(self) -> None:
        """Its worker receives frames. That is no matter to light, which any browser plays."""
        if self.session.sending.light:
            self.studio_ready = True
        else:
            self._desk.set_exact(self, twice=self.redundancy.on)

    def _change(self, quality: str) -> None:
        if self.session.mode == "listen":
            raise PeerError(409, "not_studio", "This session listens to Opus; it cannot change.")
        if quality == self.session.sending.quality:
            pass
        elif quality == "light":
            self._desk.set_light(self)
        elif not self.studio_ready:
            raise PeerError(
                409, "not_ready", "Exact samples need a worker that receives frames: say studio_ready first."
            )
        elif quality == "both":
            self._desk.set_light(self, samples=True)
        else:
            self._desk.set_exact(self, twice=False)
            self.redundancy.restart()
        self.tell(announce.pack("studio_quality", {"quality": self.session.sending.quality}))

    def _report(self, values: dict[str, float], now: int) -> None:
        self.session.details["studio"] = values
        if self.session.sending.light:
            self.session.light_said(values)
            return
        changed = self.redundancy.report(values, now)
        if changed is not None and self.studio_ready:
            self._desk.set_exact(self, twice=changed)
            self.tell(announce.pack("studio_redundancy", {"on": changed}))

    def _on_midi(self, data: bytes | str) -> None:
        self._desk.on_midi(self, data)
