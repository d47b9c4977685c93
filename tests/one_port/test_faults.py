"""What breaks around the broadcast process, seen by listeners: a dead destination, its own end, the server's."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any

import pytest

from rtcserver.client.listener import Listener
from rtcserver.client.returning import ReturningListener
from rtcserver.client.session import Run, perform
from tests.one_port.serving import LEFT_HZ, ServerIn, press_listen, room_at
from tests.rig.chromium import Chromium
from tests.rig.netns import Namespace, cable
from tests.rig.process import is_gone, wait_until
from tests.rig.server import RtcServer

pytestmark = pytest.mark.unhurried("waits for ends and beginnings, and counts packets by sequence number")


def broadcast_pid(server: RtcServer) -> int:
    pid = server.health()["processes"]["broadcast"]["pid"]
    assert isinstance(pid, int)
    return pid


def spare_pid(server: RtcServer) -> int | None:
    """The broadcast process that waits to follow."""
    pid: int | None = server.health()["processes"]["broadcast"]["spare"]
    return pid


def keying_material(ear: Listener) -> bytes:
    """What a listener's DTLS association exports for SRTP (RFC 5764, section 4.2): all keys and salts."""
    association = ear._receiver.transport._ssl if ear._receiver is not None else None
    assert association is not None
    return association.export_keying_material(b"EXTRACTOR-dtls_srtp", 60)


async def test_a_dead_destination_in_the_middle_starves_nobody_behind_it() -> None:
    """Three listeners on networks of their own, served by one batch; the second one's network goes away."""
    with ExitStack() as stack:
        machine = stack.enter_context(Namespace("server"))
        clients = [stack.enter_context(Namespace(f"client{number}")) for number in range(3)]
        for number, client in enumerate(clients):
            cable(machine, f"eth{number}", client, "eth0", f"192.168.{80 + number}.0/24")
        server = stack.enter_context(ServerIn(machine))
        async with AsyncExitStack() as listening:
            ears = []
            for number, client in enumerate(clients):
                with client.entered():
                    ears.append(
                        await listening.enter_async_context(Listener(room_at(f"192.168.{80 + number}.1")))
                    )
            await asyncio.gather(*(ear.hear(0.5) for ear in ears))
            # The kernel now refuses to send there (ENETUNREACH): sendmmsg stops at that datagram.
            machine.run("ip addr flush dev eth1", "ip link set eth1 down")
            received = [ear.received for ear in ears]
            at = [ear.heard_s for ear in ears]
            for ear, since in ((ears[0], at[0]), (ears[2], at[2])):
                assert await ear.hear(since + 2.0)
            more = [ear.received - before for ear, before in zip(ears, received, strict=True)]
            assert ears[1].state == "connected", "the session is still served"
            await asyncio.to_thread(
                wait_until,
                lambda: [s["counters"]["dropped"] > 0 for s in sessions(server)] == [False, True, False],
                "only the second one's packets are dropped",
            )
            reports = [ears[0].report(), ears[2].report()]
            # The client's goodbyes lead nowhere either.
            ears[1]._session = None
    assert more[0] >= 190
    assert more[2] >= 190
    assert more[1] < 20
    for report in reports:
        assert report.delivery.lost == report.rejected == report.delivery.timestamp_errors == 0
        assert report.left.hz is not None
        assert abs(report.left.hz - LEFT_HZ) < 1


def sessions(server: RtcServer) -> list[dict[str, dict[str, int]]]:
    """The room's sessions, the oldest first."""
    found = server.get_json("/api/rooms/main")["sessions"]
    return sorted(found, key=lambda session: -session["since_s"])


async def test_when_the_broadcast_process_dies_everybody_reconnects_with_fresh_keys() -> None:
    """The page by itself; a stock client sees the connection end, and hears nothing under the old keys."""
    with RtcServer(instrument="tone") as server:
        server.wait_healthy(lambda said: said["status"] == "ok")
        async with Chromium() as browser, AsyncExitStack() as listening:
            page = await browser.open(server.room_url)
            await press_listen(page)
            ears = [await listening.enter_async_context(Listener(server.room_url)) for _ in range(2)]
            assert all(await asyncio.gather(*(ear.hear(0.5) for ear in ears)))
            first_keys = [keying_material(ear) for ear in ears]
            first_streams = {ear._ssrc for ear in ears}

            pid = broadcast_pid(server)
            await watch_problems(page)
            os.kill(pid, signal.SIGKILL)
            # The server's goodbye tells the page; without it, missing packets would, later.
            await page.wait_for_function("problems.includes('sound_restarts')")
            for ear in ears:
                assert await ear.hear(60) is False, "it ends long before"
            assert [ear.state for ear in ears] == ["closed", "closed"]
            after_the_end = [ear.received for ear in ears]
            await page.wait_for_function("rtcserver.session.generation > 1 && rtcserver.state === 'live'")

            second = [await listening.enter_async_context(Listener(server.room_url)) for _ in range(2)]
            assert all(await asyncio.gather(*(ear.hear(0.5) for ear in second)))
            assert broadcast_pid(server) != pid
            assert is_gone(pid)
            keys = [*first_keys, *(keying_material(ear) for ear in second)]
            assert len(set(keys)) == 4, "no keys are used a second time"
            assert not first_streams & {ear._ssrc for ear in second}
            assert [ear.received for ear in ears] == after_the_end
        backend = server.health()["backend"]
    assert backend["ended_broadcast_lost"] == 3
    assert backend["connected"] == 6, "each of them once before and once after"


async def test_the_page_and_the_client_come_back_without_a_back_off(tmp_path: Path) -> None:
    """The broadcast process is killed, then the server; a supervisor starts that again, with the same keys."""
    state = str(tmp_path)
    with ExitStack() as stack:
        server = stack.enter_context(RtcServer(instrument="tone", state_dir=state))
        server.wait_healthy(lambda said: said["status"] == "ok")
        async with Chromium() as browser, ReturningListener(server.room_url) as ears:
            page = await browser.open(server.room_url)
            await press_listen(page)
            await watch_problems(page)
            await until_returned(ears, 0)
            await asyncio.to_thread(wait_until, lambda: spare_pid(server) is not None, "a spare waits")
            os.kill(broadcast_pid(server), signal.SIGKILL)
            await until_returned(ears, 1)
            await page.wait_for_function("rtcserver.session.generation === 2 && rtcserver.state === 'live'")
            assert await page.evaluate("problems") == ["sound_restarts"], "one attempt was enough"

            await page.evaluate("problems.length = 0")
            server.kill()
            again = stack.enter_context(RtcServer(instrument="tone", port=server.port, state_dir=state))
            await until_returned(ears, 2)
            await page.wait_for_function("rtcserver.session.generation > 2 && rtcserver.state === 'live'")
            said = await page.evaluate("problems")
            assert "no_media" not in said, "it did not wait for that long"
            assert await page.evaluate("rtcserver.session.generation") == 3, (
                "it left when the next server knew no session"
            )

            await page.evaluate("problems.length = 0")
            again.stop()
            await page.wait_for_function("problems.includes('server_stops')")
            await page.wait_for_function(
                "document.querySelector('#headline').textContent === 'Back in a moment'"
            )
            stack.enter_context(RtcServer(instrument="tone", port=server.port, state_dir=state))
            await until_returned(ears, 3)
            await page.wait_for_function("rtcserver.state === 'live'")


async def test_a_client_that_stays_says_how_often_it_came_back() -> None:
    with RtcServer(instrument="tone") as server:
        server.wait_healthy(lambda said: said["status"] == "ok")
        staying = asyncio.ensure_future(perform(Run(server.room_url, 6.0, stay=True)))
        await asyncio.to_thread(wait_until, lambda: spare_pid(server) is not None, "a spare waits")
        os.kill(broadcast_pid(server), signal.SIGKILL)
        report, _ = await staying
    assert report.heard
    assert report.to_json()["returns"] == 1
    assert report.to_json()["state"] == "connected"


async def watch_problems(page: Any) -> None:
    """`problems` becomes the codes of what the page says is wrong, in the order in which they come."""
    await page.evaluate(
        """() => {
            window.problems = [];
            setInterval(() => {
                const code = rtcserver.session.problem?.code;
                if (code && code !== problems.at(-1)) problems.push(code);
            }, 1);
        }"""
    )


async def until_returned(ears: ReturningListener, times: int) -> None:
    """Until it has come back so often and has packets."""
    async with asyncio.timeout(30):
        while ears.returns < times or ears.ear is None or not ears.ear.packets:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_a_broadcast_process_that_hangs_does_not_outlive_a_killed_server() -> None:
    """It cannot see its control socket close, and would keep the port from the next server."""
    with RtcServer(instrument="tone") as server:
        server.wait_healthy(lambda said: said["status"] == "ok")
        async with Listener(server.room_url) as ear:
            assert await ear.hear(0.2)
            pid = broadcast_pid(server)
            os.kill(pid, signal.SIGSTOP)
            try:
                server.kill()
                with RtcServer(instrument="tone", port=server.port) as again:
                    again.wait_healthy(lambda said: said["status"] == "ok")
                    assert is_gone(pid)
                    async with Listener(again.room_url) as another:
                        assert await another.hear(0.2)
            finally:
                if not is_gone(pid):
                    os.kill(pid, signal.SIGKILL)
