"""``python -m tests.hostile.bystander PORT FILE [tls]``: listens to the room ``main``, in a process of its own, and records.

FILE gets a record for each packet that is authentic: when the kernel took it (ns), its sequence number and timestamp, and
its Opus payload. The kernel's time is when the server's process sent it, however late this process is read out: what is
judged is what the server did, not how busy the tests were.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import select
import socket
import struct
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import opuslib
import pylibsrtp
from aiortc.rtcdtlstransport import SRTP_PROFILES

from tests.hostile.http import exchange, request
from tests.hostile.intruder import SDP, Intruder, offer
from tests.rig.process import REPOSITORY, RigProcess

FRAME = 480
SO_TIMESTAMPNS = 35
CHECK_S = 2.5
_RECORD = struct.Struct("<qHIH")


@dataclass(frozen=True, slots=True)
class Packet:
    """at_ns: when the kernel took it. sequence, timestamp: as in its header."""

    at_ns: int
    sequence: int
    timestamp: int
    payload: bytes


def gaps_ms(packets: list[Packet]) -> list[float]:
    """Milliseconds without a packet, between each two."""
    return [(b.at_ns - a.at_ns) / 1e6 for a, b in itertools.pairwise(packets)]


def missing(packets: list[Packet]) -> int:
    """Packets that are not there between the first and the last, or not in order."""
    return sum((b.sequence - a.sequence) & 0xFFFF != 1 for a, b in itertools.pairwise(packets))


def levels(packets: list[Packet]) -> np.ndarray:
    """RMS of each 10 ms of what the packets decode to, of full scale; a missing one is silence."""
    decoder = opuslib.Decoder(48_000, 2)
    found = []
    for packet in packets:
        samples = np.frombuffer(decoder.decode(packet.payload, FRAME), "<i2").astype(float)
        found.append(np.sqrt(np.mean(samples**2)) / 32768)
    return np.array(found)


class Bystander(RigProcess):
    """The process, and its recording as it grows."""

    def __init__(self, port: int, *, tls: bool = False) -> None:
        super().__init__("bystander")
        self._words = [str(port), str(self.directory / "recording"), *(["tls"] if tls else [])]
        self._path = self.directory / "recording"
        self._read = 0
        self.packets: list[Packet] = []

    def start(self) -> None:
        self._path.touch()
        command = [sys.executable, "-m", "tests.hostile.bystander", *self._words]
        self._spawn(command, {**os.environ, "PYTHONPATH": str(REPOSITORY)}, cwd=REPOSITORY)
        self._wait_ready(lambda: len(self.heard()) > 50)

    def heard(self) -> list[Packet]:
        """All packets so far."""
        with self._path.open("rb") as file:
            file.seek(self._read)
            data = file.read()
        at = 0
        while at + _RECORD.size <= len(data):
            arrived, sequence, timestamp, size = _RECORD.unpack_from(data, at)
            begin = at + _RECORD.size
            if begin + size > len(data):
                break
            self.packets.append(Packet(arrived, sequence, timestamp, data[begin : begin + size]))
            at = begin + size
        self._read += at
        return self.packets


async def join(port: int, tls: bool) -> Intruder:
    """Join as a listener without a data channel."""
    wanted = request("POST", "/r/main/whep", offer(False), content_type=SDP)
    answer = await exchange(port, wanted, tls=tls)
    assert answer.status == 201, answer
    found = Intruder(port, "127.0.0.1", answer)
    found.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    found.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    await found.connect()
    return found


def inbound(client: Intruder) -> pylibsrtp.Session:
    """Takes what the server protects (RFC 5764, section 4.2)."""
    chosen = client.ssl.get_selected_srtp_profile()
    profile = next(p for p in SRTP_PROFILES if p.openssl_profile == chosen)
    material = client.ssl.export_keying_material(
        b"EXTRACTOR-dtls_srtp", 2 * (profile.key_length + profile.salt_length)
    )
    policy = pylibsrtp.Policy(
        key=profile.get_key_and_salt(material, 1),
        ssrc_type=pylibsrtp.Policy.SSRC_ANY_INBOUND,
        srtp_profile=profile.libsrtp_profile,
    )
    return pylibsrtp.Session(policy)


def listen(client: Intruder, file: int) -> None:
    """Write down what comes, and check for consent, until the process is ended."""
    srtp = inbound(client)
    check_at = 0.0
    while True:
        now = time.monotonic()
        if now >= check_at:
            client.socket.send(client.check())
            check_at = now + CHECK_S
        ready, _, _ = select.select([client.socket], [], [], max(0.0, check_at - now))
        while ready:
            try:
                data, ancillary, _, _ = client.socket.recvmsg(2048, 64)
            except BlockingIOError:
                break
            if not 128 <= data[0] < 192 or 192 <= data[1] < 224:
                continue
            seconds, nanoseconds = struct.unpack("qq", ancillary[0][2])
            try:
                plain = srtp.unprotect(data)
            except pylibsrtp.Error:
                continue
            sequence, timestamp = struct.unpack_from("!HI", plain, 2)
            head = _RECORD.pack(seconds * 1_000_000_000 + nanoseconds, sequence, timestamp, len(plain) - 12)
            os.write(file, head + plain[12:])


def main(arguments: list[str]) -> int:
    port, path = int(arguments[0]), Path(arguments[1])
    client = asyncio.run(join(port, "tls" in arguments[2:]))
    listen(client, os.open(path, os.O_WRONLY | os.O_APPEND))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
