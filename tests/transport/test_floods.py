"""What one authenticated peer sends too much of is not done, and whoever is beside it does not notice.

No deadlines here: what is counted is work that was done, datagrams that left and those that were answered.
`benchmarks/floods.py` measures what it costs others.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator

import pytest
from aiortc import rtcsctptransport as sctp

from rtcserver.clock import NS, monotonic_ns
from rtcserver.transport import stun
from rtcserver.transport.budget import ACKS, CHUNKS, FLOOD_PER_S, NUMBERS, RECORDS, REPLIES, RTCP
from rtcserver.transport.endpoint import MediaEndpoint
from rtcserver.transport.rtcp import MAX_NACKED, Nack
from tests.transport.raw import RawClient, seal
from tests.transport.stock import running, until


@pytest.fixture
async def endpoint() -> AsyncIterator[MediaEndpoint]:
    async with running() as made:
        yield made


async def joined(endpoint: MediaEndpoint) -> RawClient:
    client = RawClient(endpoint)
    await client.connect()
    await client.associate()
    return client


async def taken(endpoint: MediaEndpoint, client: RawClient, datagrams: list[bytes]) -> int:
    """Send datagrams and wait until they are read; how many were sent back."""
    sent = endpoint.counters["udp_sent"]
    for at in range(0, len(datagrams), 50):
        received = endpoint.counters["udp_received"]
        batch = datagrams[at : at + 50]
        for data in batch:
            client.send(data)
        await until(
            lambda received=received, batch=batch: (
                endpoint.counters["udp_received"] >= received + len(batch) or endpoint.counters["gate_shut"]
            )
        )
    return endpoint.counters["udp_sent"] - sent


async def is_answered(client: RawClient) -> None:
    """The client's own checks are, whatever else it sends."""
    client.send(client.check())
    async with asyncio.timeout(10):
        while True:
            data = await client.receive()
            if data[0] < 4:
                assert stun.parse(data).kind == stun.BINDING_SUCCESS
                return


def nack(ssrc: int, entries: int) -> bytes:
    """A request for 17 numbers an entry."""
    return struct.pack("!BBHII", 0x81, 205, 2 + entries, 7, ssrc) + struct.pack("!HH", 5, 0xFFFF) * entries


async def test_requests_for_thousands_of_numbers(endpoint: MediaEndpoint) -> None:
    client = await joined(endpoint)
    session = client.srtp()
    asked = [session.protect_rtcp(nack(1, 40)) for _ in range(60)]
    await taken(endpoint, client, asked)
    passed = [one for one in client.server.rtcp if isinstance(one, Nack)]
    # 680 numbers in each, and a burst in all.
    assert {len(one.sequences) for one in passed} == {MAX_NACKED}
    assert len(passed) <= NUMBERS.burst // MAX_NACKED + 1
    assert endpoint.counters["over_numbers"] == len(asked) - len(passed)
    await is_answered(client)
    client.close()


async def test_too_many_reports_are_not_even_decrypted(endpoint: MediaEndpoint) -> None:
    client = await joined(endpoint)
    reports = [client.report() for _ in range(4 * RTCP.burst)]
    began = monotonic_ns()
    await taken(endpoint, client, reports)
    decrypted = endpoint.counters["rtcp_received"]
    seconds = (monotonic_ns() - began) / NS
    assert min(RTCP.burst, len(reports)) <= decrypted <= RTCP.burst + RTCP.per_second * seconds + 1
    await is_answered(client)
    client.close()


async def test_small_chunks_by_the_thousand(endpoint: MediaEndpoint) -> None:
    client = await joined(endpoint)
    packets = [
        client.record(client.packet(*(client.data(b"x") for _ in range(50))))
        for _ in range(CHUNKS.burst // 10)
    ]
    began = monotonic_ns()
    answers = await taken(endpoint, client, packets)
    allowed = (CHUNKS.burst + CHUNKS.per_second * (monotonic_ns() - began) / NS) / 50
    assert endpoint.counters["over_chunks"] >= len(packets) - allowed - 1
    # Nothing but acknowledgements, and none of what was dropped.
    assert answers <= allowed + 1
    assert endpoint.counters["sctp_errors"] == 0
    await is_answered(client)
    client.close()


async def test_many_small_records(endpoint: MediaEndpoint) -> None:
    client = await joined(endpoint)
    packets = [client.record(client.packet(client.data(b"x"))) for _ in range(4 * RECORDS.burst)]
    began = monotonic_ns()
    answers = await taken(endpoint, client, packets)
    seconds = (monotonic_ns() - began) / NS
    allowed = RECORDS.burst + RECORDS.per_second * seconds
    # From there on it is not even read.
    assert endpoint.counters["over_records"] >= min(len(packets) - allowed - 1, FLOOD_PER_S)
    assert answers <= ACKS.burst + ACKS.per_second * seconds + 1
    await is_answered(client)
    client.close()


async def test_a_datagram_of_many_records_costs_as_many(endpoint: MediaEndpoint) -> None:
    client = await joined(endpoint)
    record = client.record(b"x" * 16)
    began = monotonic_ns()
    await taken(endpoint, client, [record * 20] * (RECORDS.burst // 4))
    seconds = (monotonic_ns() - began) / NS
    assert endpoint.counters["over_records"] >= 4 * RECORDS.burst / 20 - (
        1 + seconds * RECORDS.per_second / 20
    )
    client.close()


async def test_many_heartbeats_in_a_packet_are_one(endpoint: MediaEndpoint) -> None:
    client = await joined(endpoint)
    beat = struct.pack("!BBHHHI", 4, 0, 12, 1, 8, 9)

    assert await taken(endpoint, client, [client.record(seal(client.tag, beat * 60))]) == 1
    began = monotonic_ns()
    flood = [client.record(seal(client.tag, beat * 10)) for _ in range(4 * REPLIES.burst)]
    answers = await taken(endpoint, client, flood)
    assert answers <= REPLIES.burst + REPLIES.per_second * (1 + (monotonic_ns() - began) / NS)
    assert endpoint.counters["over_replies"] >= len(flood) - answers
    await is_answered(client)
    client.close()


async def test_what_is_acknowledged_late_is_acknowledged(endpoint: MediaEndpoint) -> None:
    client = await joined(endpoint)
    packets = [client.record(client.packet(client.data(b"x"))) for _ in range(2 * ACKS.burst)]
    await taken(endpoint, client, packets)
    assert endpoint.counters["over_acks"] > 0
    last = client.tsn - 1
    async with asyncio.timeout(10):
        while (await client.chunk(sctp.SackChunk)).cumulative_tsn != last:
            pass
    client.close()


async def test_a_flood_is_shut_out_and_its_consent_kept(endpoint: MediaEndpoint) -> None:
    """Beyond what it is worth to read, the kernel drops it; its checks pass, as do all others' datagrams."""
    loud, quiet = await joined(endpoint), await joined(endpoint)
    datagram = b"\x80\x6f" + bytes(60)
    for _ in range(20 * FLOOD_PER_S):
        loud.socket.send(datagram)
        if endpoint.counters["gate_shut"]:
            break
        await asyncio.sleep(0)
    assert endpoint.counters["gate_shut"] == 1
    await is_answered(loud)
    received = endpoint.counters["udp_received"]
    for _ in range(100):
        loud.socket.send(datagram)
    await is_answered(quiet)
    assert endpoint.counters["udp_received"] - received < 50
    await until(lambda: endpoint.counters["gate_dropped"] >= 50)
    assert endpoint.counters["udp_overflowed"] == 0
    # It has calmed down: after a second it is read again, a little later heard.
    reports = endpoint.counters["rtcp_received"]
    async with asyncio.timeout(10):
        while endpoint.counters["rtcp_received"] == reports:
            loud.send(loud.report())
            await asyncio.sleep(0.05)
    loud.close()
    quiet.close()


async def test_strangers_that_flood_are_shut_out(endpoint: MediaEndpoint) -> None:
    quiet = await joined(endpoint)
    stranger = RawClient(endpoint)
    for _ in range(5000):
        stranger.socket.send(b"\x16\xfe\xfd" + bytes(50))
        if endpoint.counters["gate_shut"]:
            break
        await asyncio.sleep(0)
    assert endpoint.counters["gate_shut"] == 1
    await is_answered(quiet)
    stranger.close()
    quiet.close()
