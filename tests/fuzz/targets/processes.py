"""What the server and its children say to one another."""

from __future__ import annotations

import socket
from collections.abc import Iterator

from rtcserver.broadcast import control
from rtcserver.broadcast.control_wire import pack, unpack
from rtcserver.broadcast.listener import ListenerSpec
from rtcserver.broadcast.srtp import SrtpProfile
from rtcserver.children import control_socket
from rtcserver.children.liveness import Progress
from rtcserver.errors import ProcessError
from rtcserver.transport.address import Address
from tests.fuzz.target import target

OURS, THEIRS = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def _controls() -> Iterator[bytes]:
    profile, place = SrtpProfile.AEAD_AES_128_GCM, Address("127.0.0.1", 4000)
    spec = ListenerSpec(1, "main", place, profile, bytes(28), 5, 111, 7, 9, "cname")
    yield pack(control.AddListener(spec))
    yield pack(control.Resend(1, (5, 6)))
    yield pack(control.AddFeed("main", 480, 0, 0))
    yield pack(control.SetAddress(1, Address("127.0.0.1", 4000), "127.0.0.1"))
    yield pack(control.AddStream(1, "0000", 4096))
    yield pack(control.SendStream(1, "ff"))
    yield pack(control.StatsRequest(5, (1, 2)))
    yield pack(control.Stop())
    yield pack(control.Refused(1, "no"))


WORDS = ('"type":"', "add_listener", "null", "[", "{")


@target("broadcast-control", ProcessError, good=_controls, words=WORDS, max_bytes=1500)
def broadcast(data: bytes) -> None:
    message = unpack(data)
    assert unpack(pack(message)) == message


@target(
    "child-message",
    ProcessError,
    good=lambda: (b'{"type":"progress","what":"x","share":0.5}', b'{"type":"stop"}', b"[]", b"{}"),
    words=('"type"', '"share":', "1e999", "NaN", "[", "{"),
    max_bytes=1500,
)
def child(data: bytes) -> None:
    if not data:
        return
    OURS.send(data)
    received = control_socket.receive(THEIRS)
    assert received is not None
    try:
        Progress.from_message(received[0])
    except (ValueError, KeyError):
        return
