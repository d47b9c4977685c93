"""Consent of an aiortc client as RFC 7675, section 5.1 has it: an answer that comes late is an answer. And its moving.

aioice asks every 4 to 6 s and forgets each request after half a second; six that are forgotten in a row end the
connection, although all were answered. That happens behind a round trip of more than 500 ms, and in a process whose
event loop is so busy that datagrams wait in its sockets. The RFC sends each request once, and counts 30 s from the
last valid answer to any of them.

When packets stay away, a NAT may have given the client another address, and until something comes from there the server
cannot know. So the client checks its pair at once, with USE-CANDIDATE (RFC 8445, section 8.1.1): the server then follows it.
aiortc has no ICE restart. ``tests/transport/test_aiortc_consent.py`` pins what is used of aioice;
``findings/aioice-late-answers.sh`` shows what it does by itself.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from typing import Any

from aioice import stun
from aiortc import RTCRtpReceiver

from rtcserver.clock import NS, monotonic_ns

INTERVAL_S = 5.0
"""Between two requests, a fifth more or less at random."""
EXPIRES_S = 30.0
"""Without any answer for so long, nothing may be sent any more."""
QUIET_S = 0.4
"""Without a packet for so long, the pair is checked at once,"""
PACE_S = 0.5
"""and again after so long."""
_LOOK_S = 0.1
_OUTSTANDING = 8
"""Requests whose answers are waited for: those of about 40 s."""


def keep_consent(receiver: RTCRtpReceiver, last_ns: Callable[[], int] | None = None) -> None:
    """Keep consent this way on the receiver's connection. Before it connects.

    last_ns: when the last packet came, monotonic; None for no checks when packets stay away.
    """
    ice: Any = receiver.transport.transport
    connection = ice._connection
    connection.query_consent = _Consent(connection, last_ns).keep


class _Consent:
    """Of one aioice connection. In the place of a transaction of aioice's, it takes the answers to all its requests."""

    def __init__(self, connection: Any, last_ns: Callable[[], int] | None = None) -> None:
        self._connection = connection
        self._last_ns = last_ns
        self._heard_ns = 0

    async def keep(self) -> None:
        """Ask from time to time, until consent expires: then close the connection."""
        connection = self._connection
        asked: deque[tuple[dict[bytes, Any], bytes]] = deque()
        self._heard_ns = monotonic_ns()
        try:
            while monotonic_ns() - self._heard_ns < EXPIRES_S * NS:
                hurried = await self._wait(INTERVAL_S * random.uniform(0.8, 1.2))
                for pair in connection._nominated.values():
                    request = connection.build_request(pair, nominate=hurried)
                    request.add_message_integrity(connection.remote_password.encode())
                    transactions = pair.protocol.transactions
                    transactions[request.transaction_id] = self
                    asked.append((transactions, request.transaction_id))
                    pair.protocol.send_stun(request, pair.remote_addr)
                while len(asked) > _OUTSTANDING:
                    _forget(*asked.popleft())
        finally:
            for transactions, transaction_id in asked:
                _forget(transactions, transaction_id)
        connection._query_consent_task = None
        await connection.close()

    async def _wait(self, interval_s: float) -> bool:
        """Until it is time to ask. True if that is sooner than usual, as packets stay away."""
        if self._last_ns is None:
            await asyncio.sleep(interval_s)
            return False
        began = monotonic_ns()
        while (waited_ns := monotonic_ns() - began) < interval_s * NS:
            await asyncio.sleep(_LOOK_S)
            if waited_ns >= PACE_S * NS and monotonic_ns() - self._last_ns() >= QUIET_S * NS:
                return True
        return False

    def response_received(self, message: stun.Message, address: tuple[str, int]) -> None:
        """An answer to any of the requests."""
        if message.message_class == stun.Class.RESPONSE and message.check_message_integrity(
            self._connection.remote_password.encode()
        ):
            self._heard_ns = monotonic_ns()


def _forget(transactions: dict[bytes, Any], transaction_id: bytes) -> None:
    transactions.pop(transaction_id, None)
