"""Bad networks between the port and Chromium: what is lost is repaired, the rest is put in order, the music goes on.

Listeners in one page, each behind a relay of its own (`rtcserver.network`), all at the same time: some with one accident
alone, and one for each network with a name. The expectations are wide; exact figures are `script/bench networks`'s.
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from benchmarks.rig.music import write_wav
from benchmarks.rig.onsets import Verdict, judge, track
from rtcserver.network.impair import Counters, Impairment
from rtcserver.network.presets import PRESETS
from rtcserver.peer.base import public_handle
from tests.attempts import Measurements
from tests.rig.chromium import Chromium
from tests.rig.ears import Ears, growth, whep
from tests.rig.relay import UdpRelay
from tests.rig.server import RtcServer

ACCIDENTS = {
    "loss": Impairment(loss=0.05),
    "reordering": Impairment(reorder=0.05, reorder_ms=25),
    "duplication": Impairment(duplicate=0.1),
}
"""Their listeners are sent again what they ask for, as browsers that know no RED are."""
ADVERTISED = "loss"
"""Of this one the server says itself that the relay is its address; the answers to the others are rewritten."""
NETWORKS = [*ACCIDENTS, *PRESETS]
RECORDED = ("lan", "lossy-5", "blackout-10s")
SETTLING_S, MEASURED_S = 5.0, 20.0
"""The blackout comes after 10 s, and lasts for 10."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one network in about `MEASURED_S`: growths of counters, but for `remote`, `protocol` and `heard`.

    page: Chromium's inbound-rtp figures. session: the server's of that listener. network: the relay's,
    towards the client. The three are read one after the other, and on a busy machine some 100 ms apart. remote: the address
    that media came from; protocol: udp or tcp. heard: of a recording in the same time, for `RECORDED`. tier: what it was
    sent in the end.
    """

    page: dict[str, float]
    session: dict[str, float]
    network: Counters
    remote: str
    protocol: str
    relay: str
    heard: Verdict | None
    tier: str

    @property
    def seconds(self) -> float:
        """What the page's growths took by its own clock."""
        return self.page["timestamp"] / 1000

    @property
    def lost(self) -> float:
        """Share of the datagrams that the relay let disappear."""
        return (self.network.lost + self.network.queue_full) / self.network.received

    @property
    def packets(self) -> float:
        """Packets that were on the way to the page, by their numbers: those of another copy are one."""
        return self.page["packetsReceived"] + self.page["packetsLost"]

    @property
    def copies(self) -> float:
        """Datagrams beyond the packets: second copies, and a few reports."""
        return max(0.0, self.network.received - self.packets)

    @property
    def audible_gap(self) -> float:
        """Share of the played sound that was made up, and not in silence."""
        made_up = self.page["concealedSamples"] - self.page["silentConcealedSamples"]
        return made_up / self.page["totalSamplesReceived"]


@pytest.fixture
def outcomes(measurements: Measurements, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    return measurements.of_this_attempt(measure_all, tmp_path_factory)


def measure_all(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    """All networks at the same time, as each needs its seconds."""
    file = tmp_path_factory.mktemp("sound") / "onsets.wav"
    write_wav(file, track())
    with ExitStack() as stack:
        relays = {name: stack.enter_context(UdpRelay(down=how)) for name, how in ACCIDENTS.items()}
        relays |= {name: stack.enter_context(UdpRelay.of(name)) for name in NETWORKS if name in PRESETS}
        host, port = relays[ADVERTISED].address
        advertised = {"public_host": host, "public_media_port": port}
        asked = stack.enter_context(serving(file, "--no-redundancy", **advertised))
        relays[ADVERTISED].route(("127.0.0.1", asked.port))
        usual = stack.enter_context(serving(file))

        async def all_of_them() -> list[Outcome]:
            async with Chromium() as browser, aiohttp.ClientSession() as http:
                ears = await Ears.open(browser)
                return await asyncio.gather(
                    *(
                        measure(ears, http, name, relays[name], asked if name in ACCIDENTS else usual)
                        for name in NETWORKS
                    )
                )

        return dict(zip(NETWORKS, asyncio.run(all_of_them()), strict=True))


def serving(file: Path, *arguments: str, **settings: object) -> RtcServer:
    return RtcServer(instrument="file", file=file, arguments=arguments, **settings)


async def measure(
    ears: Ears, http: aiohttp.ClientSession, name: str, relay: UdpRelay, server: RtcServer
) -> Outcome:

    def answer(sdp: str) -> str:
        rewritten = sdp if name == ADVERTISED else relay.answer(sdp)
        # What a server says of itself leads through the relay that it knows, not past it.
        relay.route(("127.0.0.1", server.port))
        return rewritten

    await asyncio.to_thread(server.wait_healthy, lambda said: said["status"] == "ok")
    joined = await ears.join(name, whep(http, f"{server.room_url}/whep"), offer=relay.offer, answer=answer)
    assert await ears.joined_ms(name) is not None
    await asyncio.sleep(SETTLING_S)

    async def session() -> dict[str, Any]:
        sessions = (await asyncio.to_thread(server.get_json, "/api/rooms/main"))["sessions"]
        handle = public_handle(joined.location.rpartition("/")[2])
        (mine,) = (each for each in sessions if each["id"] == handle)
        return dict(mine)

    async def read() -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        counters = (await session())["counters"]
        return await ears.stats(name), counters, asdict(relay.counters()[1])

    before = await read()
    heard = None
    if name in RECORDED:
        heard = judge(await ears.record(name, MEASURED_S))
    else:
        await asyncio.sleep(MEASURED_S)
    after = await read()
    return Outcome(
        page=growth(before[0], after[0]),
        session=growth(before[1], after[1]),
        network=Counters(**growth(before[2], after[2])),  # type: ignore[arg-type]  # they are whole
        remote=after[0]["remote"],
        protocol=after[0]["protocol"],
        relay="{}:{}".format(*relay.address),
        heard=heard,
        tier=(await session())["tier"],
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_media_comes_through_the_relay_in_real_time(outcomes: dict[str, Outcome], name: str) -> None:
    """Where no UDP passes, past it by TCP."""
    outcome = outcomes[name]
    assert (outcome.remote == outcome.relay) == (name != "tcp-only")
    assert outcome.protocol == ("tcp" if name == "tcp-only" else "udp")
    assert outcome.page["totalSamplesReceived"] == pytest.approx(outcome.seconds * 48_000, rel=0.1)
    if name in ACCIDENTS and name != "duplication":
        assert outcome.page["packetsReceived"] == pytest.approx(outcome.seconds * 100, rel=0.1)


def test_lost_packets_are_sent_again(outcomes: dict[str, Outcome]) -> None:
    outcome = outcomes["loss"]
    assert outcome.lost == pytest.approx(0.05, abs=0.02)
    # The server's figures are a few seconds old at most, so some of the end are missing.
    assert outcome.session["retransmits"] >= outcome.network.lost / 4
    assert outcome.session["retransmits"] <= outcome.session["nacked"]
    # A loss that nobody repairs stays counted as one; of the repairs, 5 % are lost again.
    assert outcome.page["packetsLost"] <= outcome.network.lost / 4
    assert outcome.audible_gap < outcome.lost / 2


def test_late_packets_find_their_place(outcomes: dict[str, Outcome]) -> None:
    outcome = outcomes["reordering"]
    assert outcome.network.reordered > 30
    assert outcome.page["packetsLost"] <= 2
    assert outcome.audible_gap < 0.025


def test_duplicates_are_not_played(outcomes: dict[str, Outcome]) -> None:
    outcome = outcomes["duplication"]
    assert outcome.network.duplicated > 100
    assert outcome.session.get("retransmits", 0) == 0
    # With the second copies it would be 10 % more.
    assert outcome.page["packetsReceived"] == pytest.approx(outcome.seconds * 100, rel=0.05)
    assert outcome.audible_gap < 0.025


@pytest.mark.parametrize("name", ["lan", "good-wifi", "lte"])
def test_an_ordinary_network_is_not_heard(outcomes: dict[str, Outcome], name: str) -> None:
    assert outcomes[name].lost < 0.01
    assert outcomes[name].audible_gap < 0.025


def test_where_no_udp_passes_it_is_not_heard_either(outcomes: dict[str, Outcome]) -> None:
    assert outcomes["tcp-only"].network.delivered == 0
    assert outcomes["tcp-only"].page["packetsReceived"] > 0
    assert outcomes["tcp-only"].audible_gap < 0.025


@pytest.mark.parametrize("name", ["busy-wifi", "lossy-5", "lossy-20", "bursty"])
def test_lost_packets_are_in_the_next_ones(outcomes: dict[str, Outcome], name: str) -> None:
    """The loss is counted as one, and yet most of it is not heard; nothing is sent again.

    Of a packet that is sent twice, the loss is one where both copies are lost. They follow each other.
    """
    outcome = outcomes[name]
    how = PRESETS[name].down
    assert outcome.lost == pytest.approx(how.loss, rel=0.5)
    sent_once, both_lost = outcome.packets - outcome.copies, max(outcome.lost, 1 - 1 / how.burst)
    least = outcome.lost * (sent_once + outcome.lost * outcome.copies)
    most = outcome.lost * (sent_once + both_lost * outcome.copies)
    assert 0.5 * least < outcome.page["packetsLost"] < 1.5 * most
    assert outcome.session.get("retransmits", 0) == 0
    # In the bad state, whole runs are lost.
    assert outcome.audible_gap < outcome.lost / (5 if how.burst == 1 else 1.5)


def test_every_note_of_a_lossy_network_is_in_its_recording(outcomes: dict[str, Outcome]) -> None:
    """The onsets of the track are all there, and no gap is as long as three lost packets'."""
    heard = outcomes["lossy-5"].heard
    assert heard is not None
    assert heard.onsets >= MEASURED_S * 48_000 / 12_297 - 1
    assert heard.missed == 0
    assert heard.gap_ms <= 30


def test_the_sound_is_back_after_a_blackout(outcomes: dict[str, Outcome]) -> None:
    """In the same session, with the same peer connection."""
    outcome = outcomes["blackout-10s"]
    assert outcome.heard is not None
    assert 9_000 < outcome.heard.gap_ms < 12_500
    assert outcome.network.lost == pytest.approx(1_000, rel=0.1)


@pytest.mark.parametrize("name", ["bufferbloat", "link-64k"])
def test_a_slow_link_carries_what_it_can(outcomes: dict[str, Outcome], name: str) -> None:
    """Whatever is sent: the listener gets no more than the link's rate, and goes on getting it."""
    outcome = outcomes[name]
    got = outcome.page["bytesReceived"] + outcome.page["headerBytesReceived"]
    assert 0.3 < got * 8 / outcome.seconds / PRESETS[name].down.rate_bps < 1.1


def test_on_a_slow_link_what_is_sent_fits_it(outcomes: dict[str, Outcome]) -> None:
    slowest = outcomes["link-64k"]
    assert slowest.tier == "low"
    assert slowest.audible_gap <= 0.01
    # The redundancy that a session begins with fills the queue within five seconds; soon after that it goes.
    assert outcomes["bufferbloat"].audible_gap <= 0.03
