"""What the one port tells of itself: its health, the time of joins, the lines of the log."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

import pytest

from rtcserver import logs
from rtcserver.clock import monotonic_ns
from rtcserver.peer.state import State
from rtcserver.transport.peer import TransportPeer
from tests.peer.hearing import REQUEST, Listener
from tests.peer.serving import InThisProcess, serving
from tests.sdp.offers import small
from tests.transport.stock import on_loopback, until

__all__ = ["on_loopback"]
pytestmark = pytest.mark.usefixtures("on_loopback")


async def test_health_tells_when_joins_wait() -> None:
    async with serving() as server:
        said = server.backend.health()
        assert (said["status"], said["waiting"]) == ("ok", "")
        owner = server.backend.broadcast
        assert isinstance(owner, InThisProcess)
        owner.unread_ns = 2_300_000_000
        said = server.backend.health()
        assert (said["status"], said["joins_wait_ms"]) == ("degraded", 2300)
        assert said["waiting"] == "Joins wait: the broadcast process has not read its messages since 2.3 s."
        owner.unread_ns = 0
        # The event loop has not had a turn: what was sent meanwhile is not read.
        time.sleep(1.2)  # noqa: ASYNC251 -- the loop is to be held up
        said = server.backend.health()
        assert said["status"] == "degraded"
        assert "datagrams have not been read" in str(said["waiting"])
        await until(lambda: server.backend.health()["status"] == "ok")


async def test_health_counts() -> None:
    async with serving() as server:
        listener = Listener()
        await listener.join(server.backend)
        await server.backend.open("main", small(), REQUEST)
        health = server.backend.health()
        assert health["transport"] == "one-port"
        assert (health["sessions"], health["connecting"], health["connected_now"]) == (2, 1, 1)
        assert health["media_port"] == server.endpoint.port.port
        await listener.close()


async def test_each_line_about_a_session_names_it(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the transport, which knows no sessions, too. By the public name: the id would let anyone end it."""
    caplog.set_level("INFO")
    about: dict[str, Mapping[str, str]] = {}

    class Seen(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            about[record.getMessage().partition(" after")[0]] = logs.concern()
            return True

    def fail(*arguments: object) -> None:
        raise RuntimeError("a fault of ours")

    caplog.handler.addFilter(seen := Seen())
    try:
        async with serving() as server:
            listener = Listener(data=True)
            session = await listener.join(server.backend)
            expected = {"room": "main", "session": session.public_id}
            assert about["connected"] == expected
            channel = listener.channel
            assert channel is not None
            await until(lambda: channel.readyState == "open")
            monkeypatch.setattr(TransportPeer, "take", fail)
            channel.send("anything")
            await until(lambda: session.state is State.CLOSED)
            assert about["ended"] == expected
            assert (
                about["an error while handling a peer's datagram ended that peer; more are counted"]
                == expected
            )
            assert logs.concern() == {}
            await listener.close()
    finally:
        caplog.handler.removeFilter(seen)
    assert session.id not in caplog.text


async def test_joins_are_timed_and_those_that_fail_are_counted() -> None:
    joined: list[tuple[str, float | None]] = []
    async with serving() as server:
        server.backend.on_joined = lambda session: joined.append((session.room, session.joined_s))
        listener = Listener()
        before = monotonic_ns()
        session = await listener.join(server.backend)
        took = (monotonic_ns() - before) / 1e9
        ((room, seconds),) = joined
        assert room == "main"
        assert seconds is not None
        assert 0 < seconds <= took
        assert server.backend.connected() == [session]
        another = await server.backend.open("main", small(), REQUEST)
        assert server.backend.connected() == [session]
        await another.close()
        await session.close()
        assert server.backend.unconnected == {"deleted": 1}
        assert server.backend.counters["ended_deleted"] == 2
        await listener.close()
