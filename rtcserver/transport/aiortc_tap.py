"""Looks over the shoulder of an aiortc receiver: every RTP datagram, in order of arrival.

aiortc's public statistics neither keep sequence numbers nor count duplicates, which libsrtp refuses before
the receiver sees them (RFC 3711, section 3.3.2). The tap wraps two coroutines of *one* receiver's objects:
the ICE transport's ``_recv`` (the datagram, its header in the clear, and its time) and the receiver's
``_handle_rtp_packet`` (it was authentic; its payload, before any decoder).

aiortc knows no RED and sends no NACK for audio. Whoever takes a packet apart may hand earlier frames of it to the
receiver's jitter buffer, past its statistics, so that its receiver reports tell every loss; and may name what is to be
asked for. ``tests/transport/test_aiortc_tap.py`` pins all that is used.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from aiortc import RTCRtpReceiver
from aiortc.rtp import RtpPacket

from rtcserver.clock import monotonic_ns

_REMEMBERED = 2048


@dataclass(frozen=True, slots=True)
class TappedPacket:
    """Header fields of an RTP datagram (RFC 3550, section 5.1), its arrival (monotonic ns) and size (bytes).

    A datagram that repeats an authentic one's sequence number is passed on too, so that it can be counted.
    """

    arrival_ns: int
    ssrc: int
    payload_type: int
    sequence: int
    timestamp: int
    size: int


@dataclass(frozen=True, slots=True)
class Coded:
    """One frame for a receiver's decoder. sequence: of the packet that it is, or was, the newest frame of."""

    payload_type: int
    sequence: int
    timestamp: int
    frame: bytes


@dataclass(frozen=True, slots=True)
class Taken:
    """What becomes of a packet.

    frames: for the decoder, the packet's own one first, then earlier ones; without any, the receiver gets nothing: what
    is no codec's must not reach a decoder. missing: sequence numbers to ask for (RFC 4585, section 6.2.1).
    """

    frames: Sequence[Coded] = ()
    missing: Sequence[int] = ()


class ReceiverTap:
    """Calls `on_packet` on the event loop for each RTP datagram of `receiver`. Install before connecting.

    on_payload: takes each authentic packet's payload and says what becomes of it; without it the receiver gets
    everything as it is. Called after `on_packet`.
    rejected: RTP datagrams that were neither authentic nor repetitions.
    """

    def __init__(
        self,
        receiver: RTCRtpReceiver,
        on_packet: Callable[[TappedPacket], None],
        on_payload: Callable[[TappedPacket, bytes], Taken] | None = None,
    ) -> None:
        self.rejected = 0
        self._on_packet = on_packet
        self._on_payload = on_payload
        self._pending: TappedPacket | None = None
        self._known: set[tuple[int, int]] = set()
        self._order: deque[tuple[int, int]] = deque()
        ice: Any = receiver.transport.transport
        self._receiver = tapped = cast(Any, receiver)
        self._receive = ice._recv
        self._handle = self._receiver._handle_rtp_packet
        ice._recv = self._tapped_receive
        tapped._handle_rtp_packet = self._tapped_handle

    def admit(self, payload_type: int) -> None:
        """Let packets of a further payload type come to this receiver; aiortc drops those of a codec that it lacks."""
        router: Any = self._receiver.transport._rtp_router
        router.payload_type_table.setdefault(payload_type, set()).add(self._receiver)

    async def _tapped_receive(self) -> bytes:
        # aiortc asks for the next datagram when it is done with this one: what is still pending now
        # was not handed to the receiver.
        self._settle()
        data: bytes = await self._receive()
        self._pending = _header(data, monotonic_ns())
        return data

    async def _tapped_handle(self, packet: Any, arrival_time_ms: int) -> None:
        pending, self._pending = self._pending, None
        if pending is not None:
            self._remember((pending.ssrc, pending.sequence))
            self._on_packet(pending)
        if self._on_payload is None:
            await self._handle(packet, arrival_time_ms=arrival_time_ms)
            return
        taken = self._on_payload(pending, packet.payload) if pending is not None else Taken()
        if taken.frames:
            own, *earlier = taken.frames
            for coded in reversed(earlier):
                self._decode(packet.ssrc, coded)
            packet.payload_type, packet.payload = own.payload_type, own.frame
            await self._handle(packet, arrival_time_ms=arrival_time_ms)
        if taken.missing:
            await self._receiver._send_rtcp_nack(packet.ssrc, list(taken.missing))

    def _decode(self, ssrc: int, coded: Coded) -> None:
        """Give the receiver a frame in the way of its ``_handle_rtp_packet``, but for the statistics.

        One that it has already, or whose turn is over, changes nothing.
        """
        receiver = self._receiver
        codec = receiver._RTCRtpReceiver__codecs.get(coded.payload_type)
        if codec is None or receiver._RTCRtpReceiver__decoder_thread is None:
            return
        packet: Any = RtpPacket(
            payload_type=coded.payload_type,
            sequence_number=coded.sequence,
            timestamp=coded.timestamp,
            ssrc=ssrc,
        )
        packet._data = coded.frame
        _, frame = receiver._RTCRtpReceiver__jitter_buffer.add(packet)
        if frame is not None:
            frame.timestamp = receiver._RTCRtpReceiver__timestamp_mapper.map(frame.timestamp)
            receiver._RTCRtpReceiver__decoder_queue.put((codec, frame))

    def _settle(self) -> None:
        pending, self._pending = self._pending, None
        if pending is None:
            return
        if (pending.ssrc, pending.sequence) in self._known:
            self._on_packet(pending)
        else:
            self.rejected += 1

    def _remember(self, key: tuple[int, int]) -> None:
        self._known.add(key)
        self._order.append(key)
        if len(self._order) > _REMEMBERED:
            self._known.discard(self._order.popleft())


def _header(data: bytes, arrival_ns: int) -> TappedPacket | None:
    """The header of an RTP datagram; None for anything else (RFC 7983, section 7; RFC 5761, section 4)."""
    if len(data) < 12 or not 128 <= data[0] < 192 or 192 <= data[1] < 224:
        return None
    return TappedPacket(
        arrival_ns=arrival_ns,
        ssrc=int.from_bytes(data[8:12], "big"),
        payload_type=data[1] & 0x7F,
        sequence=int.from_bytes(data[2:4], "big"),
        timestamp=int.from_bytes(data[4:8], "big"),
        size=len(data),
    )
