"""One listener on the one port: its transport peer, its state, and what the broadcast process is told of it.

Nothing here waits for a listener: there is no task per session.
"""

from __future__ import annotations

import logging
import secrets
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

from aiortc import RTCDataChannel

from rtcserver.access.door import Grant
from rtcserver.broadcast.listener import PAYLOAD_PCM, ListenerSpec
from rtcserver.broadcast.srtp import MAX_FIRST_SEQUENCE, SrtpProfile
from rtcserver.clock import MEDIA_RATE, NS, monotonic_ns, ntp_from_wall, wall_ns
from rtcserver.encode.codec import DEFAULT, codec_offered
from rtcserver.encode.encoding import LIGHT, Encoding
from rtcserver.errors import PeerError, ProcessError
from rtcserver.logs import about
from rtcserver.peer.base import Mode, SessionInfo, new_session_id, public_handle
from rtcserver.peer.feedback import Feedback
from rtcserver.peer.owner import SessionOwner
from rtcserver.peer.sending import Sending
from rtcserver.peer.state import Answered, Closed, Connected, Event, Moved, RestartAsked, State, advance
from rtcserver.peer.way import Broadcast, Way, way_of
from rtcserver.rate import RateLimit
from rtcserver.sdp.answer import AnswerStream, AnswerTransport, build_answer, build_restart_fragment
from rtcserver.sdp.capture_time import capture_time_id
from rtcserver.sdp.fragment import parse_sdpfrag
from rtcserver.sdp.offer import OfferSummary
from rtcserver.transport.address import Path
from rtcserver.transport.aiortc_internals import SrtpKeys
from rtcserver.transport.candidates import HostCandidate
from rtcserver.transport.peer import TransportPeer
from rtcserver.transport.rtcp import Nack, ReceptionReport, RtcpPacket

log = logging.getLogger(__name__)

STUDIO_PACKETS_PER_S = 4_000
"""More than any Studio format sends, each block twice."""
ENDS_ALL = ("broadcast-lost", "shutdown")
"""Reasons that end every session at once."""
MINUTE_NS = 60 * NS


class OnePortSession:
    """One listener. Made by `OnePortBackend.open`; loop-bound."""

    def __init__(
        self, backend: SessionOwner, room: str, offer: OfferSummary, listener_id: int, session_id: str = ""
    ) -> None:
        self.id = session_id or new_session_id()
        self.public_id = public_handle(self.id)
        """A name for this session that may be shown."""
        self.grant = Grant()
        self.room = room
        self.etag = secrets.token_hex(8)
        self.answer = ""
        self.offer = offer
        self.mode: Mode = "listen"
        self.details: dict[str, object] = {"mode": "listen", "codec": offer.codec}
        self.headers: Mapping[str, str] = {}
        self.state = State.NEW
        self.close_reason = ""
        self.channels: list[RTCDataChannel] = []
        self.counters: Counter[str] = Counter()
        self.listener_id = listener_id
        self.remote_address = ""
        """Of the client that asked for the session; "" if unknown."""
        self.doubtful = False
        """Whether that may be a proxy's address, and the client's is not known."""
        self.codec = codec_offered(offer.codec)
        step = MEDIA_RATE // self.codec.clock_rate
        self.rtp_offset = secrets.randbits(32) // step * step
        """RTP timestamp, brought to 48 kHz, = (media time + this) mod 2³²."""
        self.ssrc = secrets.randbits(32) or 1
        self.first_sequence = secrets.randbelow(MAX_FIRST_SEQUENCE)
        self.on_tier: Callable[[], None] = lambda: None
        """Called when another tier of its room is sent to it."""
        self._reception: dict[str, object] = {}
        """What `info` says of it, empty until there is a report."""
        self.feedback = Feedback(
            self.first_sequence, self.counters, backend.counters, self._reception, clock_step=step
        )
        self._connected_ns = 0
        self._straight = ""
        """The way that its packets take from here."""
        self._backend = backend
        self.sending = Sending(self, backend)
        """What it is sent."""
        self._since_ns = monotonic_ns()
        self.asked_ns = self._since_ns
        """When its client asked for it."""
        self._peer: TransportPeer | None = None
        self._path: Path | None = None
        """Where its sound goes."""
        self._candidates: list[HostCandidate] = []
        self._remote_ufrag = offer.ice_ufrag
        limits = backend.limits
        self._patches = RateLimit(limits.patches_per_minute, limits.patches_per_minute, MINUTE_NS)
        self._restarts = RateLimit(limits.restarts_per_minute, limits.restarts_per_minute, MINUTE_NS)

    def about(self) -> AbstractContextManager[None]:
        """For what is logged about it."""
        return about(room=self.room, session=self.public_id)

    @property
    def joined_s(self) -> float | None:
        """From the client's request to the first packet that may be sent to it; None for one that is not connected yet."""
        return (self._connected_ns - self.asked_ns) / NS if self._connected_ns else None

    @property
    def encoding(self) -> str:
        """See `Sending.encoding`."""
        return self.sending.encoding

    @property
    def playing(self) -> bool:
        """Whether it is connected."""
        return self.state in (State.PLAYING, State.RESTARTING)

    def begin(
        self,
        peer: TransportPeer,
        candidates: list[HostCandidate],
        frame_ms: float,
        *,
        earlier_frames: int | None = None,
        encodings: Mapping[str, Encoding] | None = None,
    ) -> None:
        """Make `answer`. frame_ms: of the room's codec; others have their own. earlier_frames: see `Feedback.choose`; None
        for no repair but what is asked for. encodings: its room's, between which its network decides."""
        if self.codec is not DEFAULT:
            frame_ms = self.codec.frames[0] * 1000 / MEDIA_RATE
        self.sending.begin(self.codec.name, earlier_frames, encodings or {}, monotonic_ns())
        if self.sending.light and encodings:
            frame_ms = encodings[LIGHT].frame_ms
        self._peer = peer
        self._candidates = candidates
        self.feedback.packets_per_s = 1000 / frame_ms if self.mode == "listen" else STUDIO_PACKETS_PER_S
        stream = AnswerStream(
            ssrc=self.ssrc,
            cname=self._backend.cname,
            stream_id=f"room-{self.listener_id}",
            track_id=f"audio-{self.listener_id}",
            frame_ms=frame_ms,
            redundant=self.sending.redundant(),
            capture_id=capture_time_id(self.offer),
        )
        self.answer = build_answer(self.offer, self._answer_transport(), stream, secrets.randbits(62))
        self._advance(Answered())

    def info(self) -> SessionInfo:
        seconds = (monotonic_ns() - self._since_ns) / NS
        broadcast = self._backend.broadcast
        sent = None if broadcast is None else broadcast.listener_stats(self.listener_id)
        if sent is not None:
            self.counters["packets"] = sent.packets
            self.counters["retransmits"] = sent.retransmits
            self.counters["dropped"] = sent.dropped + sent.errors
        if self._peer is not None and self._peer.over_budget:
            self.counters["over_budget"] = self._peer.over_budget
        return SessionInfo(
            self.id, self.state.value, seconds, dict(self.counters), dict(self.details), self.remote_address
        )

    async def patch(self, sdpfrag: str) -> str | None:
        """Trickled candidates are not needed (204); other credentials restart ICE (200)."""
        limits = self._backend.limits
        self._count(self._patches, "patches", f"change {limits.patches_per_minute} times a minute")
        fragment = parse_sdpfrag(sdpfrag, limits.sdp)
        peer = self._peer
        if self.state is State.CLOSED or peer is None:
            raise PeerError(404, "no_such_session", "This session has ended.")
        if not fragment.ice_ufrag or fragment.ice_ufrag == self._remote_ufrag:
            return None
        if not fragment.ice_pwd:
            raise PeerError(400, "malformed_sdp", "An ICE restart needs both a=ice-ufrag and a=ice-pwd.")
        self._count(self._restarts, "restarts", f"restart ICE {limits.restarts_per_minute} times a minute")
        self._advance(RestartAsked())
        self._remote_ufrag = fragment.ice_ufrag
        peer.restart_ice(fragment.ice_ufrag, fragment.ice_pwd)
        self.etag = secrets.token_hex(8)
        self.counters["ice_restarts"] += 1
        self._backend.counters["ice_restarts"] += 1
        return build_restart_fragment(self.offer, self._answer_transport())

    def _count(self, limit: RateLimit, what: str, allowed: str) -> None:
        """Count one more. Raises PeerError(429) if it comes too soon."""
        now = monotonic_ns()
        if limit.take(now):
            return
        self._backend.counters[f"{what}_refused"] += 1
        wait_s = -(-limit.wait_ns(now) // NS)
        raise PeerError(
            429,
            "too_often",
            f"A session may {allowed}. Come again in {wait_s} s.",
            retry_after_s=wait_s,
        )

    async def close(self) -> None:
        """End the session. Idempotent; does not wait."""
        self.end("deleted")

    def end(self, reason: str, parting: str = "") -> None:
        """End the session, for `reason`. Idempotent.

        parting: what its page is told on ``telemetry`` before (PROTOCOL.md, "leaving"); "" for nothing.
        """
        if self.state is State.CLOSED:
            return
        if parting:
            self._say(parting)
        playing = self.playing
        self._advance(Closed(reason))
        with self.about():
            # What ends all sessions is said once, by whoever ends them.
            level = logging.DEBUG if reason in ENDS_ALL else logging.INFO
            log.log(level, "ended after %.1f s: %s", (monotonic_ns() - self._since_ns) / NS, reason)
        self.close_reason = reason
        broadcast = self._backend.broadcast
        if playing and broadcast is not None:
            # The BYE is asked for before close_notify is sent: a client that got that has no use for a BYE.
            broadcast.remove_listener(self.listener_id)
        if self._peer is not None:
            self._peer.close()
        self.sending.end()
        self.channels.clear()
        self._backend.forget(self)

    def _say(self, text: str) -> None:
        for channel in self.channels:
            if channel.label == "telemetry" and channel.readyState == "open":
                channel.send(text)

    @property
    def buffered(self) -> int:
        """Bytes on its data channels that wait to be sent or acknowledged."""
        return 0 if self._peer is None else self._peer.buffered

    def set_exact(self, kind: str = PAYLOAD_PCM) -> None:
        """See `Sending.set_exact`."""
        self.sending.set_exact(kind)

    def set_light(self, *, samples: bool = False) -> None:
        """See `Sending.set_light`."""
        self.sending.set_light(samples=samples)

    def pin(self, tier: str | None) -> None:
        """Send it this tier (`rtcserver.encode.encoding.TIERS`), None: what its network carries. Raises PeerError."""
        self.feedback.pin(tier)
        self.sending.adapt()

    def page_said(self, values: Mapping[str, float]) -> None:
        """A report of its page: how the sound arrives."""
        self.feedback.page_said(values, monotonic_ns())
        if self.playing and "relayed" in values:
            # Here a TURN server looks like any other address.
            self.details["path"] = "relay" if values["relayed"] else self._straight
        self.sending.adapt()

    def light_said(self, values: Mapping[str, float]) -> None:
        """A report of its page in Studio light: what it loses."""
        self.feedback.light_said(values, monotonic_ns())
        self.sending.adapt()

    # PeerListener

    def on_connected(self, path: Path, keys: SrtpKeys) -> None:
        """DTLS is done: the broadcast process takes over what is sent."""
        broadcast = self._backend.broadcast
        if broadcast is None:
            self.end("broadcast-lost")
            return
        way = self._way(path, broadcast)
        kind, payload_type = self.sending.payload()
        spec = ListenerSpec(
            listener_id=self.listener_id,
            room=self.room,
            destination=way.destination,
            profile=SrtpProfile(keys.name),
            master=keys.send,
            ssrc=self.ssrc,
            payload_type=payload_type,
            first_sequence=self.first_sequence,
            clock_rate=self.codec.clock_rate,
            capture_id=capture_time_id(self.offer),
            timestamp_offset=self.rtp_offset * self.codec.clock_rate // MEDIA_RATE,
            cname=self._backend.cname,
            source=way.source,
            fd_index=way.socket,
            kind=kind,
            stream=way.stream,
        )
        self.details["payload"] = spec.kind
        try:
            broadcast.add_listener(spec)
        except (ValueError, ProcessError) as error:
            self._backend.on_refused(self.listener_id, str(error))
            return
        self._connected_ns = self.feedback.connected_ns = monotonic_ns()
        self._path = path
        self._advance(Connected(path))
        self._backend.counters["connected"] += 1
        self._backend.on_joined(self)
        log.info("connected after %.3f s, to %s", self.joined_s, self.mode)

    def on_path_changed(self, path: Path) -> None:
        """Another pair was nominated, or the same one by new credentials."""
        self._advance(Moved(path))
        if path != self._path:
            self.counters["moves"] += 1
            self._backend.counters["moves"] += 1
        self._path = path
        broadcast = self._backend.broadcast
        if broadcast is not None:
            broadcast.set_address(self.listener_id, *self._way(path, broadcast))
            self.sending.adapt()

    def _way(self, path: Path, broadcast: Broadcast) -> Way:
        """Where the broadcast process is to send: on a TCP path it alone writes from now on."""
        self.details["path"] = self._straight = "tcp" if path.stream else "udp"
        self.feedback.reliable = path.stream > 0
        return way_of(path, self._backend.endpoint.streams, broadcast, studio=self.mode != "listen")

    def on_rtcp(self, packets: list[RtcpPacket]) -> None:
        """Reports that can be true are kept for `info` and handed on, NACKs go to the broadcast process."""
        broadcast = self._backend.broadcast
        if broadcast is None:
            return
        now = monotonic_ns()
        for packet in packets:
            if isinstance(packet, Nack) and packet.media_ssrc == self.ssrc:
                counted = broadcast.listener_stats(self.listener_id)
                if missing := self.feedback.nack(packet.sequences, counted, now):
                    broadcast.nack(self.listener_id, missing)
                    self.sending.adapt()
            elif isinstance(packet, ReceptionReport):
                blocks = (block for block in packet.blocks if block.ssrc == self.ssrc)
                for reception in self.feedback.reports(blocks, now, ntp_from_wall(wall_ns())):
                    self._backend.on_reception(self, reception)
                if self._reception:
                    self.details["reception"] = dict(self._reception)
                self.sending.adapt()

    @property
    def reports_itself(self) -> bool:
        """Whether it has a page that tells more than receiver reports do."""
        return any(channel.label == "telemetry" for channel in self.channels)

    def on_datachannel(self, channel: RTCDataChannel) -> None:
        """The client opened a channel."""
        self.channels.append(channel)
        channel.on("close", lambda: self._forget_channel(channel))
        self._backend.on_datachannel(self, channel)

    def on_closed(self, reason: str) -> None:
        """The transport is gone."""
        self.end(reason)

    def _forget_channel(self, channel: RTCDataChannel) -> None:
        if channel in self.channels:
            self.channels.remove(channel)

    def _answer_transport(self) -> AnswerTransport:
        assert self._peer is not None
        return AnswerTransport(
            self._peer.local_ufrag,
            self._peer.local_password,
            self._backend.endpoint.fingerprint,
            self._candidates,
        )

    def _advance(self, event: Event) -> None:
        self.state = advance(self.state, event)
