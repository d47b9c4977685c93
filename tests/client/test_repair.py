"""The headless client on a network that loses packets: it offers what browsers offer, and the server repairs."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Iterator

import pytest

from rtcserver.client.listener import Listener
from rtcserver.client.reception import Repair
from rtcserver.client.report import ListenReport
from rtcserver.commands.client import add_arguments, run
from rtcserver.network.impair import Impairment
from tests.attempts import Measurements
from tests.rig.relay import UdpRelay
from tests.rig.server import RtcServer

pytestmark = pytest.mark.unhurried("counts packets by their numbers, and repairs by their kinds")

LOSSY = Impairment(loss=0.1, delay_ms=2)
SECONDS = 4.0
LOST = LOSSY.loss * SECONDS * 100
"""Packets of 10 ms that the network loses, about."""
REPAIRS: tuple[Repair, ...] = ("none", "nack", "red")


@pytest.fixture(scope="module")
def server() -> Iterator[RtcServer]:
    with RtcServer(instrument="tone") as server:
        server.wait_healthy(lambda said: said["status"] == "ok")
        yield server


@pytest.fixture
def twice(measurements: Measurements, server: RtcServer) -> dict[str, tuple[ListenReport, ListenReport]]:
    return measurements.of_this_attempt(listen_three_times, server)


def listen_three_times(server: RtcServer) -> dict[str, tuple[ListenReport, ListenReport]]:
    """Three listeners of one server, each behind a relay with the same accidents: after half of the time, and all of it."""

    async def listen(repair: Repair) -> tuple[ListenReport, ListenReport]:
        with UdpRelay(down=LOSSY, seed=3) as relay:
            async with Listener(server.room_url, path=relay, repair=repair) as ear:
                await ear.hear(SECONDS / 2, stall_s=10)
                half = ear.report()
                await ear.hear(SECONDS, stall_s=10)
                return half, ear.report()

    async def all_of_them() -> list[tuple[ListenReport, ListenReport]]:
        return await asyncio.gather(*(listen(repair) for repair in REPAIRS))

    return dict(zip(REPAIRS, asyncio.run(all_of_them()), strict=True))


@pytest.fixture
def reports(twice: dict[str, tuple[ListenReport, ListenReport]]) -> dict[str, ListenReport]:
    return {name: whole for name, (_, whole) in twice.items()}


def test_who_offers_nothing_asks_for_nothing(reports: dict[str, ListenReport]) -> None:
    report = reports["none"]
    assert (report.repair, report.codec) == ("none", "opus/48000/2")
    assert (report.asked, report.recovered) == (0, 0)
    assert report.browser is not None
    assert report.browser.events > 0


def test_what_is_asked_for_comes_again(reports: dict[str, ListenReport]) -> None:
    report = reports["nack"]
    assert (report.codec, report.recovered) == ("opus/48000/2", 0)
    assert report.asked > 0.5 * LOST
    assert report.delivery.lost < 0.3 * LOST
    assert report.delivery.reordered > 0.5 * LOST


def test_what_is_lost_is_in_the_next_packets(twice: dict[str, tuple[ListenReport, ListenReport]]) -> None:
    half, report = twice["red"]
    assert report.codec == "opus/48000/2"
    assert report.recovered > 0.7 * report.delivery.lost > 0
    # Receiver reports tell the losses, and so does the client. Once the server knows, what is decoded has hardly a hole.
    lost = report.delivery.lost - half.delivery.lost
    assert report.delivery.lost > 0.5 * LOST
    assert report.audio_missing_ms - half.audio_missing_ms < 0.3 * lost * report.delivery.frame_ms
    assert report.heard
    assert report.left.hz == pytest.approx(440, abs=0.5)


def test_the_command_offers_both_and_prints_the_judgement(
    server: RtcServer, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    assert run(parser.parse_args([server.room_url, "--seconds", "1.5", "--json"]), {}) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["repair"], said["codec"], said["frame_ms"]) == ("red", "opus/48000/2", 10)
    assert said["browser"]["seconds"] >= 1.4
    assert said["browser"]["delay_ms"] > 0
    assert run(parser.parse_args([server.room_url, "--seconds", "1", "--repair", "none"]), {}) == 0
    text = capsys.readouterr().out
    assert "in a browser:" in text
    assert "target" in text
