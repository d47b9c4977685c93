"""One peer's secure side: DTLS handshake, SRTP keys, SCTP data channels and inbound SRTCP.

Synchronous and owned by one event loop: datagrams go in by `receive_dtls` and `receive_rtcp`,
`tick` runs the retransmission timer, events come out of the `SecureEvents` callbacks. Nothing
raises on what a peer sends.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import pylibsrtp
from aiortc import RTCDataChannel

from rtcserver.transport.aiortc_internals import (
    IceSide,
    SharedCertificate,
    SrtpKeys,
    SteppedDtls,
    is_bare_alert,
    remote_parameters,
)
from rtcserver.transport.aiortc_sctp import SctpAssociation
from rtcserver.transport.budget import HANDSHAKE_COST, NUMBERS, RECORDS, RTCP, PeerBudget
from rtcserver.transport.rtcp import MAX_NACKED, Nack, RtcpError, RtcpPacket, parse_compound

MAX_RTCP_SOURCES = 8
"""SSRCs that one peer may send RTCP from: libsrtp keeps a stream of a few KB for each."""

_REPLAY_WINDOW = 128


@dataclass(frozen=True, slots=True)
class SctpParameters:
    """The application m-line of the offer (RFC 8841). max_message_size: bytes the peer takes; 0 is any. max_channels:
    data channels that may be open."""

    remote_port: int = 5000
    max_message_size: int = 65536
    local_port: int = 5000
    max_channels: int = 16


class SecureEvents(Protocol):
    """What the owner of a `SecurePeer` is told, from within `receive_dtls` and `tick`."""

    def on_keys(self, keys: SrtpKeys) -> None:
        """The handshake is complete and the peer's certificate is the one it announced."""

    def on_datachannel(self, channel: RTCDataChannel) -> None:
        """The peer opened a data channel."""

    def on_secure_closed(self, reason: str) -> None:
        """``bye`` (close_notify), ``dtls`` (handshake failed) or ``sctp`` (association broken)."""


class SecurePeer:
    """DTLS and what it protects, for one peer.

    send: takes each outgoing datagram. counters: shared by all peers. budget: what the peer may ask for in a second; it
    is spent before anything is decrypted.
    """

    def __init__(
        self,
        certificate: SharedCertificate,
        fingerprints: list[tuple[str, str]],
        sctp: SctpParameters | None,
        send: Callable[[bytes], None],
        events: SecureEvents,
        counters: Counter[str],
        budget: PeerBudget,
    ) -> None:
        self._budget = budget
        self._certificate = certificate
        self._fingerprints = fingerprints
        self._sctp_parameters = sctp
        self._send = send
        self._events = events
        self._counters = counters
        self._dtls: SteppedDtls | None = None
        self._sctp: SctpAssociation | None = None
        self._srtcp: pylibsrtp.Session | None = None
        self._sources: set[bytes] = set()
        self._timing = False
        self._closed = False
        self.keys: SrtpKeys | None = None
        self.authenticated = 0
        """Datagrams that only the peer can have made, once the keys are there: SRTCP, DTLS records with data."""

    @property
    def connected(self) -> bool:
        """Whether the handshake is complete and nothing is closed."""
        return self.keys is not None and not self._closed

    @property
    def buffered(self) -> int:
        """Bytes on data channels that wait to be sent or acknowledged."""
        return 0 if self._sctp is None else self._sctp.buffered

    def receive_dtls(self, data: bytes, now_ns: int) -> None:
        """Take one DTLS datagram from an authenticated path."""
        if self._closed:
            return
        if not self._budget.take(RECORDS, now_ns, HANDSHAKE_COST if self.keys is None else _records(data)):
            return
        if len(data) < 13:
            self._counters["dtls_malformed"] += 1
            return
        if self._dtls is None:
            self._dtls = SteppedDtls(IceSide(self._send), self._certificate)
            self._dtls.begin()
        if self.keys is None:
            self._handshake(self._dtls, data)
        else:
            self._application(self._dtls, data, now_ns)

    def receive_rtcp(self, data: bytes, now_ns: int) -> list[RtcpPacket]:
        """Authenticate, decrypt and parse one SRTCP datagram. Empty if it is not genuine; counted.

        Requests to resend more than the peer may still ask for are left out.
        """
        if not self._budget.take(RTCP, now_ns):
            return []
        if self._srtcp is None or self._closed:
            self._counters["rtcp_before_keys"] += 1
            return []
        source = data[4:8]
        if source not in self._sources and len(self._sources) >= MAX_RTCP_SOURCES:
            self._counters["rtcp_too_many_sources"] += 1
            return []
        try:
            plain = self._srtcp.unprotect_rtcp(data)
        except (pylibsrtp.Error, ValueError):
            self._counters["rtcp_not_authentic"] += 1
            return []
        self.authenticated += 1
        self._sources.add(source)
        try:
            # A peer that has asked for too much is not even read: the numbers are what a NACK costs.
            spent = self._budget.is_spent(NUMBERS, now_ns)
            packets = parse_compound(plain, 0 if spent else MAX_NACKED)
        except RtcpError:
            self._counters["rtcp_malformed"] += 1
            return []
        self._counters["rtcp_received"] += 1
        nacks = [packet for packet in packets if isinstance(packet, Nack)]
        wanted = MAX_NACKED if spent and nacks else sum(len(nack.sequences) for nack in nacks)
        if wanted and not self._budget.take(NUMBERS, now_ns, wanted):
            packets = [packet for packet in packets if not isinstance(packet, Nack)]
        return packets

    def tick(self, now_ns: int) -> None:
        """Resend a lost flight when due, send an acknowledgement that was held back. Cheap when there is nothing to do."""
        if self._sctp is not None:
            self._sctp.tick(now_ns)
        if self._timing and self._dtls is not None:
            self._timing = self._dtls.retransmit()
            if self._dtls.state == "failed":
                self._end("dtls")

    def close(self) -> None:
        """Abort SCTP, send close_notify, free the TLS connection. Idempotent; never blocks."""
        if self._closed:
            return
        self._closed = True
        if self._sctp is not None:
            self._sctp.shut_down()
        if self._dtls is not None:
            self._dtls.shut_down()
        self._sctp = self._dtls = self._srtcp = None

    def _handshake(self, dtls: SteppedDtls, data: bytes) -> None:
        if is_bare_alert(data):
            self._counters["dtls_alerts_ignored"] += 1
            return
        sent = dtls.datagrams_sent
        done = dtls.handshake(data, remote_parameters(self._fingerprints))
        if dtls.state == "failed":
            self._counters["dtls_failed"] += 1
            self._end("dtls")
            return
        self._timing = True
        if not done:
            if dtls.datagrams_sent == sent:
                # A part of a flight, or nothing that OpenSSL takes.
                self._counters["dtls_unanswered"] += 1
            return
        assert dtls.keys is not None
        self.keys = dtls.keys
        self._counters["dtls_connected"] += 1
        policy = pylibsrtp.Policy(
            key=dtls.keys.receive,
            ssrc_type=pylibsrtp.Policy.SSRC_ANY_INBOUND,
            srtp_profile=dtls.keys.profile,
        )
        policy.window_size = _REPLAY_WINDOW
        self._srtcp = pylibsrtp.Session(policy)
        self._events.on_keys(dtls.keys)
        if self._sctp_parameters is not None and not self._closed:
            self._begin_sctp(dtls, self._sctp_parameters)

    def _begin_sctp(self, dtls: SteppedDtls, parameters: SctpParameters) -> None:
        association = SctpAssociation(
            dtls, parameters.local_port, self._counters, parameters.max_channels, self._budget
        )
        association.on("datachannel", self._events.on_datachannel)
        self._sctp = association
        association.begin(parameters.remote_port, parameters.max_message_size)

    def _application(self, dtls: SteppedDtls, data: bytes, now_ns: int) -> None:
        records = dtls.receive(data)
        if records is None:
            self._end("bye")
            return
        if records:
            self.authenticated += 1
        else:
            self._counters["dtls_without_data"] += 1
        for record in records:
            if self._closed:
                return
            if self._sctp is None:
                self._counters["sctp_not_negotiated"] += 1
                continue
            self._sctp.receive(record, now_ns)
            if not self._closed and self._sctp.failed:
                self._end("sctp")
                return

    def _end(self, reason: str) -> None:
        if not self._closed:
            self.close()
            self._events.on_secure_closed(reason)


def _records(data: bytes) -> int:
    """How many DTLS records a datagram holds, by their lengths (RFC 6347, section 4.1); 1 at least."""
    count = at = 0
    while at + 13 <= len(data):
        count += 1
        at += 13 + (data[at + 11] << 8 | data[at + 12])
    return count or 1
