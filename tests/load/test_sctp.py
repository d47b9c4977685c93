"""The load listeners' data channel, against a server's chunks."""

from __future__ import annotations

import struct

from rtcserver.load.sctp import DataChannelClient, _chunk, _packet

TAG, TSN, PEER_TAG, PEER_TSN = 7, 1000, 9, 5000


def chunk_of(packet: bytes) -> tuple[int, bytes]:
    kind, _, length = struct.unpack_from("!BBH", packet, 12)
    return kind, packet[16 : 12 + length]


def opened(client: DataChannelClient) -> list[bytes]:
    """The handshake and the server's acknowledgement of the channel; what the client sends then."""
    init_ack = struct.pack("!IIHHI", PEER_TAG, 1 << 17, 1, 1, PEER_TSN) + struct.pack("!HH4s", 7, 8, b"cook")
    (echo,) = client.receive(_packet(TAG, _chunk(2, 0, init_ack)))
    assert chunk_of(echo) == (10, b"cook")
    (channel,) = client.receive(_packet(TAG, _chunk(11, 0, b"")))
    assert chunk_of(channel)[0] == 0
    ack = struct.pack("!IHHI", PEER_TSN, 0, 0, 50) + b"\x02"
    return client.receive(_packet(TAG, _chunk(0, 3, ack)))


def sack(tsn: int) -> bytes:
    return _packet(TAG, _chunk(3, 0, struct.pack("!IIHH", tsn, 1 << 17, 0, 0)))


def test_a_channel_with_nothing_to_say_is_open_when_it_is_acknowledged() -> None:
    client = DataChannelClient(TAG, TSN)
    assert [chunk_of(packet)[0] for packet in opened(client)] == [3]
    assert (client.opened, client.pending) == (True, b"")


def test_what_is_said_follows_the_acknowledgement_and_is_pending_until_the_server_has_it() -> None:
    client = DataChannelClient(TAG, TSN, "telemetry", "hello")
    said, acknowledged = opened(client)
    kind, body = chunk_of(said)
    assert kind == 0
    assert struct.unpack_from("!IHHI", body) == (TSN + 1, 0, 1, 51)
    assert body[12:] == b"hello"
    assert chunk_of(acknowledged)[0] == 3
    assert client.pending == said
    # Of the channel only.
    client.receive(sack(TSN))
    assert (client.opened, client.pending) == (False, said)
    client.receive(sack(TSN + 1))
    assert (client.opened, client.pending) == (True, b"")
