"""Players and engines that have to be built: str0m listens; MediaMTX and go2rtc, both on pion, pull our WHEP endpoint.

`script/players` builds them, with Go and Cargo; a test whose program is missing is skipped, as in CI.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.one_port.serving import ServerIn, room_at
from tests.rig.netns import Lan, lan
from tests.rig.process import program

ROOT = Path(__file__).resolve().parents[2]
CLIENTS = Path(__file__).parent / "clients"
SECONDS = 40
MEDIAMTX = """
logLevel: info
rtsp: no
rtmp: no
hls: no
srt: no
moq: no
webrtcAddress: :8889
webrtcLocalUDPAddress: :8189
paths:
  piano:
    source: {source}
"""
GO2RTC = """
api: {{listen: ":1984"}}
rtsp: {{listen: ""}}
webrtc: {{listen: ":8555"}}
streams:
  piano: webrtc:{source}
"""


def built(name: str) -> str:
    path = ROOT / ".cache" / "players" / name
    if not path.exists():
        pytest.skip(f"{name} is not built; `script/players {name}` builds it")
    return str(path)


@pytest.fixture(scope="module")
def network() -> Iterator[tuple[Lan, ServerIn]]:
    with lan() as made, ServerIn(made.server) as server:
        yield made, server


@contextmanager
def running(network: Lan, log: Path, *command: str) -> Iterator[None]:
    with network.client.entered(), log.open("wb") as out:
        child = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
    try:
        yield
    finally:
        child.terminate()  # it says DELETE
        child.wait(10)


def rows(server: ServerIn, agent: str) -> list[dict[str, Any]]:
    found = server.get_json("/api/rooms/main")["sessions"]
    return [row for row in found if row["user_agent"].startswith(agent)]


def test_str0m_listens_and_notices_the_end(network: tuple[Lan, ServerIn]) -> None:
    net, server = network
    binary = built("str0m")
    with net.client.entered():
        child = subprocess.Popen([binary, f"{room_at(net.ipv4)}/whep", str(SECONDS)], stdout=subprocess.PIPE)
    time.sleep(SECONDS - 3)
    (row,) = rows(server, "str0m")
    said = json.loads(child.communicate(timeout=30)[0])
    assert (said["status"], said["left"]) == (201, 200)
    assert said["packets"] == pytest.approx(SECONDS * 100, abs=100)
    assert said["stereo_bits"] == [1]
    assert not said["alive"]
    assert said["noticed_after_ms"] < 1000
    assert row["state"] == "connected"
    assert row["reception"]["reports"] > 0


@pytest.mark.parametrize("layout", ["mono", "stereo"])
@pytest.mark.parametrize(
    ("engine", "settings", "address"),
    [
        ("mediamtx", MEDIAMTX, "http://192.168.77.2:8889/piano/whep"),
        ("go2rtc", GO2RTC, "http://192.168.77.2:1984/api/webrtc?src=piano"),
    ],
)
def test_an_engine_pulls_the_room_and_its_listeners_hear_it(
    network: tuple[Lan, ServerIn], engine: str, settings: str, address: str, layout: str, tmp_path: Path
) -> None:
    """Its own offer always has video, which our answer rejects with the one format 0. Its listener's offer decides the
    layout that is heard; the packets are ours."""
    net, server = network
    binary = built(engine)
    config, log = tmp_path / "engine.yml", tmp_path / "log"
    scheme = "whep" if engine == "mediamtx" else "http"
    config.write_text(settings.format(source=f"{room_at(net.ipv4)}/whep".replace("http", scheme, 1)))
    node = program("node", "nodejs")
    with running(net, log, binary, *([str(config)] if engine == "mediamtx" else ["-c", str(config)])):
        # MediaMTX shows a stream two seconds after it connected; go2rtc connects when somebody listens.
        time.sleep(5)
        seconds = SECONDS if layout == "stereo" else 15
        with net.client.entered():
            child = subprocess.Popen(
                [node, str(CLIENTS / "wrtc.mjs"), address, str(seconds), layout], stdout=subprocess.PIPE
            )
        time.sleep(seconds - 2)
        pulled = [row for row in rows(server, "Go-http-client") if row["since_s"] < seconds + 5]
        said = json.loads(child.communicate(timeout=30)[0])
    assert len(pulled) == 1, log.read_text()
    assert pulled[0]["state"] == "connected"
    assert pulled[0]["reception"]["reports"] > 0
    assert pulled[0]["reception"]["left_out"] == 0
    assert said["packets"] == pytest.approx(seconds * 100, abs=150)
    played = max(said["layouts"].items(), key=lambda one: one[1])[0]
    assert played[0] == ("2" if layout == "stereo" else "1")
