"""One load listener: its socket, ICE as the controlling side, DTLS, and perhaps a data channel.

While it joins, the event loop brings its datagrams; afterwards the worker drains the socket in turn
(`rtcserver.load.drain`) and hands over what is no RTP.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import secrets
import socket
import struct
from collections import Counter
from collections.abc import Callable
from typing import Protocol

import pylibsrtp
from OpenSSL import SSL

from rtcserver.clock import monotonic_ns
from rtcserver.load import dtls
from rtcserver.load.drain import socket_drops
from rtcserver.load.sctp import DataChannelClient
from rtcserver.load.sdp import Local, Remote
from rtcserver.load.stream import Mark, Stream
from rtcserver.transport import stun

CHECK_NS = 2_500_000_000
"""Between two checks for consent, on average, as browsers do (RFC 7675 allows up to 30 s)."""
RESEND_S = 0.25
RECEIVE_BUFFER = 1 << 20
_SO_RCVBUFFORCE = 33


class JoinError(Exception):
    """A listener could not join; the message names the step. retry_after_s: when the server asks to come again, or 0."""

    def __init__(self, message: str, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Signaling(Protocol):
    """How listeners of one worker reach a server. One instance a worker."""

    host: str
    """The address that the server is reached by."""

    async def open(self, local: Local) -> tuple[object, Remote]:
        """Exchange SDP: a handle for `close`, and the server's side. Raises JoinError."""

    async def close(self, handle: object) -> None:
        """End a session. Never raises."""

    async def shut_down(self) -> None:
        """Close what all sessions share."""


class LoadPeer:
    """One listener. sample: also decrypt some packets, to prove that they are authentic.

    datachannel: open one. say: what to tell the server on ``telemetry``, which then is that channel. red: offer RED.
    """

    def __init__(
        self,
        context: dtls.ClientContext,
        *,
        datachannel: bool = False,
        sample: bool = False,
        say: str = "",
        red: bool = False,
    ) -> None:
        self.stream = Stream()
        self.begin: Mark | None = None
        """Where a measurement began, and `counted` the `counts` there. The worker's."""
        self.counted: Counter[str] = Counter()
        self.checks_sent = 0
        self.checks_answered = 0
        self.verified = 0
        self.unverified = 0
        self.next_check_ns = 0
        self.ended = False
        """Whether the server has said goodbye."""
        self.port = 0
        self.srtp: pylibsrtp.Session | None = None
        self._context = context
        self._sample = sample
        self._ufrag = secrets.token_hex(4)
        self._password = secrets.token_hex(16)
        self._remote: Remote | None = None
        self._destination: tuple[str, int] | None = None
        self._handle: object = None
        self._signaling: Signaling | None = None
        self._ssl: SSL.Connection | None = None
        self._keys: dtls.ReceiveKeys | None = None
        self._sctp: DataChannelClient | None = None
        self._wants_channel = datachannel or bool(say)
        self._say = say
        self._red = red
        self._answered = False
        self._failure = ""
        self._progress = asyncio.Event()
        self.sock: socket.socket | None = None

    # Joining

    async def join(self, signaling: Signaling, timeout_s: float = 15.0) -> int:
        """Do all that a browser does until it can hear. Returns its duration in ns; raises JoinError."""
        began = monotonic_ns()
        step = "signaling"
        try:
            async with asyncio.timeout(timeout_s):
                self._open_socket(signaling.host)
                assert self.sock is not None
                local = Local(
                    self._ufrag,
                    self._password,
                    self._context.fingerprint,
                    self.sock.getsockname()[0],
                    self.sock.getsockname()[1],
                    self._wants_channel,
                    self._red,
                )
                self._handle, self._remote = await signaling.open(local)
                self._signaling = signaling
                self._destination = self._remote.destination(signaling.host)
                self.port = self._destination[1]
                asyncio.get_running_loop().add_reader(self.sock.fileno(), self._read)
                step = "ICE"
                await self._repeat(lambda: self.check(nominate=True), lambda: self._answered)
                step = "DTLS"
                self._ssl = self._context.connection()
                self._step(b"")
                await self._repeat(self._retransmit, lambda: self._keys is not None)
                if self._wants_channel:
                    step = "SCTP"
                    named = ("telemetry", self._say) if self._say else ()
                    channel = DataChannelClient(secrets.randbits(32) or 1, secrets.randbits(32), *named)
                    self._sctp = channel
                    await self._repeat(lambda: self._send_sctp(channel.pending), lambda: channel.opened)
                else:
                    # Without a data channel its TLS is needed no more; thousands of them are megabytes.
                    self._ssl = None
        except TimeoutError:
            await self.leave()
            raise JoinError(f"{step} took too long") from None
        except (OSError, ValueError, dtls.DtlsError) as error:
            await self.leave()
            raise JoinError(f"{step}: {error}") from error
        except BaseException:
            await self.leave()
            raise
        asyncio.get_running_loop().remove_reader(self.sock.fileno())
        if self._sample and self._keys is not None:
            self.srtp = pylibsrtp.Session(
                pylibsrtp.Policy(
                    key=self._keys.master,
                    ssrc_type=pylibsrtp.Policy.SSRC_ANY_INBOUND,
                    srtp_profile=self._keys.profile,
                )
            )
        now = monotonic_ns()
        # Spread from the start: what joined together does not check together.
        self.next_check_ns = now + int(CHECK_NS * random.uniform(0.2, 1.2))
        return now - began

    async def leave(self) -> None:
        """End the session and close the socket. Idempotent."""
        sock, self.sock = self.sock, None
        if sock is not None:
            asyncio.get_running_loop().remove_reader(sock.fileno())
            with contextlib.suppress(OSError):
                # Wakes a thread that waits for a packet.
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        self._ssl = None
        signaling, self._signaling = self._signaling, None
        if signaling is not None:
            await signaling.close(self._handle)

    def _open_socket(self, host: str) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_DGRAM)
        self.sock.setblocking(False)
        try:
            self.sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BUFFER)
        except OSError:
            with contextlib.suppress(OSError):
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        # Bound to the address that the server is reached from. Not connected: media may come from another.
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((host, 9))
            self.sock.bind((probe.getsockname()[0], 0))

    async def _repeat(self, action: Callable[[], None], done: Callable[[], bool]) -> None:
        """Do something at once and each `RESEND_S` until it has had its effect."""
        while not done():
            self._progress.clear()
            action()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RESEND_S):
                    while not done() and not self._failure:
                        await self._progress.wait()
                        self._progress.clear()
            if self._failure:
                raise dtls.DtlsError(self._failure)

    def _retransmit(self) -> None:
        if self._ssl is not None:
            with contextlib.suppress(SSL.Error):
                self._ssl.DTLSv1_handle_timeout()
            self._flush()

    def _read(self) -> None:
        sock = self.sock
        if sock is None:
            return
        for _ in range(32):
            try:
                data, address = sock.recvfrom(2048)
            except OSError:
                return
            if address[1] == self.port and data:
                self.take(data)

    # Datagrams

    def take(self, data: bytes) -> None:
        """Handle one datagram of the server's. What makes no sense is ignored."""
        first = data[0]
        if first <= 3:
            self._take_stun(data)
        elif 20 <= first <= 63:
            self._take_dtls(data)
        elif first & 0xC0 == 0x80 and len(data) >= 12 and data[1] & 0xE0 != 0xC0:
            sequence, timestamp = struct.unpack_from("!HI", data, 2)
            self.stream.count_one(sequence, timestamp)
        self._progress.set()

    def _take_stun(self, data: bytes) -> None:
        assert self._remote is not None
        try:
            message = stun.parse(data)
        except stun.StunError:
            return
        if message.kind == stun.BINDING_SUCCESS:
            if stun.verify(data, message, self._remote.password.encode()):
                self._answered = True
                self.checks_answered += 1
        elif message.kind == stun.BINDING_REQUEST and stun.verify(data, message, self._password.encode()):
            # A full agent checks and asks for consent as well.
            assert self._destination is not None
            self.send(
                stun.build_success(message.transaction_id, self._destination[:2], self._password.encode())
            )

    def _take_dtls(self, data: bytes) -> None:
        if self._ssl is None:
            return
        if self._keys is None:
            self._step(data)
            return
        for record in dtls.records(self._ssl, data):
            if self._sctp is not None:
                for answer in self._sctp.receive(record):
                    self._send_sctp(answer)
        self.ended = dtls.said_goodbye(self._ssl)
        # A repeated flight of the server's is answered by OpenSSL.
        self._flush()

    def _step(self, data: bytes) -> None:
        assert self._ssl is not None
        assert self._remote is not None
        try:
            self._keys = dtls.step(self._ssl, data, self._remote.fingerprint)
        except dtls.DtlsError as error:
            self._failure = str(error)
            self._progress.set()
            return
        self._flush()

    def check(self, *, nominate: bool = False) -> None:
        """Send a connectivity check, which is also the one for consent."""
        assert self._remote is not None
        self.checks_sent += 1
        username = f"{self._remote.ufrag}:{self._ufrag}".encode()
        self.send(
            stun.build_request(
                os.urandom(12), username, self._remote.password.encode(), use_candidate=nominate
            )
        )

    def verify(self, packet: bytes) -> None:
        """Decrypt one RTP packet, if this listener samples; counts the outcome."""
        if self.srtp is None:
            return
        try:
            self.srtp.unprotect(packet)
        except pylibsrtp.Error:
            self.unverified += 1
        else:
            self.verified += 1

    def counts(self) -> Counter[str]:
        """Figures since the beginning, by their names in `report.Window`."""
        return Counter(
            overflows=socket_drops(self.sock) if self.sock is not None else 0,
            unordered=self.stream.unordered,
            verified=self.verified,
            unverified=self.unverified,
            checks_sent=self.checks_sent,
            checks_answered=self.checks_answered,
        )

    def _send_sctp(self, packet: bytes) -> None:
        if packet and self._ssl is not None:
            with contextlib.suppress(SSL.Error):
                self._ssl.send(packet)
            self._flush()

    def _flush(self) -> None:
        if self._ssl is not None:
            for datagram in dtls.outgoing(self._ssl):
                self.send(datagram)

    def send(self, data: bytes) -> None:
        """Send a datagram to the server; a full socket loses it."""
        if self.sock is not None and self._destination is not None:
            with contextlib.suppress(OSError):
                self.sock.sendto(data, self._destination)
