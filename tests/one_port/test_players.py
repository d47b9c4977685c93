"""Players that packages provide listen for 40 s, longer than any consent limit, and lose packets on the way.

They listen all at once, so that the time is spent once. From the tenth second to the thirtieth, one datagram in 49 is
dropped, by chance: counted off, they might all be those of one player. `docs/players.md` has what is found here, and of
players that have to be built.
"""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rtcserver.client.measure import side
from tests.attempts import Measurements
from tests.one_port.serving import LEFT_HZ, PORT, RIGHT_HZ, ServerIn, room_at
from tests.rig.netns import lan
from tests.rig.process import program

pytestmark = pytest.mark.unhurried("takes long, but counts: what is dropped, reported and printed")

CLIENTS = Path(__file__).parent / "clients"
SECONDS = 40
LOSS_FROM, LOSS_TO = 10, 30
DROPPED = 1 / 49
PACKETS = SECONDS * 100
DROP = f"INPUT -p udp --sport {PORT} -m statistic --mode random --probability {DROPPED:.5f} -j DROP"
PLAYERS = ("gstreamer", "werift", "libdatachannel", "wrtc mono", "wrtc stereo")
REPORTING = ("gstreamer", "werift", "wrtc mono", "wrtc stereo")
"""Whose receiver reports can be true."""


@dataclass
class Heard:
    """What a player printed, and the session's row just before it left."""

    said: list[dict[str, Any]]
    row: dict[str, Any]


@dataclass
class Party:
    """All players, what the metrics said at the end, and the sound that GStreamer decoded."""

    players: dict[str, Heard]
    metrics: str
    sound: Path
    health: dict[str, Any]


@pytest.fixture
def party(measurements: Measurements, tmp_path_factory: pytest.TempPathFactory) -> Party:
    return measurements.of_this_attempt(listen_all, tmp_path_factory)


def listen_all(tmp_path_factory: pytest.TempPathFactory) -> Party:
    folder = tmp_path_factory.mktemp("players")
    sound = folder / "sound.pcm"
    node = program("node", "nodejs")
    # Without copies, which hide losses, and earlier frames, which hide what is asked for.
    with lan() as network, ServerIn(network.server, redundancy="false") as server:
        url, client = f"{room_at(network.ipv4)}/whep", network.client

        def script(name: str, *arguments: object) -> list[str]:
            return [node, str(CLIENTS / name), url, *map(str, arguments)]

        commands = {
            "gstreamer": ["/usr/bin/python3", str(CLIENTS / "gstreamer.py"), url, str(SECONDS), str(sound)],
            "werift": script("werift.mjs", PACKETS),
            "libdatachannel": script("libdatachannel.mjs", SECONDS),
            "wrtc mono": script("wrtc.mjs", SECONDS, "mono"),
            "wrtc stereo": script("wrtc.mjs", SECONDS, "stereo"),
        }
        children: dict[str, subprocess.Popen[bytes]] = {}
        with client.entered():
            for name, command in commands.items():
                # Into files: nobody reads a pipe meanwhile.
                with (folder / name).open("wb") as out, (folder / f"{name} errors").open("wb") as errors:
                    children[name] = subprocess.Popen(command, stdout=out, stderr=errors)
        try:
            begin = time.monotonic()
            time.sleep(LOSS_FROM)
            client.run(f"iptables -A {DROP}", f"ip6tables -A {DROP}")
            time.sleep(LOSS_TO - LOSS_FROM)
            client.run(f"iptables -D {DROP}", f"ip6tables -D {DROP}")
            time.sleep(begin + SECONDS - 3 - time.monotonic())
            rows = server.get_json("/api/rooms/main")["sessions"]
            with network.server.entered():
                metrics = urllib.request.urlopen(f"{server.url}/metrics", timeout=5).read().decode()
            health = server.health()
            for child in children.values():
                child.wait(30)
        finally:
            for child in children.values():
                child.kill()
                child.wait()
        for name, child in children.items():
            assert child.returncode == 0, f"{name}: {(folder / f'{name} errors').read_text()}"
        by_agent = {row["user_agent"].lower(): row for row in rows}
        players = {
            name: Heard(
                [json.loads(line) for line in (folder / name).read_text().splitlines()],
                next((row for agent, row in by_agent.items() if agent.startswith(name)), {}),
            )
            for name in commands
        }
        return Party(players, metrics, sound, health)


@pytest.mark.parametrize("name", PLAYERS)
def test_a_player_listens_for_longer_than_any_consent_limit(party: Party, name: str) -> None:
    heard = party.players[name]
    assert heard.row["state"] == "connected"
    assert heard.row["since_s"] > SECONDS - 10
    # The figure is fresh: the row was read three seconds before the players left.
    assert heard.row["counters"]["packets"] == pytest.approx(heard.row["since_s"] * 100, abs=300)
    if name == "werift":
        assert len([line for line in heard.said if "payload" in line]) == PACKETS
    elif name != "gstreamer":
        lost = PACKETS * DROPPED
        assert heard.said[0]["packets"] == pytest.approx(PACKETS, abs=300 + lost)
    assert heard.said[0]["status"] == 201


@pytest.mark.parametrize("name", PLAYERS)
def test_a_player_leaves_in_peace(party: Party, name: str) -> None:
    """Whether it says DELETE first or closes first, as whip-whep does."""
    said = party.players[name].said[-1]
    assert said["status" if name == "werift" else "left"] == 200


@pytest.mark.parametrize("name", PLAYERS)
def test_who_notices_that_the_session_has_ended(party: Party, name: str) -> None:
    """Only libdatachannel does of these; the others stay connected, and silent. `docs/players.md` says so."""
    if name != "wrtc mono":  # it closes first
        assert party.players[name].said[-1]["noticed"] is (name == "libdatachannel")


def test_who_asks_for_stereo_gets_it(party: Party) -> None:
    """The listener's own offer decides: the packets are the same."""
    assert max(party.players["wrtc stereo"].said[0]["layouts"].items(), key=lambda one: one[1])[0][0] == "2"
    assert {layout[0] for layout in party.players["wrtc mono"].said[0]["layouts"]} == {"1"}
    samples = np.fromfile(party.sound, np.int16).reshape(-1, 2)
    assert len(samples) >= SECONDS * 48_000
    quiet = samples[5 * 48_000 : 9 * 48_000]
    assert side(quiet[:, 0]).hz == pytest.approx(LEFT_HZ, abs=1)
    assert side(quiet[:, 1]).hz == pytest.approx(RIGHT_HZ, abs=1)


@pytest.mark.parametrize("name", REPORTING)
def test_losses_of_a_player_without_our_page_are_in_its_row(party: Party, name: str) -> None:
    row = party.players[name].row
    dropped = (LOSS_TO - LOSS_FROM) * 100 * DROPPED
    reception, counters = row["reception"], row["counters"]
    assert reception["reports"] - reception["left_out"] >= 4
    assert counters["lost"] + counters.get("retransmits", 0) >= dropped / 2
    assert counters["lost"] <= dropped * 2
    assert 0 <= reception["jitter_ms"] < 100


def test_reports_that_cannot_be_true_are_left_out(party: Party) -> None:
    row = party.players["libdatachannel"].row
    assert row["reception"]["left_out"] == row["reception"]["reports"] > 0
    assert "lost" not in row["counters"]
    assert party.health["backend"]["reports_left_out"] >= row["reception"]["left_out"]


def test_the_metrics_tell_of_players(party: Party) -> None:
    figures = {
        name: float(value)
        for name, _, value in (line.rpartition(" ") for line in party.metrics.splitlines())
        if 'mode="player"' in name
    }
    rows = [party.players[name].row["counters"] for name in REPORTING]
    assert figures['rtcserver_listener_reports_total{mode="player"}'] >= 4 * len(REPORTING)
    lost = figures['rtcserver_listener_packets_lost_total{mode="player"}']
    assert lost >= sum(row["lost"] for row in rows) > 0
    assert figures['rtcserver_listener_round_trip_seconds_count{mode="player"}'] > 0
    assert figures['rtcserver_listener_jitter_seconds_count{mode="player"}'] > 0
