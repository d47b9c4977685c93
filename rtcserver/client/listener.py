"""A listener: aiortc's own RTCPeerConnection over WHEP, receiving one stream of one codec.

It owns the connection, one task that takes decoded audio off the track, and the timeline of packets.
All on one event loop; nothing here is thread-safe.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Self
from urllib.parse import urldefrag

import av
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCIceServer,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCRtpTransceiver,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError

from rtcserver.client.ice_servers import relays
from rtcserver.client.measure import HOLE_MS, RATE, AudioMeter, Packet, Samples, Unwrapper, delivery
from rtcserver.client.reception import Reception, Repair
from rtcserver.client.report import ListenReport, sides
from rtcserver.client.stereo import Stereo
from rtcserver.client.ways import Channels, MediaPath
from rtcserver.client.whep import (
    AwayError,
    Found,
    ListenError,
    WhepClient,
    WhepSession,
    ask_for_repair,
    ask_for_stereo,
    codec_of,
    red_types_of,
)
from rtcserver.clock import monotonic_ns
from rtcserver.encode.codec import DEFAULT, Codec, codec_named
from rtcserver.transport.aiortc_consent import keep_consent
from rtcserver.transport.aiortc_tap import Coded, ReceiverTap, Taken, TappedPacket

MODE_HEADER = "Rtcserver-Mode"
MAX_PACKETS = 1_000_000
DIRECT_S = 4.0
"""How long a direct way to a server that names TURN servers may take to be found."""
_STRAGGLERS_S = 0.05
_AUDIO_BEHIND_S = 1.0
"""aiortc decodes four frames behind; this is how long the last ones are waited for."""


class Listener:
    """``async with Listener(url) as ear:`` connects on entry, says goodbye on exit, both bounded in time.
    window_s: keep audio of the first so many seconds only. on_audio: called with each new stretch of
    ``(frames, 2) int16`` at 48 kHz, holes already filled with silence. path: what descriptions lead through.
    channels: opened with the connection. headers: sent with the offer. codec: the only one that is offered, by name
    (`rtcserver.encode.codec`). repair: what the offer asks for against losses, if that is Opus. on_payload: takes each
    authentic packet's payload before any decoder; then nothing is decoded or judged, and `hear` and `audio` are of no use.
    `packets` is the timeline of the first SSRC, in order of arrival, the oldest dropped beyond `MAX_PACKETS`; its
    timestamps are those on the wire, brought to 48 kHz. `received` counts them all.
    """

    def __init__(
        self,
        url: str,
        *,
        window_s: float | None = None,
        connect_timeout_s: float = 10.0,
        keep_s: float = 30.0,
        on_audio: Callable[[Samples], None] | None = None,
        insecure: bool = False,
        path: MediaPath | None = None,
        channels: Channels | None = None,
        headers: Mapping[str, str] | None = None,
        on_payload: Callable[[TappedPacket, bytes], None] | None = None,
        codec: str = DEFAULT.name,
        repair: Repair = "none",
    ) -> None:
        # What is said and reported has no fragment: it is no place for a token.
        self.url = urldefrag(url).url
        self._link = url
        self.packets: deque[Packet] = deque(maxlen=MAX_PACKETS)
        self.received = 0
        self.foreign = 0
        self._window = None if window_s is None else round(window_s * RATE)
        self._connect_timeout_s = connect_timeout_s
        self._on_audio = on_audio
        self._insecure = insecure
        self._path = path
        self._channels = channels
        self._headers = headers
        self._on_payload = on_payload
        self._codec = codec_named(codec)
        self._repair = repair
        self._reception = Reception(self._codec_name, repair)
        self._meter = AudioMeter(keep_s)
        self._stereo = Stereo()
        self._media = Unwrapper(32)
        self._media_now = -1
        self._ssrc: int | None = None
        self._payload_type = -1
        self._changed = asyncio.Event()
        self._began_ns = self._connected_ns = 0
        self._whep: WhepClient | None = None
        self._session: WhepSession | None = None
        self._offer = ""
        self._pc: RTCPeerConnection | None = None
        self._receiver: RTCRtpReceiver | None = None
        self._tap: ReceiverTap | None = None
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        try:
            await self.connect()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def state(self) -> str:
        """aiortc's connectionState: new, connecting, connected, disconnected, failed or closed."""
        return "new" if self._pc is None else self._pc.connectionState

    @property
    def answered(self) -> Mapping[str, str]:
        """The headers of the server's answer, whatever their case; empty before."""
        return {} if self._session is None else self._session.headers

    @property
    def connected_ms(self) -> float:
        """From setting out to the media connection; 0 before."""
        return max(0, self._connected_ns - self._began_ns) / 1e6

    @property
    def rejected(self) -> int:
        """RTP datagrams that were not authentic."""
        return self._tap.rejected if self._tap else 0

    def since_ms(self, arrival_ns: int | None) -> float | None:
        """A moment, monotonic, in ms since the listener set out."""
        return None if arrival_ns is None else (arrival_ns - self._began_ns) / 1e6

    @property
    def heard_s(self) -> float:
        """Media time received so far, from the first packet's timestamp to the newest one's."""
        return max(0, self._media_now) / RATE

    async def connect(self) -> None:
        """WHEP, ICE and DTLS. Raises `ListenError`.

        Where the server names TURN servers and there is no direct way to it, a second session goes through one of them.
        """
        self._began_ns = monotonic_ns()
        self._whep = WhepClient(self._connect_timeout_s, insecure=self._insecure)
        await self._connect([])
        if (
            self.state != "connected"
            and self._session is not None
            and (servers := relays(self._session.links))
        ):
            await self._whep.delete(self._session)
            await self._hang_up()
            await self._connect(servers)
        if self.state != "connected":
            endpoint = self._session.endpoint if self._session is not None else self.url
            raise AwayError(
                f"{endpoint} answered, but the media connection is {self.state} after "
                f"{(monotonic_ns() - self._began_ns) / 1e9:.0f} s: is UDP let through? (--tcp goes without)"
            )
        self._connected_ns = monotonic_ns()

    async def _connect(self, servers: list[RTCIceServer]) -> None:
        """One session, through these servers too. Returns when it is connected, has failed, or the time is up."""
        assert self._whep is not None
        pc = self._pc = RTCPeerConnection(RTCConfiguration(iceServers=servers))
        pc.on("track", self._on_track)
        pc.on("connectionstatechange", self._changed.set)
        self._receiver = _only(self._codec, pc.addTransceiver("audio", direction="recvonly"))
        self._tap = ReceiverTap(self._receiver, self._on_packet, self._take)
        keep_consent(self._receiver, lambda: self.last_ns)
        if self._channels is not None:
            self._channels.open(pc, self.packets)
        await pc.setLocalDescription(await pc.createOffer())
        offer = ask_for_stereo(pc.localDescription.sdp)
        if self._repair != "none":
            offer = ask_for_repair(offer, red=self._repair == "red")
        if self._path is not None:
            offer = self._path.offer(offer)
        self._offer = offer
        self._session = await self._whep.offer(self._link, offer, self._headers)
        if self._repair == "red":
            for payload_type in red_types_of(self._session.answer):
                self._tap.admit(payload_type)
        answer = self._session.answer if self._path is None else self._path.answer(self._session.answer)
        try:
            await pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        except Exception as error:
            # aiortc's SDP parser raises whatever its input makes it raise.
            raise ListenError(
                f"{self._session.endpoint} answers with an SDP that aiortc refuses: {error}"
            ) from error
        elsewhere = not servers and relays(self._session.links)
        timeout_s = min(DIRECT_S, self._connect_timeout_s) if elsewhere else self._connect_timeout_s
        await self.until(lambda: self.state not in ("new", "connecting"), timeout_s)

    def check_mode(self) -> None:
        """Raises `ListenError` if the server gives another mode than the headers ask for: it knows none."""
        wanted = (self._headers or {}).get(MODE_HEADER, "listen")
        if self.answered.get(MODE_HEADER, "listen") != wanted:
            raise ListenError(
                f"{self.url} has no {wanted.capitalize()} mode: it answered with an ordinary session"
            )

    @property
    def last_ns(self) -> int:
        """When the last packet came, monotonic; before the first one, when the connection stood."""
        return self.packets[-1].arrival_ns if self.packets else self._connected_ns

    async def ask(self) -> Found:
        """Whether the server still has this session, within a second."""
        if self._whep is None or self._session is None:
            return "silent"
        return await self._whep.ask(self._session, self._offer)

    async def hear(self, seconds: float, *, stall_s: float = 5.0) -> bool:
        """Wait until `seconds` of media time since the first packet are over, and their audio decoded.

        False if nothing came for `stall_s` (wall time) or the connection ended before.
        """
        end = round(seconds * RATE)
        while self._media_now < end:
            received = self.received
            await self.until(partial(self._news_since, received), stall_s)
            if self.received == received:
                return False
        await asyncio.sleep(_STRAGGLERS_S)
        await self.until(lambda: self._meter.end >= end, _AUDIO_BEHIND_S)
        return True

    def audio(self, seconds: float | None = None) -> Samples:
        """The last `seconds` of decoded sound, at most `keep_s`: ``(frames, 2) int16`` at 48 kHz."""
        return self._meter.recent(seconds)

    def report(
        self, seconds: float | None = None, *, audio_s: float | None = None, hole_ms: float = HOLE_MS
    ) -> ListenReport:
        """Figures of the first `seconds` of media time (all by default); sound of the last `audio_s`."""
        now_ns = monotonic_ns()
        left, right = sides(self.audio(audio_s))
        first = self.packets[0].arrival_ns if self.packets else None
        return ListenReport(
            url=self.url,
            codec=self._codec_name(self._payload_type),
            state=self.state,
            connected_ms=self.connected_ms,
            first_packet_ms=self.since_ms(first),
            delivery=delivery(self.packets, seconds, until_ns=now_ns, hole_ms=hole_ms),
            left=left,
            right=right,
            audio_missing_ms=self._meter.missing * 1000 / RATE,
            rejected=self.rejected,
            foreign=self.foreign,
            repair=self._repair,
            recovered=self._reception.recovered,
            asked=self._reception.asked,
            browser=self._reception.judgement(now_ns),
        )

    async def close(self) -> None:
        """DELETE the session and close the connection. Idempotent, at most about ten seconds."""
        if self._channels is not None:
            self._channels.close()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading], timeout=1)
        if self._whep is not None:
            if self._session is not None:
                await self._whep.delete(self._session)
                self._session = replace(self._session, resource="")
            await self._whep.close()
        await self._hang_up()

    async def _hang_up(self) -> None:
        if self._pc is not None:
            try:
                await asyncio.wait_for(self._pc.close(), 5)
            except TimeoutError:
                # The receiver's decoder is a thread that would keep the process from ending.
                if self._receiver is not None:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._receiver.stop(), 1)

    def _news_since(self, received: int) -> bool:
        return self.received > received or self.state != "connected"

    def _on_packet(self, packet: TappedPacket) -> None:
        if self._ssrc is None:
            self._ssrc, self._payload_type = packet.ssrc, packet.payload_type
        if packet.ssrc != self._ssrc:
            self.foreign += 1
            return
        self.received += 1
        # A slower clock's 32 bits last longer than these; what wraps is the same.
        timestamp = packet.timestamp * (RATE // self._codec.clock_rate) & 0xFFFF_FFFF
        self.packets.append(Packet(packet.arrival_ns, packet.sequence, timestamp, packet.size))
        self._media_now = max(self._media_now, self._media.extend(timestamp))
        self._changed.set()

    def _codec_name(self, payload_type: int) -> str | None:
        return codec_of(self._session.answer, payload_type) if self._session else None

    def _take(self, packet: TappedPacket, payload: bytes) -> Taken:
        if self._on_payload is not None:
            self._on_payload(packet, payload)
            return Taken()
        if packet.ssrc != self._ssrc:
            return Taken([Coded(packet.payload_type, packet.sequence, packet.timestamp, payload)])
        taken = self._reception.take(packet, payload)
        if taken.frames:
            self._payload_type = taken.frames[0].payload_type
        return taken

    def _on_track(self, track: MediaStreamTrack) -> None:
        self._reading = asyncio.ensure_future(self._read(track))

    async def _read(self, track: MediaStreamTrack) -> None:
        """Take every decoded frame: aiortc's queue in front of the track is unbounded."""
        with contextlib.suppress(MediaStreamError):
            while True:
                frame = await track.recv()
                if not isinstance(frame, av.AudioFrame) or frame.pts is None:
                    continue
                for pts, samples in self._stereo.take(frame):
                    self._reception.hear(pts, samples)
                    added = self._meter.add(pts, samples, self._window)
                    if self._on_audio is not None and len(added):
                        self._on_audio(added)
                self._changed.set()

    async def until(self, reached: Callable[[], bool], timeout_s: float) -> bool:
        """Wait for `reached()`, looked at whenever something happens. False if it takes too long."""
        try:
            async with asyncio.timeout(timeout_s):
                while not reached():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True


def _only(codec: Codec, transceiver: RTCRtpTransceiver) -> RTCRtpReceiver:
    """Offer no other codec: PCMU would be accepted by anybody, and sound like it."""
    capabilities = RTCRtpReceiver.getCapabilities("audio")
    wanted = f"audio/{codec.payload_name.partition('/')[0]}".lower()
    transceiver.setCodecPreferences(
        [one for one in (capabilities.codecs if capabilities else []) if one.mimeType.lower() == wanted]
    )
    return transceiver.receiver
