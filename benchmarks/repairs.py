"""What each repair of lost packets does to a listener: how much is concealed, and how old the sound gets.

A preset of `rtcserver.network.presets` (``--preset lossy-5``), 10 ms frames, a steady tone, a page that only listens. In
Chromium all cases at the same time, each with a server and a relay of its own and the same seed; then in Firefox:

- ``none``: neither is answered with NACK, nor is anything sent again. ``nack``: the server answers with NACK.
- ``red1``, ``red2``: redundancy of level 1 or 2 at most (`rtcserver.peer.redundancy`; Chromium; Firefox reads none).
- ``twice``: each packet again 5 ms later; Chromium's offer and answer are rid of RED and NACK for it.

For each, from ``--settle`` seconds after the network turned bad, for ``--seconds``: ``concealed_pct`` of what sounds and
``events``; ``delay_ms`` and ``target_ms`` of the jitter buffer, means over what left it (null where a browser does not
tell); ``stretched_pct``: samples that were added or left out to change the delay; ``lost_pct`` by the browser's receiver;
``discarded_pct``: packets that Chromium counts as discarded, which with RED are those whose earlier frame was not needed;
``nacks``, and ``kbps`` of what came, as the browser counts. ``payload``, ``copied``: what the server sent at the end.

``chromium_pass``: whether the best that the server does by itself (``red2``) conceals at most 0.06 of ``none`` at 20 ms
more delay at most.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, Protocol

from benchmarks.rig.common import MachineCpu, say
from benchmarks.rig.outcome import LONG_S, Result, main_of
from rtcserver.network.presets import PRESETS
from tests.one_port.serving import ServerIn
from tests.rig.chromium import Chromium
from tests.rig.firefox import Firefox, NullSink
from tests.rig.netns import lan
from tests.rig.relay import UdpRelay
from tests.rig.server import RtcServer

SEED = 11
RED, NACK = r"^a=(rtpmap:63 red|fmtp:63 ).*\r\n", r"^a=rtcp-fb:\d+ nack.*\r\n"
CASES: Mapping[str, tuple[tuple[str, ...], bool, bool]] = {
    # name: (arguments of the server, whether RED stays in the offer, whether NACK stays in the answer)
    "none": (("--no-redundancy",), False, False),
    "nack": (("--no-redundancy",), False, True),
    "red1": (("--redundancy-frames", "1"), True, True),
    "red2": ((), True, True),
    "twice": ((), False, False),
}
IN_FIREFOX = ("none", "nack", "twice")
BY_ITSELF = "red2"
SHARE, MORE_MS = 0.06, 20.0

LISTEN = """async ({url, cutOffer, cutAnswer}) => {
  const pc = new RTCPeerConnection();
  const audio = document.body.appendChild(document.createElement("audio"));
  pc.ontrack = ({streams}) => { audio.srcObject = streams[0]; audio.play(); };
  pc.addTransceiver("audio", {direction: "recvonly"});
  const cut = (sdp, patterns) => patterns.reduce((text, one) => text.replaceAll(new RegExp(one, "gim"), ""), sdp);
  const offer = await pc.createOffer();
  const stereo = offer.sdp.replace(/(a=fmtp:111 )(?!.*stereo)/, "$1stereo=1;");
  const sdp = cut(stereo, cutOffer).replace(cutOffer.length ? /^(m=audio .*?) 63\\b/m : /$^/, "$1");
  await pc.setLocalDescription({type: "offer", sdp});
  if (pc.iceGatheringState !== "complete") {
    await new Promise((done) => {
      pc.onicegatheringstatechange = () => pc.iceGatheringState === "complete" && done();
    });
  }
  const headers = {"Content-Type": "application/sdp"};
  const response = await fetch(url, {method: "POST", headers, body: pc.localDescription.sdp});
  const answer = await response.text();
  if (response.status !== 201) throw new Error(`${response.status}: ${answer}`);
  await pc.setRemoteDescription({type: "answer", sdp: cut(answer, cutAnswer)});
  while (pc.connectionState !== "connected") {
    if (pc.connectionState === "failed") throw new Error("the connection failed");
    await new Promise((done) => setTimeout(done, 20));
  }
  window.inbound = async () => {
    const all = [...(await pc.getStats()).values()];
    return {...all.find((one) => one.type === "inbound-rtp")};
  };
}"""
GROWN = "window.inbound()"


class Page(Protocol):
    """A page of Chromium or Firefox."""

    async def evaluate(self, expression: str, arg: Any = None) -> Any: ...


def figures(before: Mapping[str, Any], after: Mapping[str, Any], sent: Mapping[str, Any]) -> dict[str, Any]:
    """What a case came to. before, after: a browser's inbound-rtp. sent: what the server says of its session."""

    def grown(name: str) -> float | None:
        return None if name not in after else float(after[name]) - float(before.get(name, 0))

    def each(name: str, of: str, unit: float) -> float | None:
        above, below = grown(name), grown(of)
        return None if above is None or not below else round(unit * above / below, 2)

    played = grown("totalSamplesReceived") or 0.0
    made_up = (grown("concealedSamples") or 0.0) - (grown("silentConcealedSamples") or 0.0)
    stretched = (grown("insertedSamplesForDeceleration") or 0.0) + (
        grown("removedSamplesForAcceleration") or 0.0
    )
    packets, lost = grown("packetsReceived") or 0.0, grown("packetsLost") or 0.0
    seconds = (after["timestamp"] - before["timestamp"]) / 1000
    return {
        "concealed_pct": round(100 * made_up / played, 3) if played else None,
        "events": grown("concealmentEvents"),
        "delay_ms": each("jitterBufferDelay", "jitterBufferEmittedCount", 1000),
        "target_ms": each("jitterBufferTargetDelay", "jitterBufferEmittedCount", 1000),
        "stretched_pct": round(100 * stretched / played, 2) if played else None,
        "lost_pct": round(100 * lost / max(1.0, packets + lost), 2),
        "discarded_pct": each("packetsDiscarded", "packetsReceived", 100),
        "nacks": grown("nackCount"),
        "kbps": round((grown("bytesReceived") or 0.0) * 8 / 1000 / seconds, 1),
        "payload": sent.get("payload"),
        "copied": sent.get("copied", 0),
    }


async def case(
    page: Page, name: str, server: RtcServer, relay: UdpRelay, preset: str, settle: float, seconds: float
) -> dict[str, Any]:
    """Listen, let the network turn bad, and measure."""
    _, red, nack = CASES[name]
    url = f"{page_url(server)}/whep"
    cuts = {"url": url, "cutOffer": [] if red else [RED], "cutAnswer": [] if nack else [NACK]}
    await page.evaluate(LISTEN, cuts)
    how = PRESETS[preset]
    relay.impair(up=how.up, down=how.down)
    await asyncio.sleep(settle)
    before = await page.evaluate(GROWN)
    await asyncio.sleep(seconds)
    after = await page.evaluate(GROWN)
    session = (await asyncio.to_thread(server.get_json, "/api/rooms/main"))["sessions"][0]
    found = figures(before, after, session)
    say(f"  {name}: {found}")
    return found


def page_url(server: RtcServer) -> str:
    """The room, at the address that browsers reach it by."""
    return (
        server.room_url if not isinstance(server, ServerIn) else f"http://192.168.77.1:{server.port}/r/main"
    )


async def in_chromium(names: list[str], preset: str, settle: float, seconds: float) -> dict[str, Any]:
    """All at the same time."""
    with ExitStack() as stack:
        parts = {}
        for name in names:
            relay = stack.enter_context(UdpRelay(seed=SEED, spare=("stun", "dtls")))
            host, port = relay.address
            server = stack.enter_context(
                RtcServer(
                    instrument="tone", public_host=host, public_media_port=port, arguments=CASES[name][0]
                )
            )
            relay.route(("127.0.0.1", server.port))
            server.wait_healthy(lambda said: bool(said["status"] == "ok"))
            parts[name] = server, relay
        async with Chromium() as browser:
            pages = {name: await browser.open(page_url(parts[name][0])) for name in names}
            found = await asyncio.gather(
                *(case(pages[name], name, *parts[name], preset, settle, seconds) for name in names)
            )
    return dict(zip(names, found, strict=True))


async def in_firefox(names: list[str], preset: str, settle: float, seconds: float) -> dict[str, Any]:
    """One after another: each server is on the one port of its network."""
    found = {}
    with lan() as network:
        for name in names:
            with ExitStack() as stack:
                with network.server.entered():
                    relay = stack.enter_context(
                        UdpRelay(seed=SEED, spare=("stun", "dtls"), host=network.ipv4)
                    )
                host, port = relay.address
                server = ServerIn(network.server, public_host=host, public_media_port=port)
                server._arguments = CASES[name][0]
                stack.enter_context(server)
                relay.route((network.ipv4, server.port))
                sink = stack.enter_context(NullSink())
                with network.client.entered():
                    async with Firefox(sink) as browser:
                        page = await browser.open(page_url(server))
                        found[name] = await case(page, name, server, relay, preset, settle, seconds)
    return found


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", choices=sorted(PRESETS), default="lossy-5")
    parser.add_argument("--settle", type=float, default=12.0)
    parser.add_argument("--seconds", type=float, default=40.0, help="of each case (default 40)")
    parser.add_argument("--cases", default=",".join(CASES), help="some of none,nack,red1,red2,twice")
    parser.add_argument("--browsers", default="chromium,firefox")
    arguments = parser.parse_args()
    names = [name for name in CASES if name in arguments.cases.split(",")]
    result, before = Result(peers=2), MachineCpu.now()
    arguments_of_all = (arguments.preset, arguments.settle, arguments.seconds)
    for browser, listen in (("chromium", in_chromium), ("firefox", in_firefox)):
        if browser not in arguments.browsers.split(","):
            continue
        say(browser)
        mine = names if browser == "chromium" else [name for name in names if name in IN_FIREFOX]
        with result.peer(browser, (browser,)) as found:
            found[browser] = asyncio.run(listen(mine, *arguments_of_all))
    passed = None
    chromium = result.figures.get("chromium") or {}
    if "none" in chromium and BY_ITSELF in chromium:
        plain, ours = chromium["none"], chromium[BY_ITSELF]
        passed = (
            ours["concealed_pct"] <= SHARE * plain["concealed_pct"]
            and ours["delay_ms"] <= plain["delay_ms"] + MORE_MS
        )
    return result.emit(
        preset=arguments.preset,
        chromium_pass=passed,
        machine_busy_pct=before.busy_pct(MachineCpu.now()),
    )


if __name__ == "__main__":
    raise SystemExit(main_of(main, LONG_S))
