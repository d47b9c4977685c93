"""Consent of an aiortc client: late answers count, and none for too long ends the connection."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aioice
import aioice.ice
import pytest
from aiortc import RTCPeerConnection

from rtcserver.clock import NS, monotonic_ns
from rtcserver.transport import aiortc_consent

INTERVAL_S, EXPIRES_S = 0.1, 1.0


@asynccontextmanager
async def pair(
    monkeypatch: pytest.MonkeyPatch,
    answer: Callable[[Any, Any, Any], None],
    last_ns: Callable[[], int] | None = None,
) -> AsyncIterator[Any]:
    """A connection that keeps consent our way, to a peer that answers by `answer`; both aioice's own."""
    monkeypatch.setattr(aiortc_consent, "INTERVAL_S", INTERVAL_S)
    monkeypatch.setattr(aiortc_consent, "EXPIRES_S", EXPIRES_S)
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: ["127.0.0.1"])
    one, other = aioice.Connection(ice_controlling=True), aioice.Connection(ice_controlling=False)
    one.query_consent = aiortc_consent._Consent(one, last_ns).keep  # type: ignore[method-assign]
    for this, that in ((one, other), (other, one)):
        await this.gather_candidates()
        that.remote_username, that.remote_password = this.local_username, this.local_password
        for candidate in this.local_candidates:
            await that.add_remote_candidate(candidate)
        await that.add_remote_candidate(None)
    await asyncio.gather(one.connect(), other.connect())
    for protocol in other._protocols:
        send = protocol.send_stun
        monkeypatch.setattr(protocol, "send_stun", lambda message, to, send=send: answer(send, message, to))
    try:
        yield one
    finally:
        await asyncio.gather(one.close(), other.close())


async def test_answers_that_come_after_aioice_has_given_up_keep_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def late(send: Any, message: Any, to: Any) -> None:
        asyncio.get_running_loop().call_later(aioice.stun.RETRY_RTO + 0.1, send, message, to)

    async with pair(monkeypatch, late) as one:
        await asyncio.sleep(2 * EXPIRES_S)
        await one.send(b"still there")
        (protocol,) = one._protocols
        assert 0 < len(protocol.transactions) <= aiortc_consent._OUTSTANDING
    assert not protocol.transactions


async def test_no_answer_for_too_long_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async with pair(monkeypatch, lambda send, message, to: None) as one:
        await asyncio.sleep(EXPIRES_S + 3 * INTERVAL_S)
        with pytest.raises(ConnectionError):
            await one.send(b"too late")


async def test_answers_that_are_not_authentic_count_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def forged(send: Any, message: Any, to: Any) -> None:
        del message.attributes["MESSAGE-INTEGRITY"]
        message.attributes.pop("FINGERPRINT", None)
        message.add_message_integrity(b"another password")
        send(message, to)

    async with pair(monkeypatch, forged) as one:
        await asyncio.sleep(EXPIRES_S + 3 * INTERVAL_S)
        with pytest.raises(ConnectionError):
            await one.send(b"too late")


async def test_a_pair_without_packets_is_checked_at_once_and_nominated_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(aiortc_consent, "PACE_S", 0.0)
    monkeypatch.setattr(aiortc_consent, "_LOOK_S", 0.01)
    asked: list[bool] = []
    last_ns = monotonic_ns() + 3600 * NS

    def answer(send: Any, message: Any, to: Any) -> None:
        send(message, to)

    async with pair(monkeypatch, answer, lambda: last_ns) as one:
        build = one.build_request

        def noted(pair: Any, nominate: bool) -> Any:
            asked.append(nominate)
            return build(pair, nominate)

        one.build_request = noted
        await asyncio.sleep(3 * INTERVAL_S)
        assert asked
        assert not any(asked), "while packets come, it is asked for consent only, at the usual pace"
        last_ns = 0
        asked.clear()
        await asyncio.sleep(3 * INTERVAL_S)
        assert len(asked) > 5
        assert all(asked[1:])


async def test_what_is_used_of_aioice_is_there() -> None:
    assert "create_task(self.query_consent())" in inspect.getsource(aioice.Connection.connect)
    assert "self.transactions[message.transaction_id]" in inspect.getsource(
        aioice.ice.StunProtocol.datagram_received
    )
    peer = RTCPeerConnection()
    receiver = peer.addTransceiver("audio", direction="recvonly").receiver
    aiortc_consent.keep_consent(receiver)
    connection: Any = receiver.transport.transport._connection
    assert isinstance(connection, aioice.Connection)
    assert "query_consent" in vars(connection)
    await peer.close()
