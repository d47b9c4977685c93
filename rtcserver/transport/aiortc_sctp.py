"""aiortc's SCTP association, stepped and bounded; the other module that uses aiortc's private parts.

See `aiortc_internals` for what stepping means and for the pin.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Coroutine
from typing import Any

from aiortc import rtcsctptransport as sctp
from aiortc.rtcdatachannel import RTCDataChannel
from google_crc32c import value as crc32c

from rtcserver.clock import NS, wall_ns
from rtcserver.transport.aiortc_internals import SteppedDtls
from rtcserver.transport.budget import ACKS, CHUNKS, REPLIES, PeerBudget
from rtcserver.transport.sctp_guard import check_packet

_HEADER = struct.Struct("!HHL")
_CHECKSUM = struct.Struct("<L")
_DATA = struct.Struct("!BBHLHHL")
_UNORDERED_WHOLE = sctp.SCTP_DATA_UNORDERED | sctp.SCTP_DATA_FIRST_FRAG | sctp.SCTP_DATA_LAST_FRAG
_NO_CHECKSUM = bytes(4)
_ANSWERED = (
    sctp.HeartbeatChunk,
    sctp.InitChunk,
    sctp.CookieEchoChunk,
    sctp.ShutdownChunk,
    sctp.ReconfigChunk,
)
"""Chunks that get an answer each, in a packet of its own. One of a kind in a packet is answered."""
_KEPT_DUPLICATES = 16
"""Repeated TSNs that the next SACK tells of (RFC 9260, section 3.3.4: as many as there is room for)."""


class SteppedTooFarError(RuntimeError):
    """An aiortc coroutine wanted to wait. Cannot happen with the pinned version; ends that peer."""


def run_now(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run an aiortc coroutine that has nothing to wait for. Raises what it raises."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    coroutine.close()
    raise SteppedTooFarError(repr(coroutine))


class SctpAssociation(sctp.RTCSctpTransport):
    """aiortc's SCTP with limits. Never raises out of `receive`; `failed` says that the peer must go.

    RECEIVE_WINDOW: bytes of unfinished messages, advertised and enforced.
    MAX_PENDING: chunks kept out of order or unfinished. max_channels: open data channels.
    MAX_BUFFERED, MAX_WAITING: bytes and messages waiting to be sent on all channels together; beyond,
    messages are dropped and counted. MAX_FLIGHT: bytes of unreliable messages that are not acknowledged.
    MAX_KEPT: messages sent that are kept until the peer's cumulative acknowledgement passes them.
    """

    RECEIVE_WINDOW = 128 * 1024
    MAX_PENDING = 256
    MAX_BUFFERED = 256 * 1024
    MAX_WAITING = 1024
    MAX_FLIGHT = 32 * 1024
    MAX_KEPT = 512

    def __init__(
        self,
        dtls: SteppedDtls,
        port: int,
        counters: Counter[str],
        max_channels: int = 16,
        budget: PeerBudget | None = None,
    ) -> None:
        super().__init__(dtls, port)
        self._max_channels = max_channels
        self._dtls = dtls
        self._budget = budget or PeerBudget(counters)
        self._advertised_rwnd = self.RECEIVE_WINDOW
        self._counters = counters
        self.failed = False

    def begin(self, remote_port: int, max_message_size: int) -> None:
        """Send INIT; both sides do (RFC 8841, section 9.3)."""
        run_now(self.start(sctp.RTCSctpCapabilities(maxMessageSize=max_message_size), remote_port))

    def receive(self, packet: bytes, now_ns: int) -> None:
        """Handle one SCTP packet from DTLS. One with more chunks than the peer may still send is dropped whole."""
        try:
            if not self._budget.take(CHUNKS, now_ns, check_packet(packet)):
                return
            _, _, tag, chunks = sctp.parse_packet(packet)
        except ValueError:
            self._counters["sctp_malformed"] += 1
            return
        except Exception:
            self._counters["sctp_parse_errors"] += 1
            return
        is_init = bool(chunks) and isinstance(chunks[0], sctp.InitChunk)
        if tag != (0 if is_init else self._local_verification_tag):
            self._counters["sctp_wrong_tag"] += 1
            return
        try:
            run_now(self._take(chunks, now_ns))
        except Exception:
            # The edge of what a peer can reach in aiortc: whatever it is, it ends this peer only.
            self._counters["sctp_errors"] += 1
            self.failed = True

    def shut_down(self) -> None:
        """Send what was said last, abort the association and stop its timers. Idempotent."""
        try:
            if self.established:
                run_now(self._data_channel_flush())
            run_now(self.stop())
        except Exception:
            self._counters["sctp_errors"] += 1
            self._set_state(self.State.CLOSED)
        # A flush that is still scheduled must find nothing, or it would start a timer again.
        self._data_channel_queue.clear()
        self._outbound_queue.clear()
        self._sent_queue.clear()
        self._forward_tsn_chunk = None

    @property
    def established(self) -> bool:
        """Whether data channels can be used."""
        return self._association_state == self.State.ESTABLISHED

    @property
    def buffered(self) -> int:
        """Bytes that wait to be sent or acknowledged; at least `MAX_FLIGHT` while nothing more can be kept."""
        # A peer may acknowledge in gap blocks only: then nothing is in flight, and yet all is kept.
        flight: int = self._flight_size if len(self._sent_queue) < self.MAX_KEPT else self.MAX_FLIGHT
        queued = sum(len(item[2]) for item in self._data_channel_queue)
        return queued + sum(len(c.user_data) for c in self._outbound_queue) + flight

    async def _take(self, chunks: list[sctp.Chunk], now_ns: int) -> None:
        answered: set[type[sctp.Chunk]] = set()
        for chunk in chunks:
            kind = type(chunk)
            if kind in _ANSWERED:
                if kind in answered:
                    self._counters["sctp_refused"] += 1
                    continue
                answered.add(kind)
                if not self._budget.take(REPLIES, now_ns):
                    continue
            if self._acceptable(chunk):
                await self._receive_chunk(chunk)
            else:
                self._counters["sctp_refused"] += 1
        await self._acknowledge(now_ns)

    async def _acknowledge(self, now_ns: int) -> None:
        if not self._sack_needed:
            return
        del self._sack_duplicates[_KEPT_DUPLICATES:]
        if self._budget.take(ACKS, now_ns):
            await self._send_sack()

    def tick(self, now_ns: int) -> None:
        """Acknowledge what was not worth a packet of its own when it came."""
        if self._sack_needed and self.established:
            run_now(self._acknowledge(now_ns))

    def _acceptable(self, chunk: sctp.Chunk) -> bool:
        """Whether the association's state allows for the chunk."""
        state = self._association_state
        running = state in (self.State.ESTABLISHED, self.State.COOKIE_ECHOED)
        if isinstance(chunk, sctp.DataChunk):
            if not running or self._last_received_tsn is None:
                return False
            ahead: int = (chunk.tsn - self._last_received_tsn) & 0xFFFFFFFF
            if ahead >= 0x80000000 or ahead == 0:
                return True  # an old one: acknowledged again
            return (
                ahead <= self.MAX_PENDING
                and len(chunk.user_data) <= self._advertised_rwnd
                and sum(len(s.reassembly) for s in self._inbound_streams.values()) < self.MAX_PENDING
            )
        if isinstance(chunk, sctp.SackChunk):
            unsent: int = (self._local_tsn - 1 - chunk.cumulative_tsn) & 0xFFFFFFFF
            return running and unsent < 0x80000000
        if isinstance(chunk, sctp.ForwardTsnChunk):
            if not running or self._last_received_tsn is None:
                return False
            # Nobody skips more than a window of what it may have in flight.
            skipped: int = (chunk.cumulative_tsn - self._last_received_tsn) & 0xFFFFFFFF
            return skipped >= 0x80000000 or skipped <= 0x10000
        if isinstance(chunk, sctp.InitChunk) and state == self.State.ESTABLISHED:
            # A repeated INIT is answered while nothing has been received; a new one would reset the streams.
            same_peer: bool = chunk.initiate_tag == self._remote_verification_tag
            return same_peer and self._last_received_tsn == (chunk.initial_tsn - 1) & 0xFFFFFFFF
        return True

    async def _data_channel_receive(self, stream_id: int, pp_id: int, data: bytes) -> None:
        if pp_id == sctp.WEBRTC_DCEP:
            kind = data[0]
            if kind == sctp.DATA_CHANNEL_OPEN:
                full = len(self._data_channels) >= self._max_channels
                if stream_id in self._data_channels or full or not _open_fits(data):
                    self._counters["sctp_refused_channels"] += 1
                    return
            elif kind == sctp.DATA_CHANNEL_ACK and stream_id not in self._data_channels:
                self._counters["sctp_refused"] += 1
                return
        elif pp_id == sctp.WEBRTC_STRING:
            try:
                data.decode("utf8")
            except UnicodeDecodeError:
                self._counters["sctp_bad_text"] += 1
                return
        await super()._data_channel_receive(stream_id, pp_id, data)

    def _data_channel_send(self, channel: RTCDataChannel, data: bytes | str) -> None:
        if isinstance(data, bytes) and self._unreliable(channel, data):
            self._send_at_once(channel, data)
            return
        waiting = len(self._data_channel_queue) + len(self._outbound_queue)
        if waiting >= self.MAX_WAITING or self.buffered + len(data) > self.MAX_BUFFERED:
            self._counters["sctp_send_dropped"] += 1
            return
        super()._data_channel_send(channel, data)

    def _unreliable(self, channel: RTCDataChannel, data: bytes) -> bool:
        """Whether a message need not wait for anything: one chunk, in any order, never repeated."""
        return (
            channel.maxRetransmits == 0
            and not channel.ordered
            and 0 < len(data) <= sctp.USERDATA_MAX_LENGTH
            and self.established
            and channel.id is not None
            # What waits there has its TSN already.
            and not self._outbound_queue
        )

    def _send_at_once(self, channel: RTCDataChannel, data: bytes) -> None:
        """Send one unreliable message without aiortc's queues, tasks and congestion window.

        Those hold a message back behind lost ones, for up to a retransmission timeout, and cost four times as
        much. What is sent is entered as aiortc would: its acknowledgement, abandonment and FORWARD-TSN
        (RFC 3758) go on from there. `MAX_FLIGHT` and the sender's own pace stand in for the window.
        """
        if self._flight_size + len(data) > self.MAX_FLIGHT or len(self._sent_queue) >= self.MAX_KEPT:
            self._counters["sctp_send_dropped"] += 1
            return
        tsn: int = self._local_tsn
        chunk = sctp.DataChunk()
        chunk.flags = _UNORDERED_WHOLE
        chunk.tsn = tsn
        chunk.stream_id = channel.id
        chunk.protocol = sctp.WEBRTC_BINARY
        chunk.user_data = data
        chunk._abandoned = chunk._acked = chunk._in_flight = chunk._retransmit = False
        chunk._book_size = len(data)
        chunk._expiry = None
        chunk._max_retransmits = chunk._misses = 0
        chunk._sent_count = 1
        chunk._sent_time = wall_ns() / NS
        self._local_tsn = (tsn + 1) & 0xFFFFFFFF
        self._sent_queue.append(chunk)
        self._flight_size_increase(chunk)
        length = _DATA.size + len(data)
        body = _DATA.pack(0, _UNORDERED_WHOLE, length, tsn, channel.id, 0, sctp.WEBRTC_BINARY) + data
        if length & 3:
            body += bytes(-length & 3)
        head = _HEADER.pack(self._local_port, self._remote_port, self._remote_verification_tag)
        checksum = _CHECKSUM.pack(crc32c(head + _NO_CHECKSUM + body))
        self._dtls.send_data(head + checksum + body)
        if self._t3_handle is None:
            self._t3_start()


def _open_fits(data: bytes) -> bool:
    """Whether a DATA_CHANNEL_OPEN holds its label and protocol as UTF-8 (RFC 8832, section 5.1)."""
    if len(data) < 12:
        return False
    label = int.from_bytes(data[8:10], "big")
    protocol = int.from_bytes(data[10:12], "big")
    if label > 256 or protocol > 256 or len(data) < 12 + label + protocol:
        return False
    try:
        data[12 : 12 + label].decode("utf8")
        data[12 + label : 12 + label + protocol].decode("utf8")
    except UnicodeDecodeError:
        return False
    return True
