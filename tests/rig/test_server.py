"""The real server, started by the rig: it answers, it plays, and it is gone afterwards."""

from __future__ import annotations

import socket

import pytest

from rtcserver.client.listen import listen
from tests.rig.process import is_gone
from tests.rig.server import RtcServer

pytestmark = pytest.mark.unhurried("asserts tones and what is left")


async def test_a_server_starts_on_its_port_plays_and_leaves_nothing() -> None:
    with RtcServer(instrument="tone", tone_left_hz=500, tone_right_hz=700) as server:
        assert server.health()
        report = await listen(server.room_url, 1.0)
        pids = [server.pid, *server.child_pids()]
        assert server.cpu_s() > 0
    assert report.left.hz is not None
    assert report.right.hz is not None
    assert abs(report.left.hz - 500) < 0.5
    assert abs(report.right.hz - 700) < 0.5
    assert all(is_gone(pid) for pid in pids)
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", server.port))
