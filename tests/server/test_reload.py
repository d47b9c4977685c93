"""SIGHUP: what may change does, and nothing that is read ends the server."""

from __future__ import annotations

import json
import os
import signal
import urllib.error
import urllib.request

import pytest

from tests.rig.process import wait_until
from tests.rig.server import RtcServer

pytestmark = pytest.mark.unhurried("waits for what the server says")


def bitrate(server: RtcServer) -> int:
    with urllib.request.urlopen(server.url + "/api/rooms/main", timeout=5) as response:
        return int(json.load(response)["audio"]["bitrate_bps"])


def test_a_running_server_takes_a_bitrate_over_and_survives_a_broken_file() -> None:
    with RtcServer(instrument="tone", config="bitrate_bps = 128000\n") as server:
        server.wait_healthy(lambda health: bool(health["status"] == "ok"))
        assert bitrate(server) == 128_000
        file = server.directory / "rtcserver.toml"
        file.write_text("bitrate_bps = \n")
        os.kill(server.pid, signal.SIGHUP)
        wait_until(lambda: "the configuration stays as it is" in server.log(), "an error in the log")
        assert bitrate(server) == 128_000
        file.write_text("bitrate_bps = 96000\nframe_ms = 20\n")
        os.kill(server.pid, signal.SIGHUP)
        wait_until(lambda: bitrate(server) == 96_000, "the new bitrate")
        assert "take effect at the next start: rooms.main.frame_ms" in server.log()
        assert server.health()["status"] == "ok"


def test_a_running_server_takes_limits_names_and_titles_over() -> None:
    def asked(path: str, host: str = "") -> int:
        request = urllib.request.Request(server.url + path, headers={"Host": host} if host else {})
        try:
            with urllib.request.urlopen(request, timeout=5) as response:
                return int(response.status)
        except urllib.error.HTTPError as error:
            return error.code

    with RtcServer(
        instrument="tone",
        shared_addresses="10.9.9.9",
        max_requests_per_minute=60,
        config='title = "Before"\n',
    ) as server:
        server.wait_healthy(lambda health: bool(health["status"] == "ok"))
        file = server.directory / "rtcserver.toml"
        assert asked("/healthz", "music.example") == 421
        assert 429 in (asked("/healthz") for _ in range(200))
        file.write_text('title = "The studio"\nallowed_hosts = "music.example"\nmax_listeners = 7\n')
        os.kill(server.pid, signal.SIGHUP)
        # A change of limits begins every client's minute anew.
        wait_until(lambda: asked("/healthz", "music.example") == 200, "the new name", 10)
        assert server.get_json("/api/rooms/main")["title"] == "The studio"
        assert "take effect at the next start" not in server.log()
