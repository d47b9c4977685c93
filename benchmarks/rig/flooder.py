"""One listener that joins as any other and then sends far more than it may; a process of its own.

``python -m benchmarks.rig.flooder URL KIND MBPS``: it says ``joined``, then obeys lines on stdin, each answered by a
line of JSON: ``sink SECONDS`` makes the flood and sends it to a socket of its own, which costs this machine the same;
``flood SECONDS`` sends it to the server. It sends its checks all the while, and takes what comes.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
import sys
import time
from collections.abc import Callable

import pylibsrtp
from google_crc32c import value as crc32c
from OpenSSL import SSL

from rtcserver.load import dtls
from rtcserver.load.peer import LoadPeer
from rtcserver.load.signaling import WhepSignaling
from rtcserver.transport import stun

BATCH = 16
"""Datagrams between two looks at the clock and at what has come."""
ELSEWHERE = 32
"""Addresses that a flood of checks names."""
CHECK_S = 2.0
_EXTRACTOR = b"EXTRACTOR-dtls_srtp"
_KEYS = {
    b"SRTP_AEAD_AES_128_GCM": (16, 12, pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM),
    b"SRTP_AES128_CM_SHA1_80": (16, 14, pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80),
}
Send = Callable[[bytes], object]


class Flooder(LoadPeer):
    """A `LoadPeer` that counts the bytes of its stream, once each, and all that comes."""

    def __init__(self, context: dtls.ClientContext) -> None:
        super().__init__(context, datachannel=True)
        self.floods = False
        self.received_bytes = 0
        self.stream_bytes = 0
        self.elsewhere_bytes = 0
        self.newest = 0
        self.ssrc = 0
        self._numbers: set[int] = set()
        self._tsn = 0
        self._sequence = 0

    def take(self, data: bytes) -> None:
        """Count, and handle what is not media."""
        self.received_bytes += len(data)
        if data[0] & 0xC0 == 0x80 and len(data) >= 12 and data[1] & 0xE0 != 0xC0:
            self.newest, self.ssrc = (
                struct.unpack_from("!H", data, 2)[0],
                struct.unpack_from("!I", data, 8)[0],
            )
            if self.newest not in self._numbers:
                self._numbers.add(self.newest)
                self.stream_bytes += len(data)
            return
        if self.floods and data[0] > 3:
            # Whatever is answered by a flood of SCTP is not answered again.
            return
        super().take(data)

    def read(self) -> None:
        """Take all that has come."""
        assert self.sock is not None
        while True:
            try:
                data = self.sock.recv(2048)
            except BlockingIOError:
                return
            if data:
                self.take(data)

    # The floods. Each makes one datagram.

    def maker(self, kind: str) -> Callable[[], bytes]:
        """What makes the datagrams of a flood, by the names in `KINDS`."""
        assert self._ssl is not None
        assert self._sctp is not None
        self._tsn = self._sctp._tsn + 1
        if kind in ("nacks", "reports"):
            session = self._protecting()
            return lambda: session.protect_rtcp(self._nack() if kind == "nacks" else _REPORT)
        if kind == "chunks":
            return lambda: self._record(b"".join(self._data() for _ in range(50)))
        if kind == "records":
            return lambda: self._record(self._data())
        if kind == "heartbeats":
            beats = struct.pack("!BBHHHI", 4, 0, 12, 1, 8, 9) * 60
            return lambda: self._record(beats)
        if kind == "media":
            datagram = b"\x80\x6f" + bytes(98)
            return lambda: datagram
        if kind in ("checks", "addresses"):
            return self._request
        raise SystemExit(f"there is no flood {kind!r}")

    def _protecting(self) -> pylibsrtp.Session:
        assert self._ssl is not None
        key, salt, profile = _KEYS[self._ssl.get_selected_srtp_profile()]
        material = self._ssl.export_keying_material(_EXTRACTOR, 2 * (key + salt))
        master = material[:key] + material[2 * key : 2 * key + salt]
        return pylibsrtp.Session(
            pylibsrtp.Policy(key=master, ssrc_type=pylibsrtp.Policy.SSRC_ANY_OUTBOUND, srtp_profile=profile)
        )

    def _nack(self) -> bytes:
        """All that may be kept and thousands of others: 8 requests, 17 numbers in four bytes (RFC 4585, section 6.2.1)."""
        first = self.newest - 100
        entries = [struct.pack("!HH", (first + 17 * n) & 0xFFFF, 0xFFFF) for n in range(8 * 33)]
        return b"".join(
            struct.pack("!BBHII", 0x81, 205, 2 + 33, 7, self.ssrc) + b"".join(entries[at : at + 33])
            for at in range(0, len(entries), 33)
        )

    def _data(self) -> bytes:
        """A chunk of one byte on the open channel, unordered (RFC 9260, section 3.3.1)."""
        self._tsn = (self._tsn + 1) & 0xFFFFFFFF
        return struct.pack("!BBHIHHI", 0, 7, 17, self._tsn, 0, 0, 53) + b"x" + bytes(3)

    def _record(self, chunks: bytes) -> bytes:
        assert self._ssl is not None
        assert self._sctp is not None
        head = struct.pack("!HHI", 5000, 5000, self._sctp._peer_tag)
        self._ssl.send(head + struct.pack("<I", crc32c(head + bytes(4) + chunks)) + chunks)
        return self._ssl.bio_read(4096)

    def _request(self) -> bytes:
        assert self._remote is not None
        username = f"{self._remote.ufrag}:{self._ufrag}".encode()
        return stun.build_request(
            os.urandom(12), username, self._remote.password.encode(), use_candidate=True
        )


KINDS = ("nacks", "reports", "chunks", "records", "heartbeats", "media", "checks", "addresses")
_REPORT = struct.pack("!BBHI", 0x80, 201, 1, 7)


def flood(peer: Flooder, kind: str, mbps: float, seconds: float, *, to_sink: bool) -> dict[str, float]:
    """Send for `seconds` at `mbps`, or as fast as this core can."""
    assert peer.sock is not None
    assert peer._destination is not None
    make = peer.maker(kind)
    peer.floods = True
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink:
        sink.bind((peer.sock.getsockname()[0], 0))
        target = sink.getsockname() if to_sink else peer._destination
        elsewhere = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(ELSEWHERE)]
        for sock in elsewhere:
            sock.bind((peer.sock.getsockname()[0], 0))
            sock.setblocking(False)
        senders = elsewhere if kind == "addresses" else [peer.sock]
        peer.read()
        peer.received_bytes = peer.stream_bytes = peer.elsewhere_bytes = 0
        began = time.monotonic()
        sent = sent_bytes = 0
        checked = began - CHECK_S
        while (now := time.monotonic()) - began < seconds:
            if now - checked >= CHECK_S:
                checked = now
                peer.check(nominate=kind != "addresses")
            if sent_bytes * 8 > mbps * 1e6 * (now - began):
                time.sleep(0.0005)
            else:
                for _ in range(BATCH):
                    data = make()
                    try:
                        senders[sent % len(senders)].sendto(data, target)
                    except BlockingIOError:
                        break
                    sent += 1
                    sent_bytes += len(data)
            peer.read()
            for sock in elsewhere if kind == "addresses" else ():
                try:
                    while True:
                        peer.elsewhere_bytes += len(sock.recv(2048))
                except BlockingIOError:
                    continue
        for sock in elsewhere:
            sock.close()
    return {
        "seconds": round(time.monotonic() - began, 2),
        "sent": sent,
        "sent_bytes": sent_bytes,
        "received_bytes": peer.received_bytes,
        "stream_bytes": peer.stream_bytes,
        "elsewhere_bytes": peer.elsewhere_bytes,
    }


def main() -> None:
    """The process."""
    url, kind, mbps = sys.argv[1], sys.argv[2], float(sys.argv[3])
    peer = Flooder(dtls.ClientContext())

    async def join() -> WhepSignaling:
        signaling = WhepSignaling(url)
        await peer.join(signaling)
        return signaling

    loop = asyncio.new_event_loop()
    signaling = loop.run_until_complete(join())
    print("joined", flush=True)
    for line in sys.stdin:
        where, seconds = line.split()
        try:
            print(json.dumps(flood(peer, kind, mbps, float(seconds), to_sink=where == "sink")), flush=True)
        except SSL.Error as error:
            print(json.dumps({"error": str(error)}), flush=True)
    loop.run_until_complete(signaling.shut_down())


if __name__ == "__main__":
    main()
