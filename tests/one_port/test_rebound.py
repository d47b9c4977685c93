"""A page whose own name points at this machine, in a real browser: it gets nothing of the server."""

from __future__ import annotations

from tests.rig.chromium import Chromium
from tests.rig.server import RtcServer, free_port


async def test_a_rebound_name_reads_nothing_and_a_listed_one_does() -> None:
    names = ",".join(f"MAP {name} 127.0.0.1" for name in ("evil.example", "studio.example"))
    port = free_port()
    with RtcServer(instrument="tone", port=port, allowed_hosts="studio.example"):
        async with Chromium(flags=(f"--host-resolver-rules={names}",)) as browser:
            statuses = {}
            for host in ("evil.example", "studio.example", "127.0.0.1"):
                page = await browser.open(f"http://{host}:{port}/favicon.ico")
                ask = "async (path) => (await fetch(path)).status"
                statuses[host] = [
                    await page.evaluate(ask, path) for path in ("/api/rooms", "/metrics", "/healthz")
                ]
            across = await page.evaluate(
                "(url) => fetch(url).then(() => 'read', () => 'kept')",
                f"http://studio.example:{port}/api/rooms",
            )
            offer = "(url) => fetch(url, {method: 'POST', headers: {'Content-Type': 'application/sdp'}, body: 'v=0'})"
            posted = await page.evaluate(
                f"(url) => ({offer})(url).then((r) => r.status, () => 'kept')",
                f"http://studio.example:{port}/r/main/whep",
            )
    assert statuses == {
        "evil.example": [421, 421, 421],
        "studio.example": [200, 200, 200],
        "127.0.0.1": [200, 200, 200],
    }
    assert (across, posted) == ("kept", "kept")
