"""DTLS and SCTP under loss and pressure, with a client made of parts."""

from __future__ import annotations

import asyncio
import struct

import pytest
from aiortc import rtcsctptransport as sctp
from OpenSSL import SSL

from rtcserver.transport.aiortc_sctp import SctpAssociation, SteppedTooFarError, run_now
from tests.transport.raw import RawClient
from tests.transport.stock import WAIT_S, running, until


async def handshake_step(client: RawClient) -> bool:
    """Run the client's side until it waits; send what it wrote. True when it is done."""
    try:
        client.ssl.do_handshake()
        done = True
    except SSL.WantReadError:
        done = False
    client._flush()
    return done


async def test_a_lost_server_flight_is_sent_again() -> None:
    async with running() as endpoint:
        client = RawClient(endpoint)
        await client.bind()
        await handshake_step(client)
        lost = await client._receive_dtls()
        again = await client._receive_dtls()
        assert again[13] == lost[13] == 2, "ServerHello"
        assert again[11:13] == lost[11:13]
        client.ssl.bio_write(again)
        assert not await handshake_step(client)
        client.ssl.bio_write(await client._receive_dtls())
        assert await handshake_step(client)
        client.peer.close()
        client.close()


async def test_a_session_has_so_many_channels_and_no_more() -> None:
    async with running() as endpoint:
        client = RawClient(endpoint, max_channels=3)
        await client.connect()
        await client.associate()
        for stream in range(0, 10, 2):
            label = struct.pack("!BBHIHH", 3, 0, 0, 0, 1, 0) + b"x"
            client.send(client.record(client.packet(client.data(label, stream=stream, protocol=50))))
        await until(lambda: endpoint.counters["sctp_refused_channels"] == 2)
        assert len(client.server.channels) == 3
        client.peer.close()
        client.close()


async def test_a_lost_last_flight_is_sent_again_when_the_client_repeats_its_own() -> None:
    async with running() as endpoint:
        client = RawClient(endpoint, data=False)
        await client.bind()
        await handshake_step(client)
        client.ssl.bio_write(await client._receive_dtls())
        await handshake_step(client)
        await client._receive_dtls()  # lost
        await client.server.until_connected()
        left = client.ssl.DTLSv1_get_timeout()
        assert left is not None
        await asyncio.sleep(left)
        client.ssl.DTLSv1_handle_timeout()
        client._flush()
        client.ssl.bio_write(await client._receive_dtls())
        assert await handshake_step(client)
        client.peer.close()
        client.close()


async def test_garbage_ahead_of_the_hello_does_not_spoil_the_handshake() -> None:
    async with running() as endpoint:
        client = RawClient(endpoint, data=False)
        await client.bind()
        # A handshake message of an unknown type, well framed.
        client.send(bytes.fromhex("16feff00000000000000000010") + b"\x63" + bytes(3) + bytes(8) + bytes(4))
        client.send(bytes.fromhex("16feff0000000000000000000c") + b"\x14" + bytes(11))
        await client.connect()
        assert client.server.reasons == []
        client.peer.close()
        client.close()


async def channel_of(client: RawClient) -> sctp.RTCDataChannel:
    """Connect, associate and open a channel; returns the server's side of it."""
    await client.connect()
    await client.associate()
    message = struct.pack("!BBHIHH", 3, 0, 0, 0, 1, 0) + b"x"
    client.send(client.record(client.packet(client.data(message, protocol=50))))
    await until(lambda: client.server.channels)
    channel: sctp.RTCDataChannel = client.server.channels[0]
    return channel


async def test_what_a_peer_does_not_acknowledge_is_bounded() -> None:
    async with running() as endpoint:
        client = RawClient(endpoint)
        channel = await channel_of(client)
        association = channel.transport
        assert isinstance(association, SctpAssociation)
        for _ in range(1000):
            channel.send(b"x" * 1000)
        assert association.buffered <= SctpAssociation.MAX_BUFFERED
        kept = association.buffered // 1000
        assert endpoint.counters["sctp_send_dropped"] == 1000 - kept
        for _ in range(3000):
            channel.send(b"")
        assert len(association._data_channel_queue) <= SctpAssociation.MAX_WAITING
        client.peer.close()
        client.close()


async def test_the_advertised_window_is_the_enforced_one() -> None:
    async with running() as endpoint:
        client = RawClient(endpoint)
        await client.connect()
        init = await client.chunk(sctp.InitChunk)
        assert init.advertised_rwnd == SctpAssociation.RECEIVE_WINDOW
        client.peer.close()
        client.close()


async def test_an_error_inside_aiortc_ends_that_peer_only(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running() as endpoint:
        bad, good = RawClient(endpoint), RawClient(endpoint)
        await channel_of(bad)
        await channel_of(good)

        async def broken(self: object, chunk: object) -> None:
            raise RuntimeError("a bug in aiortc")

        with monkeypatch.context() as patch:
            patch.setattr(sctp.RTCSctpTransport, "_receive_data_chunk", broken)
            bad.send(bad.record(bad.packet(bad.data(b"x"))))
            await asyncio.wait_for(bad.server.closed.wait(), WAIT_S)
        assert bad.server.reasons == ["sctp"]
        assert endpoint.counters["sctp_errors"] == 1
        good.send(good.record(good.packet(good.data(b"hello"))))
        echoed = await good.chunk(sctp.DataChunk)
        while echoed.protocol != 51:
            echoed = await good.chunk(sctp.DataChunk)
        assert echoed.user_data == b"hello"
        for client in (bad, good):
            client.peer.close()
            client.close()


async def test_an_aborted_association_leaves_the_stream_alone() -> None:
    async with running() as endpoint:
        client = RawClient(endpoint)
        channel = await channel_of(client)
        client.send(client.record(client.packet(sctp.AbortChunk())))
        await until(lambda: channel.readyState == "closed")
        assert client.server.reasons == []
        assert client.peer.connected
        client.peer.close()
        client.close()


async def test_what_is_said_in_the_moment_of_the_end_still_leaves() -> None:
    """aiortc's queue is flushed by a later turn of the loop, which would find it empty."""
    async with running() as endpoint:
        client = RawClient(endpoint)
        channel = await channel_of(client)
        channel.send("goodbye")
        client.peer.close()
        said = await client.chunk(sctp.DataChunk)
        while said.protocol != 51:
            said = await client.chunk(sctp.DataChunk)
        assert said.user_data == b"goodbye"
        await client.chunk(sctp.AbortChunk)
        client.close()


async def test_a_coroutine_that_waits_is_not_left_hanging() -> None:
    async def waits() -> None:
        await asyncio.sleep(1)

    with pytest.raises(SteppedTooFarError, match="waits"):
        run_now(waits())
