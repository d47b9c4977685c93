"""Studio as on a real LAN: over HTTPS at the machine's address, with the generated authority imported (needs root)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Error as PlaywrightError

from tests.main_job.test_listening import live
from tests.rig.chromium import Chromium
from tests.rig.netns import Namespace, lan
from tests.rig.server import RtcServer
from tests.studio.listening import listen, noise, record_exact, studio

pytestmark = pytest.mark.unhurried("compares samples by their frame numbers")

PORT = 8443
EXACT_QUANTA = 100

POSTED = """
window.posted = [];
const { Worker: Native } = window;
window.Worker = class extends Native {
  postMessage(message, ...rest) {
    window.posted.push(message.memory instanceof SharedArrayBuffer ? "shared memory" : message.type);
    super.postMessage(message, ...rest);
  }
};
"""
"""Notes by which way the worker is told to hand the samples on."""


class _SecureServer(RtcServer):
    """The server with ``--tls auto`` inside a namespace."""

    def __init__(self, space: Namespace, file: Path) -> None:
        super().__init__(port=PORT, instrument="file", file=file, samplerate=44_100, tls="auto")
        self._space = space

    def start(self) -> None:
        with self._space.entered():
            super().start()
        self.wait_healthy(live)

    def get_json(self, path: str) -> Any:
        with self._space.entered():
            return super().get_json(path)


async def test_chromium_that_trusts_the_authority_plays_studio_at_a_lan_address(tmp_path: Path) -> None:
    played = noise(tmp_path / "noise.wav")
    with (
        lan() as net,
        _SecureServer(net.server, tmp_path / "noise.wav") as server,
        net.client.entered(),
    ):
        room = f"https://{net.ipv4}:{PORT}/r/main"
        async with Chromium(authorities=()) as stranger:
            with pytest.raises(PlaywrightError, match="ERR_CERT_AUTHORITY_INVALID"):
                await stranger.open(room)
        async with Chromium(authorities=(server.authority,)) as browser:
            page = await browser.open("about:blank")
            await page.add_init_script(POSTED)
            await page.goto(room)
            secure = await page.evaluate("[isSecureContext, crossOriginIsolated, location.protocol]")
            await listen(page)
            await studio(page)
            recording = await record_exact(page, EXACT_QUANTA)
            posted = await page.evaluate("posted")
            invalid = await page.evaluate("rtcserver.studio.stats().ring.invalid")
    quanta, worst = recording.null_test(played, 24)
    assert secure == [True, True, "https:"]
    assert "shared memory" in posted
    assert "port" not in posted
    assert quanta >= EXACT_QUANTA
    assert worst == 0
    assert invalid == 0
