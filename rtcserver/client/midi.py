"""The headless client's DataChannels: what is played in a room, and a phrase of one's own.

A shell around the state machines of `rtcserver.channel`, on aiortc's own DataChannels. All on one event
loop; nothing here is thread-safe. PROTOCOL.md describes both channels.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from aiortc import RTCDataChannel, RTCPeerConnection

from rtcserver.channel import announce
from rtcserver.channel.down.messages import Notes, Reply, unpack_down
from rtcserver.channel.down.receiver import DownReceiver
from rtcserver.channel.media_clock import MediaClock
from rtcserver.channel.telemetry import parse_server
from rtcserver.channel.up.sender import UpSender
from rtcserver.channel.wire import VERSION, ProtocolError
from rtcserver.client.measure import Packet
from rtcserver.client.phrase import Step
from rtcserver.client.whep import ListenError
from rtcserver.clock import MEDIA_RATE, NS, monotonic_ns
from rtcserver.midi import message as m
from rtcserver.midi.performers import ROOM

MAX_EVENTS = 10_000
"""Events that are kept, the oldest dropped."""
_SEARCH = 400
"""Audio packets, from the newest back, among which an event's own is looked for."""
_LONGEST_FRAME = MEDIA_RATE * 60 // 1000
"""Samples of the longest Opus frame (RFC 6716, section 2.1.4); a greater step is a loss."""
_NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
_WORDS = {
    m.NOTE_OFF: "off",
    m.NOTE_ON: "on",
    m.POLY_PRESSURE: "pressure",
    m.CONTROL: "control",
    m.PROGRAM: "program",
    m.CHANNEL_PRESSURE: "pressure",
    m.PITCH_BEND: "bend",
}


@dataclass(frozen=True, slots=True)
class MidiEvent:
    """An event of the room. media_time: 48 kHz samples of the room, when it happened.

    arrival_ns: monotonic. age_ms: between the event and its arrival, None while the clock is not known.
    repaired: learned from a state; `media_time` is the time of that.
    """

    performer: int
    message: bytes
    media_time: int
    arrival_ns: int
    age_ms: float | None
    repaired: bool

    def to_text(self) -> str:
        """``on C4 90``, ``control 64 127``."""
        status, (_, *data) = m.status(self.message), self.message
        values = [str(byte) for byte in data]
        if status in (m.NOTE_OFF, m.NOTE_ON):
            values[0] = note_name(data[0])
        return f"{_WORDS[status]} {' '.join(values)} ch {m.channel(self.message) + 1}"


class MidiClient:
    """The channels ``midi`` and ``telemetry`` of one listener; see `rtcserver.client.ways.Channels`.

    token: of a performer link; the room then takes what `play` plays. on_event: called with each event.
    on_said: called with each object that comes on ``telemetry``, after this has taken it.
    """

    def __init__(
        self,
        *,
        token: str = "",
        name: str = "",
        on_event: Callable[[MidiEvent], None] | None = None,
        on_said: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        self.clock = MediaClock()
        self.down = DownReceiver()
        self.up: UpSender | None = None
        self.events: deque[MidiEvent] = deque(maxlen=MAX_EVENTS)
        self.heard = 0
        self.malformed = 0
        self.errors: list[str] = []
        """What the server refused, in its words."""
        self.welcome: dict[str, Any] = {}
        """The latest ``welcome``."""
        self.player: dict[str, Any] = {}
        """The latest ``player``: what the room's player of MIDI files does."""
        self._token, self._name = token, name
        self._on_event = on_event
        self.on_said = on_said
        self._packets: Sequence[Packet] = ()
        self._midi: RTCDataChannel | None = None
        self._telemetry: RTCDataChannel | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._news = asyncio.Event()
        self._closed = False

    # Channels

    def open(self, connection: RTCPeerConnection, packets: Sequence[Packet]) -> None:
        """Add the channels to a connection that has not made its offer. packets: the listener's, live."""
        self._packets = packets
        midi = self._midi = connection.createDataChannel("midi", ordered=False, maxRetransmits=0)
        telemetry = self._telemetry = connection.createDataChannel("telemetry")
        midi.on("open", self._poll)
        midi.on("message", self._on_midi)
        telemetry.on("open", self._sign_in)
        telemetry.on("message", self._on_telemetry)

    def close(self) -> None:
        """Stop the timer. Idempotent."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()

    @property
    def performer(self) -> int | None:
        """The number that the room knows this performer by; None for a listener."""
        number = self.welcome.get("performer")
        return number if isinstance(number, int) else None

    async def wait_welcome(self, timeout_s: float = 10.0) -> None:
        """Until the server has said what this session is, and the clock runs. Raises `ListenError`."""
        try:
            async with asyncio.timeout(timeout_s):
                while not self._ready:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise ListenError("the server does not answer on the DataChannels") from None
        if self._token and self.up is None:
            said = self.errors[-1] if self.errors else "the server gives no reason."
            raise ListenError(f"the room lets this link not perform: {said}")

    async def wait_heard(self, events: int, timeout_s: float = 10.0) -> None:
        """Until so many events have come in all. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            while self.heard < events:
                self._news.clear()
                await self._news.wait()

    def control_player(self, action: str, **members: object) -> None:
        """Tell the room's player: play (file=…), pause, stop, seek (position_s=…), tempo (tempo=…)."""
        self.tell("player", {"action": action, **members})

    @property
    def _ready(self) -> bool:
        settled = not self._token or self.up is not None or bool(self.errors)
        return bool(self.welcome) and self.clock.ready and settled

    # Playing

    def push(self, message: bytes) -> list[bytes]:
        """Play one MIDI message now. [] if it is not playable; a listener's is not."""
        if self.up is None:
            return []
        accepted = self.up.push(message, monotonic_ns())
        self._poll()
        return accepted

    async def play(self, steps: Sequence[Step]) -> None:
        """Play a phrase in real time; what sounds at its end, or when it is cancelled, is released."""
        await self.wait_welcome()
        try:
            for step in steps:
                for note in step.notes:
                    self.push(m.note_on(0, note, step.velocity))
                await asyncio.sleep(step.ms / 1000)
                for note in step.notes:
                    self.push(m.note_off(0, note))
        finally:
            if self.up is not None and self.up.held:
                self.up.panic(monotonic_ns())
                self._poll()

    # Figures

    def skew_ms(self, event: MidiEvent) -> float | None:
        """How much later the event arrived than the sound of its moment did; negative: before it.

        The sound of a moment arrives with the audio packet that holds its sample. None if that packet was
        lost, is too old, or has not come yet.
        """
        offset = self.welcome.get("rtp_offset")
        if not isinstance(offset, int):
            return None
        at = (event.media_time + offset) & 0xFFFF_FFFF
        after: int | None = None
        for _, packet in zip(range(_SEARCH), reversed(self._packets), strict=False):
            into = (at - packet.timestamp) & 0xFFFF_FFFF
            if into >= 0x8000_0000:
                after = packet.timestamp
            elif after is None or (after - packet.timestamp) & 0xFFFF_FFFF > _LONGEST_FRAME:
                return None
            else:
                return (event.arrival_ns - packet.arrival_ns) / 1e6
        return None

    def to_text(self) -> str:
        """Lines for a person."""
        said = self.to_json()
        skew = ""
        if said["skew_p50_ms"] is not None:
            skew = (
                f"; they arrived {said['skew_p50_ms']:+.1f} ms (median) and {said['skew_p95_ms']:+.1f} ms (p95) "
                "against the audio of their moments"
            )
        counts = f"{said['events']} events, {said['repaired']} repaired, {said['missed']} missed"
        refused = [f"MIDI: refused: {error}" for error in self.errors]
        return "\n".join([f"MIDI: {said['role']}, {counts}{skew}", *refused])

    def to_json(self) -> dict[str, Any]:
        """Counts, and skews in ms against the audio; ``list`` has the last events one by one."""
        listed = [(event, self.skew_ms(event)) for event in self.events]
        skews = sorted(skew for event, skew in listed if skew is not None and not event.repaired)
        sender = self.up.counters if self.up is not None else None
        return {
            "role": self.welcome.get("role"),
            "performer": self.performer,
            "messages": self.down.counters.messages,
            "events": self.heard,
            "repeated": self.down.counters.repeated,
            "repaired": self.down.counters.repaired,
            "missed": self.down.counters.missed,
            "malformed": self.malformed,
            "sent": sender.events if sender else 0,
            "abandoned": sender.abandoned if sender else 0,
            "unacknowledged": self.up.unacknowledged if self.up is not None else 0,
            "rtt_ms": None if self.clock.rtt_ms is None else round(self.clock.rtt_ms, 3),
            "skew_p50_ms": _rank(skews, 0.5),
            "skew_p95_ms": _rank(skews, 0.95),
            "errors": self.errors,
            "list": [
                {
                    "media_time": event.media_time,
                    "performer": event.performer,
                    "message": event.message.hex(),
                    "repaired": event.repaired,
                    "age_ms": None if event.age_ms is None else round(event.age_ms, 2),
                    "skew_ms": None if skew is None else round(skew, 2),
                }
                for event, skew in listed[-100:]
            ],
        }

    # Incoming

    def _sign_in(self) -> None:
        self.tell("hello", {"version": VERSION, **({"name": self._name} if self._name else {})})
        if self._token:
            self.tell("auth", {"token": self._token})

    def _on_telemetry(self, text: bytes | str) -> None:
        try:
            said = parse_server(text)
        except ProtocolError:
            self.malformed += 1
            return
        kind = said["type"]
        if kind == "welcome":
            self.welcome = said
            if said.get("role") == "performer" and self.up is None:
                self.up = UpSender(monotonic_ns())
        elif kind == "player":
            self.player = said
        elif kind == "error" and len(self.errors) < 100:
            self.errors.append(str(said.get("message", said.get("code"))))
        if self.on_said is not None:
            self.on_said(said)
        self._news.set()
        self._poll()

    def _on_midi(self, data: bytes | str) -> None:
        now = monotonic_ns()
        try:
            message = unpack_down(data)
        except ProtocolError:
            self.malformed += 1
            return
        if isinstance(message, Reply):
            self.clock.add(message, now)
            if self.up is not None:
                self.up.receive(message, now)
            self._news.set()
        else:
            self._take(message, now)
            self._news.set()
        self._poll()

    def _take(self, notes: Notes, now: int) -> None:
        media = self.clock.media_at(now)
        for heard in self.down.receive(notes):
            if heard.performer == ROOM:
                continue
            age = None if media is None else (media - heard.media_time) * 1000 / MEDIA_RATE
            event = MidiEvent(heard.performer, heard.message, heard.media_time, now, age, heard.repaired)
            self.events.append(event)
            self.heard += 1
            if self._on_event is not None:
                self._on_event(event)

    # Time

    def _poll(self) -> None:
        """Send what is due, and come again when the next is."""
        if self._closed or self._midi is None or self._midi.readyState != "open":
            return
        now = monotonic_ns()
        if now >= self.clock.next_ping_ns(now):
            self._midi.send(self.clock.ping(now))
        if self.up is not None:
            for message in self.up.poll(now):
                self._midi.send(message)
        due = self.clock.next_ping_ns(now)
        if self.up is not None:
            due = min(due, self.up.next_ns)
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(max(0, due - monotonic_ns()) / NS, self._poll)

    def tell(self, kind: str, members: Mapping[str, object]) -> bool:
        """Send one object on ``telemetry``. False while that is not open."""
        if self._telemetry is None or self._telemetry.readyState != "open":
            return False
        self._telemetry.send(announce.pack(kind, members))
        return True


def token_of(url: str) -> str:
    """The token of a performer link (``…#perform=TOKEN``), or ""."""
    return parse_qs(url.partition("#")[2]).get("perform", [""])[0]


def note_name(note: int) -> str:
    """``C4`` for 60."""
    return f"{_NAMES[note % 12]}{note // 12 - 1}"


def _rank(ordered: list[float], share: float) -> float | None:
    return round(ordered[max(0, math.ceil(share * len(ordered)) - 1)], 2) if ordered else None
