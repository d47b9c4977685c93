"""No session ever hears PCM through a decoder: whatever is missing, dead or unset on the way.

All that the browser decodes in these tests is played, and its energy read from the browser's own counters.
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Self

import pytest

from tests.attempts import Measurements
from tests.main_job.test_listening import live
from tests.rig.chromium import Chromium
from tests.rig.process import wait_until
from tests.rig.server import RtcServer
from tests.studio.listening import PEERS, decoded, listen, studio, until
from tests.studio.test_chromium import NO_TRANSFORM

pytestmark = pytest.mark.unhurried("asserts that nothing is decoded, and waits for states")

TRANSFORM_NOT_ATTACHED = """
Object.defineProperty(RTCRtpReceiver.prototype, "transform", {get() { return null; }, set() {}});
"""
NO_STUDIO_CHANNEL = """
const { createDataChannel } = RTCPeerConnection.prototype;
RTCPeerConnection.prototype.createDataChannel = function (label, options) {
  return createDataChannel.call(this, label === "studio" ? "elsewhere" : label, options);
};
"""
"""The channel opens, but the server does not know it."""
FLAG_UNSET = """
const { RTCPeerConnection: Counted } = window;
window.RTCPeerConnection = class extends Counted {
  constructor({ encodedInsertableStreams, ...configuration } = {}) { super(configuration); }
};
"""
WORKERS = """
window.workers = [];
const { Worker: NativeWorker } = window;
window.Worker = class extends NativeWorker {
  constructor(...all) { super(...all); window.workers.push(this); }
};
"""
DEAD_WORKERS = """
const { Worker: Mortal } = window;
window.Worker = class extends Mortal {
  constructor(...all) { super(...all); this.terminate(); }
};
"""
DECEIVER = """async () => {
  // No transform, no flag, and yet it says that it is ready.
  const peer = new RTCPeerConnection();
  peer.addTransceiver("audio", {direction: "recvonly"});
  const telemetry = peer.createDataChannel("telemetry");
  // In its first words, before the broadcast process knows it: they must not be lost, or this test hears silence only.
  telemetry.onopen = () => {
    telemetry.send(JSON.stringify({type: "hello", version: 1}));
    telemetry.send(JSON.stringify({type: "studio_ready", version: 1}));
  };
  await peer.setLocalDescription();
  const response = await fetch("/r/main/whep", {
    method: "POST", body: peer.localDescription.sdp,
    headers: {"Content-Type": "application/sdp", "Rtcserver-Mode": "studio"},
  });
  await peer.setRemoteDescription({type: "answer", sdp: await response.text()});
  return response.status;
}"""


async def until_payload(server: RtcServer, mode: str, payload: str) -> None:
    """Wait until the session of this mode is sent such packets."""

    def sent() -> bool:
        sessions = server.get_json("/api/rooms/main")["sessions"]
        return payload in [session.get("payload") for session in sessions if session["mode"] == mode]

    await asyncio.to_thread(wait_until, sent, f"{payload} for {mode}", 10)


async def _opened(browser: Chromium, server: RtcServer, script: str = "") -> Any:
    page = await browser.open("about:blank")
    await page.add_init_script(PEERS + script)
    await page.goto(server.room_url)
    return page


async def _packets(page: Any, peer: int, count: int) -> list[dict[str, float]]:
    """Wait until a connection has so many packets more than now."""
    before = (await decoded(page))[peer]["packets"]
    for _ in range(200):
        now = await decoded(page)
        if now[peer]["packets"] >= before + count:
            return now
        await asyncio.sleep(0.1)
    pytest.fail(f"not {count} packets in 20 s: {now}")


class Watched:
    """What the server sends to each session of its room, looked at all the time."""

    def __init__(self, server: RtcServer) -> None:
        self._server = server
        self.payloads: dict[str, list[str]] = {}
        """Kinds by session's mode, each once, in order; Opus is Opus, however many earlier frames its packets carry."""

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._look())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._once()
        self._task.cancel()

    async def _look(self) -> None:
        while True:
            await self._once()
            await asyncio.sleep(0.05)

    async def _once(self) -> None:
        room = await asyncio.to_thread(self._server.get_json, "/api/rooms/main")
        for session in room["sessions"]:
            kinds = self.payloads.setdefault(session["mode"], [])
            kind = session.get("payload", "").partition("+")[0]
            if kind and kind not in kinds:
                kinds.append(kind)


FRAMELESS = {
    "transform not attached": (TRANSFORM_NOT_ATTACHED, "studio"),
    "worker dead from the start": (DEAD_WORKERS, "studio"),
    "channel not known": (NO_TRANSFORM + NO_STUDIO_CHANNEL, "studio-channel"),
}
"""Why no frame comes to the worker: what the page lacks, as a script before its own, and the mode it then asks for."""


@dataclass(frozen=True, slots=True)
class Fallen:
    """A page that went back to Listen. decoded: by connection, as `decoded` says; payloads: as `Watched` has them."""

    state: list[str]
    line: str | None
    decoded: list[dict[str, float]]
    payloads: dict[str, list[str]]


@pytest.fixture
def fallen(measurements: Measurements) -> dict[str, Fallen]:
    return measurements.of_this_attempt(fall_from_studio)


def fall_from_studio() -> dict[str, Fallen]:
    """A page and a server for each of `FRAMELESS`, all at once: each page waits ten seconds for its first frame."""

    async def fall(browser: Chromium, server: RtcServer, script: str) -> Fallen:
        async with Watched(server) as watched:
            page = await _opened(browser, server, script)
            await listen(page)
            await page.evaluate("rtcserver.studio.pin('exact')")
            await page.click("#mode-studio")
            await until(page, "rtcserver.studio.session.notice")
            state = await page.evaluate("[rtcserver.state, rtcserver.studio.state]")
            energies = await decoded(page)
            line = await page.text_content("#studio-line")
        return Fallen(state, line, energies, watched.payloads)

    async def all_of_them(servers: list[RtcServer]) -> list[Fallen]:
        async with Chromium() as browser:
            scripts = [script for script, _ in FRAMELESS.values()]
            return await asyncio.gather(
                *(fall(browser, *both) for both in zip(servers, scripts, strict=True))
            )

    with ExitStack() as stack:
        servers = [stack.enter_context(RtcServer(instrument="tone")) for _ in FRAMELESS]
        for server in servers:
            server.wait_healthy(live)
        return dict(zip(FRAMELESS, asyncio.run(all_of_them(servers)), strict=True))


@pytest.mark.parametrize("why", FRAMELESS)
def test_without_frames_in_the_worker_there_is_no_pcm(fallen: dict[str, Fallen], why: str) -> None:
    page, (_, mode) = fallen[why], FRAMELESS[why]
    assert page.state == ["live", "off"]
    assert page.line is not None
    assert page.line.endswith("You are in Listen.")
    first, *others = page.decoded
    assert first["energy"] > 0, "what Listen decodes can be heard, so the measurement works"
    assert others
    assert all(one["energy"] == 0 for one in others)
    assert page.payloads["listen"] == ["opus"]
    # Where it was refused at once, nobody may have looked in time.
    assert set(page.payloads.get(mode, [])) <= {"silence"}


async def test_without_transforms_pcm_never_is_in_rtp() -> None:
    with RtcServer(instrument="tone") as server:
        server.wait_healthy(live)
        async with Chromium() as browser, Watched(server) as watched:
            page = await _opened(browser, server, NO_TRANSFORM)
            await listen(page)
            before = await _packets(page, 0, 50)
            await studio(page)
            heard = await _packets(page, 1, 100)
    assert before[0]["energy"] > 0
    assert heard[1]["energy"] == 0
    assert watched.payloads == {"listen": ["opus"], "studio-channel": ["silence"]}


async def test_without_the_flag_nothing_is_decoded() -> None:
    """Chromium 156 hands out frames without it, too, if the transform was there before the offer."""
    with RtcServer(instrument="tone") as server:
        server.wait_healthy(live)
        async with Chromium() as browser, Watched(server) as watched:
            page = await _opened(browser, server, FLAG_UNSET)
            await listen(page)
            await page.evaluate("rtcserver.studio.pin('exact')")
            await page.click("#mode-studio")
            await until(page, "rtcserver.studio.session.notice || rtcserver.studio.state === 'playing'")
            heard = await decoded(page)
    assert heard[1]["energy"] == 0
    assert watched.payloads["studio"][0] == "silence"


async def test_when_the_worker_dies_there_is_silence_and_then_listen() -> None:
    with RtcServer(instrument="tone") as server:
        server.wait_healthy(live)
        async with Chromium() as browser:
            page = await _opened(browser, server, WORKERS)
            await listen(page)
            await studio(page)
            await page.evaluate("workers.forEach((worker) => worker.terminate())")
            heard = await _packets(page, 1, 500)
            await until(page, "rtcserver.studio.session.offered")
            await until(page, "rtcserver.studio.state === 'off' && rtcserver.state === 'live'")
            notice = await page.evaluate("rtcserver.studio.session.notice")
    assert heard[1]["energy"] == 0, "over a second of PCM came, and none of it was decoded"
    assert notice


async def test_pcm_that_reaches_a_decoder_all_the_same_is_refused_by_it() -> None:
    with RtcServer(instrument="tone") as server:
        server.wait_healthy(live)
        async with Chromium() as browser:
            page = await _opened(browser, server)
            await listen(page)
            assert await page.evaluate(DECEIVER) == 201
            await until_payload(server, "studio", "pcm")
            heard = await _packets(page, 1, 1000)
    assert heard[0]["energy"] > 0
    assert heard[1]["energy"] == 0
