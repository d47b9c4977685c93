"""A client that joins a real server as everybody may, and then sends what a test tells it to."""

from __future__ import annotations

import itertools
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pylibsrtp

from rtcserver.load import sdp
from tests.hostile.http import Answer, exchange, request
from tests.transport.hostile import Sender
from tests.transport.raw import UFRAG, RawPeer, certificate

SDP = "application/sdp"
_numbers = itertools.count(1)


def address() -> str:
    """A loopback address that no test had before: what one of them uses up is not the next one's."""
    number = next(_numbers)
    return f"127.1.{number >> 8}.{number & 255 or 1}"


def offer(data: bool = True, source: str = "127.0.0.1") -> bytes:
    """An offer with the certificate of all raw peers."""
    fingerprint = certificate().getFingerprints()[0].value
    return sdp.offer(sdp.Local(UFRAG, "p" * 24, fingerprint, source, 9, data)).encode()


class Intruder(RawPeer):
    """A raw peer with a session of a real server. resource: the session's path."""

    def __init__(self, port: int, source: str, answer: Answer, room: str = "main") -> None:
        remote = sdp.parse(answer.body.decode())
        self.port = port
        self._sequences: dict[int, int] = {}
        self.reports: pylibsrtp.Session | None = None
        self.source = source
        self.resource = answer.headers["location"]
        if not self.resource.startswith("/"):
            self.resource = f"/r/{room}/{self.resource}"
        super().__init__(remote.destination("127.0.0.1"), remote.ufrag, remote.password, source)

    @classmethod
    async def join(cls, port: int, *, data: bool = True, room: str = "main") -> Intruder:
        """Offer, from an address of its own, and be answered."""
        source = address()
        wanted = request("POST", f"/r/{room}/whep", offer(data, source), content_type=SDP)
        answer = await exchange(port, wanted, source)
        assert answer.status == 201, answer
        return cls(port, source, answer, room)

    async def advance(self, how_far: Sender) -> None:
        """Come as far as ICE, DTLS or SCTP."""
        if how_far == "bound":
            await self.bind()
        elif how_far in ("session", "associated"):
            await self.connect()
        if how_far == "associated":
            await self.associate()

    def opened(self, label: str, stream: int = 0) -> bytes:
        """A record that opens a data channel: in order and reliable (RFC 8832, section 5.1)."""
        text = label.encode()
        message = struct.pack("!BBHIHH", 3, 0, 256, 0, len(text), 0) + text
        return self.record(self.packet(self.data(message, stream=stream, protocol=50)))

    def said(self, message: bytes | str, stream: int = 0) -> Iterator[bytes]:
        """The records of a message on a channel, in as many fragments as it needs."""
        protocol = 51 if isinstance(message, str) else 53
        rest = message.encode("utf-8", "surrogatepass") if isinstance(message, str) else message
        parts = [rest[at : at + 1000] for at in range(0, len(rest), 1000)] or [b""]
        for number, part in enumerate(parts):
            flags = (2 if number == 0 else 0) | (1 if number == len(parts) - 1 else 0)
            chunk = self.data(part, stream=stream, protocol=protocol, flags=flags)
            # The message that opened the channel was number 0.
            chunk.stream_seq = self._sequences.get(stream, 1)
            yield self.record(self.packet(chunk))
        self._sequences[stream] = self._sequences.get(stream, 1) + 1

    async def leave(self) -> None:
        """End the session as a client does, and close the socket."""
        self.close()
        await exchange(self.port, request("DELETE", self.resource), self.source)


@asynccontextmanager
async def intruder(
    port: int, how_far: Sender = "stranger", *, data: bool = True, room: str = "main"
) -> AsyncIterator[Intruder]:
    """A session that is deleted at the end, whatever the server has done with it meanwhile."""
    found = await Intruder.join(port, data=data, room=room)
    try:
        await found.advance(how_far)
        yield found
    finally:
        await found.leave()
