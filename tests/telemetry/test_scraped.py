"""A real server, scraped by a real Prometheus with our configuration, and logging in JSON."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.parse
import urllib.request
from typing import Any

import pytest

from tests.rig.process import REPOSITORY, RigProcess, program, wait_until
from tests.rig.server import RtcServer, free_port
from tests.telemetry.test_monitoring import ALERTS, MONITORING, queries

pytestmark = pytest.mark.unhurried("what is exported and logged, however long it takes")


class Prometheus(RigProcess):
    """One with `monitoring/prometheus.yml`, but for the address and the interval."""

    def __init__(self, target: str) -> None:
        super().__init__("prometheus")
        self.url = f"http://127.0.0.1:{free_port()}"
        written = (MONITORING / "prometheus.yml").read_text()
        assert "rtcserver:8080" in written
        changed = written.replace("rtcserver:8080", target).replace("interval: 5s", "interval: 1s")
        (self.directory / "prometheus.yml").write_text(changed)
        (self.directory / "alerts.yml").write_text(ALERTS.read_text())

    def start(self) -> None:
        command = [program("prometheus", "prometheus"), f"--config.file={self.directory}/prometheus.yml"]
        command += [f"--storage.tsdb.path={self.directory}/data", "--web.listen-address=" + self.url[7:]]
        self._spawn(command, dict(os.environ))
        self._wait_ready(self._answers, timeout_s=20)

    def ask(self, path: str, **query: str) -> Any:
        """The data of an answer of its API."""
        address = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(address, timeout=10) as answer:
            return json.load(answer)["data"]

    def _answers(self) -> bool:
        try:
            return self.ask("query", query="1")["resultType"] == "scalar"
        except OSError:
            return False


def client(server: RtcServer) -> None:
    """Listens for a second."""
    command = [sys.executable, "-m", "rtcserver", "client", server.room_url, "--seconds", "1"]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, timeout=60)


def test_prometheus_scrapes_the_server_and_answers_every_panel() -> None:
    with RtcServer(instrument="tone") as server, Prometheus(f"127.0.0.1:{server.port}") as prometheus:
        server.wait_healthy(lambda said: bool(said["rooms"]["main"]["state"] == "live"))
        client(server)

        def joined() -> bool:
            found = prometheus.ask("query", query="sum(rtcserver_join_seconds_count)")["result"]
            return bool(found) and float(found[0]["value"][1]) == 1

        wait_until(joined, "the join is in Prometheus", 20)
        (target,) = prometheus.ask("targets")["activeTargets"]
        assert (target["health"], target["lastError"]) == ("up", "")
        for _, expression in queries():
            text = expression.replace("$__rate_interval", "10s").replace("$room", ".*")
            assert prometheus.ask("query", query=text)["resultType"] == "vector"
        (live,) = prometheus.ask("query", query="rtcserver_capture_live")["result"]
        assert (live["metric"]["room"], live["value"][1]) == ("main", "1")
        rules = [rule["name"] for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]
        assert rules == re.findall(r"alert: (\w+)", ALERTS.read_text())


def test_every_line_of_a_json_log_is_an_object_and_names_its_session() -> None:
    """From the start to the end, with a child that is killed, a refused offer and a room that does not exist."""
    with RtcServer(instrument="tone", log_format="json", log_level="debug") as server:
        server.wait_healthy(lambda said: bool(said["rooms"]["main"]["state"] == "live"))
        client(server)
        # Beside it there may still be the one that would have followed it.
        os.kill(server.health()["processes"]["broadcast"]["pid"], signal.SIGKILL)
        wait_until(lambda: "started again" in server.log(), "the death is in the log")
        server.get_json("/r/nowhere")
        server.stop()
        lines = [json.loads(line) for line in server.log().splitlines()]
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)
    assert any(line["message"].startswith("Listen at  ") for line in lines)
    (connected,) = [line for line in lines if line["message"].startswith("connected after")]
    (ended,) = [line for line in lines if line["message"].startswith("ended after")]
    assert connected["room"] == ended["room"] == "main"
    assert re.fullmatch(r"[0-9a-f]{12}", connected["session"])
    assert connected["session"] == ended["session"]
    (gone,) = [line for line in lines if "method=DELETE" in line["message"]]
    assert gone["session"] == connected["session"]
    assert not any("Play at" in line["message"] and "#perform" in line["message"] for line in lines)
