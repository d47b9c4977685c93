"""Firefox hears the room through the one port: the page, and what lies beneath."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.one_port.serving import (
    LEFT_HZ,
    PORT,
    PROBE,
    RIGHT_HZ,
    TONE_DBFS,
    ServerIn,
    press_listen,
    room_at,
)
from tests.rig.firefox import Firefox, NullSink
from tests.rig.netns import Lan, lan

pytestmark = pytest.mark.unhurried("asserts tones and counters")


@pytest.fixture(scope="module")
def network() -> Iterator[Lan]:
    with lan() as made:
        yield made


async def test_firefox_hears_each_tone_on_its_side(network: Lan) -> None:
    with ServerIn(network.server) as server, NullSink() as sink, network.client.entered():
        async with Firefox(sink) as browser:
            page = await browser.open(room_at(network.ipv4))
            await press_listen(page)
            left, right = await page.hear()
            await page.wait_for_function(
                r"() => /Good, \d+\s*ms behind/.test(document.querySelector('.headline').textContent)"
            )
            shown = await page.evaluate("rtcserver.stats()")

            probe = await browser.open(room_at(network.ipv4))
            await probe.evaluate(PROBE, f"{room_at(network.ipv4)}/whep")
            await probe.wait_for_function("async () => (await probe.stats()).packets >= 50")
            below = await probe.evaluate("probe.stats()")
            answer = await probe.evaluate("probe.answer")
            assert await probe.evaluate("probe.leave()") == 200

            check = await browser.open(f"{room_at(network.ipv4).partition('/r/')[0]}/check?seconds=1")
            await check.wait_for_function(
                "() => document.querySelector('#check-status')?.dataset.done === 'yes'"
            )
            report = await check.evaluate("document.querySelector('#report').value")
        counted = server.health()["backend"]

    assert left.hz == pytest.approx(LEFT_HZ, abs=1)
    assert right.hz == pytest.approx(RIGHT_HZ, abs=1)
    assert left.dbfs == pytest.approx(TONE_DBFS, abs=1)
    assert right.dbfs == pytest.approx(TONE_DBFS, abs=1)
    assert shown["stereo"]
    assert shown["lostTotal"] == 0

    assert below["payloadType"] == 109, "Firefox's own number for Opus"
    assert (below["mimeType"], below["channels"]) == ("audio/opus", 2)
    assert below["lost"] == 0
    assert below["remote"] in (f"{network.ipv4}:{PORT}", f"{network.ipv6}:{PORT}")
    media = re.findall(r"(?m)^m=(\S+) (\d+) \S+ (.+?)\r?$", answer)
    assert [(kind, types) for kind, _, types in media] == [("audio", "109")]
    assert "Browser: Firefox" in report
    for line in (
        r"UDP: Good\.",
        r"Opus: Good\. Sound came",
        r"This line: \w.* 0 % lost",
        "Secure page: Not so good",
    ):
        assert re.search(f"(?m)^{line}", report), report
    assert network.ipv4 not in report
    # The test page by UDP, and by TCP in its place.
    assert counted["connected"] in (3, 4)
