"""Tiers in a session: what a pin and bad reports change, what is told of it, and which encodings are asked for."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pytest
from aiortc import rtp

from rtcserver.clock import NS
from rtcserver.encode.encoding import LOW, Encoding, encodings_of
from rtcserver.errors import PeerError
from rtcserver.peer import demand
from rtcserver.peer.oneport_session import OnePortSession
from tests.peer.hearing import Listener
from tests.peer.serving import serving
from tests.transport.stock import on_loopback, until

__all__ = ["on_loopback"]
pytestmark = pytest.mark.usefixtures("on_loopback")


def encodings(room: str) -> Mapping[str, Encoding]:
    return encodings_of(160_000, 480)


def report(session: OnePortSession, packets: int, lost: int) -> bytes:
    """A receiver report: so many packets since the first, and so many lost in all."""
    block = rtp.RtcpReceiverInfo(
        ssrc=session.ssrc,
        fraction_lost=200,
        packets_lost=lost,
        highest_sequence=session.first_sequence + packets - 1,
        jitter=0,
        lsr=0,
        dlsr=0,
    )
    return bytes(rtp.RtcpRrPacket(ssrc=1, reports=[block]))


async def test_a_pin_changes_what_is_sent_and_what_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demand, "KEEP_NS", NS // 10)
    monkeypatch.setattr(demand, "STAY_NS", NS)
    asked: list[set[str]] = []

    def on_demand(room: str, names: Collection[str]) -> None:
        asked.append(set(names))

    async with serving(encodings=encodings) as server:
        server.backend.on_demand = on_demand
        listener = Listener()
        session = await listener.join(server.backend)
        told: list[str] = []
        session.on_tier = lambda: told.append(str(session.details["tier"]))
        assert session.info().details["tier"] == "middle"
        assert asked == [{"opus"}]
        session.pin("low")
        assert server.engine.kind_of(session.listener_id) == LOW
        assert session.info().details["pinned"] is True
        # Who leaves an encoding may still be sent it for a moment.
        assert (told, asked) == (["low"], [{"opus"}, {"opus", LOW}])
        await until(lambda: asked[-1] == {LOW})
        with pytest.raises(PeerError, match="no tier 'best'"):
            session.pin("best")
        session.pin(None)
        assert server.engine.kind_of(session.listener_id) == "opus"
        assert told == ["low", "middle"]
        await until(lambda: asked[-1] == {"opus"})
        await listener.close()
        await until(lambda: asked[-1] == set())
        assert asked == [{"opus"}, {"opus", LOW}, {LOW}, {"opus", LOW}, {"opus"}, set()]


async def test_reports_of_heavy_losses_lead_to_the_low_tier() -> None:
    async with serving(encodings=encodings) as server:
        listener = Listener()
        session = await listener.join(server.backend)
        session.feedback.connected_ns -= 20 * NS
        heard: list[object] = []
        server.backend.on_reception = lambda session, reception: heard.append(reception)
        # As if the reports came seconds apart: each is the end of an interval.
        assert session.feedback.tiers is not None
        for number in (1, 2):
            session.feedback.tiers._since_s -= 10
            await listener.dtls._send_rtp(report(session, 500 * number, 400 * number))
            await until(
                lambda number=number: session.info().details.get("reception", {}).get("reports") == number
            )
        await until(lambda: session.info().details["tier"] == "low")
        assert server.engine.kind_of(session.listener_id) == LOW
        assert session.info().details["pinned"] is False
        assert session.counters["tier_changes"] == 1
        await listener.close()


async def test_without_tiers_there_is_none_to_pin_or_to_show() -> None:
    async with serving() as server:
        listener = Listener()
        session = await listener.join(server.backend)
        assert "tier" not in session.info().details
        with pytest.raises(PeerError, match="it has none"):
            session.pin("low")
        await listener.close()
