"""A listener's end: a UDP socket and libsrtp's inbound side, as a browser has them."""

from __future__ import annotations

import os
import select
import socket
import struct
from dataclasses import dataclass, replace
from typing import Any

from pylibsrtp import Policy, Session

from rtcserver.broadcast.listener import ListenerSpec
from rtcserver.broadcast.srtp import SrtpProfile
from rtcserver.encode.packet import EncodedPacket
from rtcserver.transport.address import Address

GCM = SrtpProfile.AEAD_AES_128_GCM
CM = SrtpProfile.AES128_CM_SHA1_80
INBOUND = {
    SrtpProfile.AEAD_AES_128_GCM: Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    SrtpProfile.AEAD_AES_256_GCM: Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
    SrtpProfile.AES128_CM_SHA1_80: Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
}
FRAME = 960


@dataclass(frozen=True)
class Rtp:
    """A decrypted RTP packet."""

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


def parse_rtp(data: bytes) -> Rtp:
    first, second, sequence, timestamp, ssrc = struct.unpack_from("!BBHII", data)
    assert first == 0x80
    assert second < 128
    return Rtp(second, sequence, timestamp, ssrc, data[12:])


def is_rtcp(data: bytes) -> bool:
    """RFC 5761, section 4."""
    return 192 <= data[1] <= 223


def media(n: int, size: int = 120, frame: int = FRAME, epoch: int = 1) -> EncodedPacket:
    """The n-th packet of a steady room, with a payload of its own."""
    payload = struct.pack("!I", n) + bytes((n + k) & 0xFF for k in range(size - 4))
    return EncodedPacket(n * frame, frame, 10**9 + (n + 1) * frame * 1_000_000_000 // 48_000, epoch, payload)


class Listening:
    """Receives on `host`; `spec` is what the engine has to be told of it."""

    def __init__(
        self,
        listener_id: int,
        *,
        host: str = "127.0.0.1",
        profile: SrtpProfile = GCM,
        payload_type: int = 111,
        first_sequence: int = 1000,
        room: str = "main",
        **more: Any,
    ) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.sock.bind((host, 0))
        self.sock.setblocking(False)
        self.source: Any = None
        """Where the last datagram came from."""
        self.spec = ListenerSpec(
            listener_id=listener_id,
            room=room,
            destination=Address(host, self.sock.getsockname()[1]),
            profile=profile,
            master=os.urandom(profile.key_length),
            ssrc=0xABC0_0000 + listener_id,
            payload_type=payload_type,
            first_sequence=first_sequence,
            timestamp_offset=(0xFFFF_FF00 + listener_id * 7919) & 0xFFFF_FFFF,
            cname="room",
            **more,
        )
        self.session = self.new_session()

    def new_session(self) -> Session:
        """A receiver that has seen nothing yet."""
        return Session(
            Policy(
                key=self.spec.master,
                ssrc_type=Policy.SSRC_ANY_INBOUND,
                srtp_profile=INBOUND[self.spec.profile],
            )
        )

    def change(self, **values: Any) -> Listening:
        """The same with other values in its spec."""
        self.spec = replace(self.spec, **values)
        return self

    def drain(self) -> list[bytes]:
        """The datagrams that have arrived, as they are."""
        out: list[bytes] = []
        while True:
            try:
                data, self.source = self.sock.recvfrom(2048)
            except BlockingIOError:
                return out
            out.append(data)

    def wait(self, count: int, timeout: float = 5.0) -> list[bytes]:
        """At least `count` datagrams; fails after `timeout` seconds."""
        out = self.drain()
        while len(out) < count:
            assert select.select([self.sock], [], [], timeout)[0], f"{len(out)} of {count} datagrams"
            out += self.drain()
        return out

    def decrypt(self, datagrams: list[bytes]) -> list[Rtp]:
        """The RTP among datagrams; raises pylibsrtp.Error if one does not authenticate or repeats."""
        return [parse_rtp(self.session.unprotect(data)) for data in datagrams if not is_rtcp(data)]

    def rtp(self) -> list[Rtp]:
        """Everything that has arrived, decrypted."""
        return self.decrypt(self.drain())

    def rtcp(self) -> list[bytes]:
        """The compound RTCP packets that have arrived, decrypted."""
        return [self.session.unprotect_rtcp(data) for data in self.drain() if is_rtcp(data)]
