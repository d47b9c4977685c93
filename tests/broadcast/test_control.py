"""Control messages, both ways."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rtcserver.broadcast import control
from rtcserver.broadcast.check_messages import (
    AddCheckSocket,
    ChecksAnswered,
    ChecksOverflowed,
    DropCheck,
    KeepCheck,
    StrayCheck,
)
from rtcserver.broadcast.control import Message
from rtcserver.broadcast.control_wire import pack, unpack
from rtcserver.broadcast.lateness import BOUNDS_US, Lateness
from rtcserver.broadcast.listener import ListenerCounters, ListenerSpec, Totals
from rtcserver.broadcast.srtp import SrtpProfile
from rtcserver.encode.encoding import encodings_of
from rtcserver.errors import ProcessError
from rtcserver.transport.address import Address

SPEC = ListenerSpec(
    listener_id=2**40,
    room="grüner raum",
    destination=Address("fe80::1", 5004, 2),
    profile=SrtpProfile.AES128_CM_SHA1_80,
    master=bytes(range(30)),
    ssrc=2**32 - 1,
    payload_type=109,
    first_sequence=32_767,
    timestamp_offset=17,
    cname="c",
    source="fe80::2",
    fd_index=3,
)
MESSAGES: list[Message] = [
    control.AddSockets(2),
    control.AddFeed("main", 480, 2**40, 2**60),
    control.AddFeed("main", 480, 0, 0, further=tuple(encodings_of(160_000, 480).values())),
    control.SetAnchor("main", 48_000, 123_456_789),
    control.RemoveFeed("main"),
    control.WithoutBursts(),
    control.AddListener(SPEC),
    control.SetAddress(1, Address("192.0.2.1", 9), "192.0.2.2", 1),
    control.SetAddress(1, None),
    control.SetAddress(1, None, None, 0, 7),
    control.AddStream(7, "0001ff", 4096),
    control.SendStream(7, "16fe"),
    control.RemoveStream(7),
    control.SetKind(1, "pcm", 111),
    control.SetCopied(1, 2),
    control.RemoveListener(1),
    control.Resend(1, (0, 65_535)),
    control.StatsRequest(7, (1, 2)),
    control.Stop(),
    control.Ready(1, "fifo", True),
    control.Refused(1, "because"),
    control.ListenerStats((ListenerCounters(1, 2, 3, 4, 5, 6), ListenerCounters(7, 8, 9, 10, 11, 12))),
    AddCheckSocket(),
    KeepCheck(1, "192.0.2.1", 9, "c0000201", "secret", "00" * 8, "0006"),
    DropCheck(1),
    ChecksAnswered(((1, 2**60, "00" * 24), (2, 3, "")), 4, 5),
    StrayCheck("0001", "192.0.2.1", 9, ""),
    ChecksOverflowed(),
    control.BroadcastReport(
        0, Totals(1, 2, 3), {"main": control.RoomCounters(1, 2, 3)}, tuple(range(len(BOUNDS_US) + 1)), 5, 6, 7
    ),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_survives_the_wire(message: Message) -> None:
    assert unpack(pack(message)) == message


def test_every_message_is_tested() -> None:
    assert {type(message) for message in MESSAGES} == set(control.Message.__args__)


PLAIN_SPEC = json.loads(pack(control.AddListener(SPEC)))["spec"]


def change(message: Message, **values: Any) -> bytes:
    return json.dumps(json.loads(pack(message)) | values).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"[]",
        b"7",
        b"{}",
        b'{"type":"nothing"}',
        b'{"type":"shutdown","now":1}',
        change(control.AddSockets(1), count=0),
        change(control.AddSockets(1), count="1"),
        change(control.AddFeed("main", 480, 0, 0), frame_samples=441),
        change(control.AddFeed("main", 480, 0, 0), further=[{"stream": "1"}]),
        change(control.AddFeed("main", 480, 0, 0), further=[7]),
        change(control.AddFeed("main", 480, 0, 0), room=1),
        change(control.RemoveListener(1), listener_id=1.5),
        change(control.RemoveListener(1), listener_id=None),
        change(control.Resend(1, (1,)), sequences=[65_536]),
        change(control.Resend(1, (1,)), sequences=["1"]),
        change(control.Resend(1, (1,)), sequences=[1] * 513),
        change(control.SetAddress(1, None), destination=["192.0.2.1"]),
        change(control.SetAddress(1, None), destination=["192.0.2.1", "9", 0]),
        change(control.AddListener(SPEC), spec={}),
        *(
            change(
                control.AddListener(SPEC), spec=json.loads(pack(control.AddListener(SPEC)))["spec"] | wrong
            )
            for wrong in (
                {"master": "zz"},
                {"master": "00" * 28},
                {"profile": "NULL"},
                {"first_sequence": 32_768},
                {"payload_type": 128},
                {"ssrc": -1},
                {"ssrc": 2**32},
                {"destination": "192.0.2.1"},
                {"more": 1},
            )
        ),
    ],
)
def test_what_is_no_message_is_refused_without_being_quoted(data: bytes) -> None:
    with pytest.raises(ProcessError) as caught:
        unpack(data)
    assert SPEC.master.hex() not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_message_has_a_limit() -> None:
    with pytest.raises(ValueError, match="bytes"):
        pack(control.Refused(1, "x" * control.MAX_MESSAGE))
    rows = tuple(ListenerCounters(*(2**50 + k for k in range(6))) for _ in range(control.MAX_ROWS))
    assert unpack(pack(control.ListenerStats(rows))) == control.ListenerStats(rows)


def test_the_histogram_counts_into_the_right_bucket() -> None:
    lateness = Lateness()
    for us in (1, 50, 51, 1_000, 1_001, 200_000):
        lateness.add(us * 1_000)
    edges = dict(zip((*BOUNDS_US, None), lateness.counts, strict=True))
    assert {edge: count for edge, count in edges.items() if count} == {
        50: 2,
        100: 1,
        1_000: 1,
        2_000: 1,
        None: 1,
    }
    assert lateness.take_max() == 200_000_000
    assert lateness.take_max() == 0
