"""A stock aiortc client on the one port: DTLS, keys, RTCP, data channels, moves, limits, deadlines."""

from __future__ import annotations

import asyncio
import gc
import socket
import struct
import time

import pytest
from aiortc import rtp
from aiortc.rtcdtlstransport import (
    SRTP_AEAD_AES_128_GCM,
    SRTP_AEAD_AES_256_GCM,
    SRTP_AES128_CM_SHA1_80,
    SRTPProtectionProfile,
)

from rtcserver.errors import ConfigError
from rtcserver.transport import stun
from rtcserver.transport.candidates import Arrival
from rtcserver.transport.endpoint import EndpointConfig, MediaEndpoint
from rtcserver.transport.peer import TransportPeer
from rtcserver.transport.rtcp import Nack, ReceptionReport
from rtcserver.transport.udp import BATCH
from tests.transport.raw import PASSWORD, RawClient, answer_to
from tests.transport.stock import (
    SSRC,
    WAIT_S,
    Recorder,
    StockClient,
    on_loopback,
    only_profile,
    outbound_session,
    running,
    until,
)

__all__ = ["on_loopback"]
pytestmark = pytest.mark.usefixtures("on_loopback")


def rtp_packet(sequence: int) -> bytes:
    return struct.pack("!BBHII", 0x80, 96, sequence, 960 * sequence, SSRC) + b"opus" * 10


async def test_a_stock_client_connects_and_hears_what_our_keys_protect() -> None:
    async with running() as endpoint:
        client = StockClient(data=False)
        peer = await client.join(endpoint)
        recorder = client.server
        assert recorder.keys is not None
        assert recorder.path is not None
        assert recorder.path.source == "127.0.0.1"
        assert peer.path == recorder.path
        client.intercept_rtp()
        session = outbound_session(recorder.keys)
        for sequence in range(5):
            endpoint.send_sockets()[recorder.path.socket].sendto(
                session.protect(rtp_packet(sequence)), recorder.path.remote
            )
        heard = [await asyncio.wait_for(client.rtp.get(), WAIT_S) for _ in range(5)]
        assert heard == [rtp_packet(sequence) for sequence in range(5)]
        await client.close()


async def test_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aioice.ice.get_host_addresses", lambda use_ipv4, use_ipv6: ["::1"])
    async with running(host="::1") as endpoint:
        client = StockClient()
        await client.join(endpoint)
        assert client.server.path is not None
        assert (client.server.path.source, client.server.path.destination.host) == ("::1", "::1")
        assert await client.echo("six") == "six"
        await client.close()


async def test_both_families_on_one_port() -> None:
    async with running(host="") as endpoint:
        client = StockClient()
        await client.join(endpoint)
        assert client.server.path is not None
        assert client.server.path.source == "127.0.0.1"
        assert len(endpoint.send_sockets()) == 2
        assert await client.echo("four") == "four"
        await client.close()


@pytest.mark.parametrize(
    ("profile", "name"),
    [
        (SRTP_AEAD_AES_128_GCM, "SRTP_AEAD_AES_128_GCM"),
        (SRTP_AEAD_AES_256_GCM, "SRTP_AEAD_AES_256_GCM"),
        (SRTP_AES128_CM_SHA1_80, "SRTP_AES128_CM_HMAC_SHA1_80"),
    ],
)
async def test_each_srtp_profile(
    monkeypatch: pytest.MonkeyPatch, profile: SRTPProtectionProfile, name: str
) -> None:
    only_profile(monkeypatch, profile)
    async with running() as endpoint:
        client = StockClient(data=False)
        await client.join(endpoint)
        assert client.server.keys is not None
        assert client.server.keys.name == name
        assert len(client.server.keys.send) == profile.key_length + profile.salt_length
        await client.dtls._send_rtp(bytes(rtp.RtcpRrPacket(ssrc=1)))
        await until(lambda: client.server.rtcp)
        assert client.server.rtcp[0] == ReceptionReport(1, ())
        await client.close()


async def test_gcm_128_is_preferred() -> None:
    async with running() as endpoint:
        client = StockClient(data=False)
        await client.join(endpoint)
        assert client.server.keys is not None
        assert client.server.keys.name == "SRTP_AEAD_AES_128_GCM"
        await client.close()


async def test_data_channels_echo() -> None:
    async with running() as endpoint:
        client = StockClient()
        await client.join(endpoint)
        assert await client.echo("hello") == "hello"
        assert await client.echo(bytes(range(256)) * 100) == bytes(range(256)) * 100
        assert await client.echo("") == ""
        assert client.server.channels[0].label == "echo"
        assert endpoint.counters["sctp_malformed"] == 0
        assert endpoint.counters["sctp_errors"] == 0
        await client.close()


async def test_nacks_and_reports_are_handed_on() -> None:
    async with running() as endpoint:
        client = StockClient(data=False)
        await client.join(endpoint)
        block = rtp.RtcpReceiverInfo(
            ssrc=SSRC, fraction_lost=1, packets_lost=2, highest_sequence=3, jitter=4, lsr=5, dlsr=6
        )
        report = rtp.RtcpRrPacket(ssrc=1, reports=[block])
        nack = rtp.RtcpRtpfbPacket(fmt=1, ssrc=1, media_ssrc=SSRC, lost=[7, 9])
        await client.dtls._send_rtp(bytes(report) + bytes(nack))
        await until(lambda: len(client.server.rtcp) >= 2)
        assert isinstance(client.server.rtcp[0], ReceptionReport)
        assert client.server.rtcp[1] == Nack(1, SSRC, (7, 9))
        await client.close()


async def test_two_peers_do_not_disturb_one_another() -> None:
    async with running() as endpoint:
        one, two = StockClient(), StockClient()
        await asyncio.gather(one.join(endpoint), two.join(endpoint))
        assert one.server.path != two.server.path
        assert await one.echo("one") == "one"
        assert await two.echo("two") == "two"
        await one.close()
        await asyncio.wait_for(one.server.closed.wait(), WAIT_S)
        assert await two.echo("still") == "still"
        assert len(endpoint.peers) == 1
        await two.close()


async def test_a_client_that_says_goodbye_is_gone_at_once() -> None:
    async with running() as endpoint:
        client = StockClient()
        await client.join(endpoint)
        await client.close()
        await asyncio.wait_for(client.server.closed.wait(), WAIT_S)
        assert client.server.reasons == ["bye"]
        assert not endpoint.peers
        assert len(endpoint.registry) == 0
        assert endpoint.registry.paths == 0


async def test_closing_tells_the_client_and_not_the_listener() -> None:
    async with running() as endpoint:
        client = StockClient()
        peer = await client.join(endpoint)
        peer.close()
        peer.close()
        await until(lambda: client.dtls.state == "closed")
        assert client.server.reasons == []
        assert not endpoint.peers
        await client.close()


async def test_a_wrong_fingerprint_fails() -> None:
    async with running() as endpoint:
        client = StockClient()
        original = endpoint.create_peer

        def forged(**arguments: object) -> TransportPeer:
            arguments["fingerprints"] = [("sha-256", ":".join(["00"] * 32))]
            return original(**arguments)  # type: ignore[arg-type]

        endpoint.create_peer = forged  # type: ignore[method-assign,assignment]
        await client.offer_to(endpoint)
        await asyncio.wait_for(client.server.closed.wait(), WAIT_S)
        assert client.server.reasons == ["dtls"]
        assert client.server.keys is None
        await client.close()


async def test_half_open_peers_end_at_their_deadline() -> None:
    async with running(half_open_ns=100_000_000) as endpoint:
        recorder = Recorder()
        endpoint.create_peer(remote_ufrag="abcd", remote_password="", fingerprints=[], listener=recorder)
        assert endpoint.half_open == 1
        await asyncio.wait_for(recorder.closed.wait(), WAIT_S)
        assert recorder.reasons == ["no-ice"]
        assert endpoint.half_open == 0
        assert len(endpoint.registry) == 0


async def test_a_vanished_peer_is_closed() -> None:
    async with running(vanished_ns=1_000_000_000) as endpoint:
        client = StockClient(data=False)
        await client.join(endpoint)
        # Its checks stop, as when the machine loses power.
        client.dtls.transport._connection._query_consent_task.cancel()
        await asyncio.wait_for(client.server.closed.wait(), WAIT_S)
        assert client.server.reasons == ["vanished"]
        await client.close()


async def test_a_peer_that_only_reports_stays() -> None:
    """libnice sends no check after the start (RFC 7675 would have it): its SRTCP is as good a sign of life."""
    async with running(vanished_ns=1_000_000_000) as endpoint:
        client = RawClient(endpoint, data=False)
        await client.connect()
        for _ in range(8):
            client.send(client.report())
            await asyncio.sleep(0.25)
        assert client.server.reasons == []
        # What anybody can make is no sign of life, however much of it comes.
        for _ in range(8):
            client.send(b"\x81\xc9\x00\x07" + bytes(40))
            if client.server.reasons:
                break
            await asyncio.sleep(0.25)
        assert client.server.reasons == ["vanished"]
        client.close()


async def test_a_server_that_was_busy_does_not_take_unread_checks_for_silence() -> None:
    async with running(vanished_ns=300_000_000) as endpoint:
        client = RawClient(endpoint, data=False)
        await client.connect()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for _ in range(3 * BATCH):
                stranger.sendto(b"\x00", client.target)
        client.send(client.check())
        # Nothing runs meanwhile, and the check lies behind more than is read at once.
        asyncio.get_running_loop().call_soon(time.sleep, 0.6)
        checks = endpoint.counters["stun_checks"]
        await until(lambda: endpoint.counters["stun_checks"] > checks or bool(client.server.reasons))
        assert client.server.reasons == []
        await asyncio.wait_for(client.server.closed.wait(), WAIT_S)
        assert client.server.reasons == ["vanished"]
        client.close()


async def test_half_open_peers_are_counted_in_total_and_by_address() -> None:
    async with running() as endpoint:

        def join(source: str) -> TransportPeer:
            return endpoint.create_peer(
                remote_ufrag="abcd", remote_password="", fingerprints=[], listener=Recorder(), source=source
            )

        first = join("192.0.2.1")
        join("192.0.2.1")
        join("10.1.2.3")
        assert (endpoint.half_open, endpoint.half_open_from("192.0.2.1")) == (3, 2)
        first.close()
        assert (endpoint.half_open, endpoint.half_open_from("192.0.2.1")) == (2, 1)
        assert endpoint.half_open_from("192.0.2.9") == 0


async def test_a_connected_peer_is_no_longer_half_open() -> None:
    async with running() as endpoint:
        one, two = StockClient(data=False), StockClient(data=False)
        await one.join(endpoint)
        await two.join(endpoint)
        assert endpoint.half_open == 0
        await one.close()
        await two.close()


async def test_dtls_before_ice_is_dropped() -> None:
    async with running() as endpoint:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"\x16\xfe\xfd" + bytes(60), ("127.0.0.1", endpoint.port.port))
            await until(lambda: endpoint.counters["stranger"])
        assert endpoint.counters["udp_sent"] == 0


async def test_ice_restart_keeps_media_until_the_new_pair_is_nominated() -> None:
    async with running() as endpoint:
        client = StockClient()
        peer = await client.join(endpoint)
        old = (peer.local_ufrag, peer.local_password)
        before = peer.path
        new = peer.restart_ice("newU", PASSWORD)
        assert (peer.local_ufrag, peer.local_password) == (new.ufrag, new.password) != old
        assert await client.echo("meanwhile") == "meanwhile"
        assert peer.path == before
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.connect(("127.0.0.1", endpoint.port.port))
            request = stun.build_request(
                bytes(12), f"{new.ufrag}:newU".encode(), new.password.encode(), use_candidate=True
            )
            sock.send(request)
            reply = stun.parse(await asyncio.wait_for(loop.sock_recv(sock, 2000), WAIT_S))
            assert reply.xor_mapped == sock.getsockname()
            assert client.server.moves == []
            challenge = await asyncio.wait_for(loop.sock_recv(sock, 2000), WAIT_S)
            sock.send(answer_to(challenge))
            await until(lambda: client.server.moves)
            assert [m.destination.port for m in client.server.moves] == [sock.getsockname()[1]]
        await client.close()


async def test_a_listener_that_raises_loses_its_own_peer_only() -> None:
    async with running() as endpoint:
        good, bad = StockClient(), StockClient()
        await good.join(endpoint)

        def broken(address: object, keys: object) -> None:
            raise RuntimeError("a bug of ours")

        bad.server.on_connected = broken  # type: ignore[method-assign,assignment]
        await bad.offer_to(endpoint)
        await asyncio.wait_for(bad.server.closed.wait(), WAIT_S)
        assert bad.server.reasons == ["error"]
        assert endpoint.counters["peer_errors"] == 1
        assert await good.echo("fine") == "fine"
        await bad.close()
        await good.close()


async def test_nothing_is_left_behind() -> None:
    async with running() as endpoint:
        for _ in range(3):
            client = StockClient()
            await client.join(endpoint)
            await client.echo("x")
            await client.close()
            await asyncio.wait_for(client.server.closed.wait(), WAIT_S)
            del client
        await asyncio.sleep(0)
        gc.collect()
        left = [
            o
            for o in gc.get_objects()
            if type(o).__name__ in ("SteppedDtls", "SctpAssociation", "SecurePeer")
        ]
        assert left == []
        assert endpoint.half_open == 0
        own = asyncio.current_task()
        assert [t for t in asyncio.all_tasks() if t is not own and "aioice" not in repr(t)] == []


async def test_candidates_name_the_host_that_the_client_used() -> None:
    async with running(host="") as endpoint:
        lines = [c.line for c in await endpoint.candidates(Arrival("198.51.100.7", remote="198.51.100.1"))]
        assert f" 198.51.100.7 {endpoint.port.port} typ host" in lines[0]
        assert not any(" 127.0.0.1 " in line for line in lines)
        local = Arrival("localhost", "127.0.0.1", "127.0.0.1")
        assert [str(c.address) for c in await endpoint.candidates(local)][:2] == ["127.0.0.1", "::1"]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_a_port_on_one_address_offers_that_one_only(host: str) -> None:
    async with running(host=host) as endpoint:
        assert [sock.getsockname()[0] for sock in endpoint.send_sockets()] == [host]
        found = await endpoint.candidates(Arrival("localhost", host, host))
        assert [(str(c.address), c.port) for c in found] == [(host, endpoint.port.port)]


async def test_each_public_host_is_offered() -> None:
    async with running(host="127.0.0.1", public_hosts=("203.0.113.5", "2001:db8::5")) as endpoint:
        found = await endpoint.candidates(Arrival(remote="198.51.100.1"))
        assert [str(c.address) for c in found] == ["203.0.113.5", "2001:db8::5"]


async def test_a_public_host_that_does_not_exist_is_a_configuration_error() -> None:
    endpoint = MediaEndpoint(EndpointConfig(host="127.0.0.1", public_hosts=("bad..name",)))
    with pytest.raises(ConfigError, match=r'public_host = "bad\.\.name"'):
        await endpoint.start()
    assert not endpoint.started


async def test_a_taken_port_is_a_configuration_error() -> None:
    async with running() as endpoint:
        other = MediaEndpoint(EndpointConfig(host="127.0.0.1", port=endpoint.port.port))
        with pytest.raises(ConfigError, match="taken"):
            await other.start()


async def test_however_much_is_dropped_one_line_a_second_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with running() as endpoint:
        caplog.set_level("INFO", "rtcserver.transport.drops")
        start_ns = 10**12
        for tick in range(40):
            endpoint.counters["stranger"] += 1000
            endpoint._drop_log.tick(start_ns + tick * 250_000_000)
        assert len(caplog.records) == 10
        assert sum(record.args[0] for record in caplog.records) == 37_000  # type: ignore[index,misc]
