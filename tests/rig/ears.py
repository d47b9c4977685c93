"""Many listeners in one page of Chromium, each with a peer connection in reach: joined, counted, recorded.

Signaling is this process's: the page makes and takes descriptions, so that any server will do, whatever it allows to
other sites, and relays rewrite them on the way.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import numpy as np
import numpy.typing as npt
from playwright.async_api import Page

from tests.rig.chromium import Chromium

Edit = Callable[[str], str]
Mono = npt.NDArray[np.float64]
RATE = 48_000
TIMEOUT_S = 20.0

_EARS = """() => {
  const all = new Map();
  const stereo = (sdp) => {
    const opus = /^a=rtpmap:(\\d+) opus\\/48000\\/2/im.exec(sdp)?.[1];
    return sdp.includes("stereo=1") ? sdp : sdp.replace(`a=fmtp:${opus} `, `a=fmtp:${opus} stereo=1;`);
  };
  const gathered = (pc) => new Promise((done) => {
    const look = () => pc.iceGatheringState === "complete" && done();
    pc.onicegatheringstatechange = look;
    look();
  });
  const make = (name) => {
    const pc = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
    const audio = document.body.appendChild(document.createElement("audio"));
    const ear = { pc, audio, began: performance.now(), track: null };
    pc.ontrack = ({ track, streams }) => {
      ear.track = track;
      audio.srcObject = streams[0] ?? new MediaStream([track]);
      audio.play();
    };
    all.set(name, ear);
    return ear;
  };
  window.ears = {
    async offer(name) {
      const { pc } = make(name);
      pc.addTransceiver("audio", { direction: "recvonly" });
      await pc.setLocalDescription({ type: "offer", sdp: stereo((await pc.createOffer()).sdp) });
      await gathered(pc);
      return stereo(pc.localDescription.sdp);
    },
    answered: (name, sdp) => all.get(name).pc.setRemoteDescription({ type: "answer", sdp }),
    async answer(name, sdp) {
      const { pc } = make(name);
      await pc.setRemoteDescription({ type: "offer", sdp });
      await pc.setLocalDescription({ type: "answer", sdp: stereo((await pc.createAnswer()).sdp) });
      await gathered(pc);
      return pc.localDescription.sdp;
    },
    /** Ms from the description to the first packet; null if none came in time. */
    async joined(name, timeoutMs) {
      const { pc, began } = all.get(name);
      while (performance.now() < began + timeoutMs) {
        const inbound = [...(await pc.getStats()).values()].find(({ type }) => type === "inbound-rtp");
        if (inbound?.packetsReceived) return performance.now() - began;
        await new Promise((done) => setTimeout(done, 10));
      }
      return null;
    },
    async stats(name) {
      const { pc } = all.get(name);
      const reports = [...(await pc.getStats()).values()];
      const of = (type) => reports.find((one) => one.type === type) ?? {};
      const inbound = of("inbound-rtp");
      const pair = reports.find((one) => one.id === of("transport").selectedCandidatePairId) ?? {};
      const remote = reports.find((one) => one.id === pair.remoteCandidateId) ?? {};
      const payloadType = reports.find((one) => one.id === inbound.codecId)?.payloadType;
      return { ...inbound, remote: `${remote.address}:${remote.port}`, protocol: remote.protocol, payloadType,
        state: pc.connectionState };
    },
    /** The left side as 16-bit samples, in base64, straight from the track: no AudioContext whose clock may stumble. */
    async record(name, seconds) {
      const { track } = all.get(name);
      const reader = new MediaStreamTrackProcessor({ track, maxBufferSize: 500 }).readable.getReader();
      const wanted = Math.round(seconds * 48000);
      const sound = new Int16Array(wanted + 4800);
      let at = 0;
      while (at < wanted) {
        const { value, done } = await reader.read();
        if (done) break;
        if (value.sampleRate !== 48000) throw new Error(`the track has ${value.sampleRate} Hz`);
        const part = new Float32Array(value.numberOfFrames);
        value.copyTo(part, { planeIndex: 0, format: "f32-planar" });
        value.close();
        for (let i = 0; i < part.length && at < sound.length; i++) {
          sound[at++] = Math.max(-32768, Math.min(32767, Math.round(part[i] * 32768)));
        }
      }
      reader.cancel();
      return new Promise((resolve) => {
        const file = new FileReader();
        file.onload = () => resolve(file.result.slice(file.result.indexOf(",") + 1));
        file.readAsDataURL(new Blob([sound.subarray(0, at)]));
      });
    },
    close(name) {
      const ear = all.get(name);
      all.delete(name);
      ear?.pc.close();
      ear?.audio.remove();
    },
  };
}"""


@dataclass(frozen=True, slots=True)
class Session:
    """A server's answer, the session's URL, and how it is ended there."""

    answer: str
    location: str
    leave: Callable[[], Awaitable[None]]


Signal = Callable[[str], Awaitable[Session]]
"""Takes an offer, gives the answer: a WHEP endpoint (`whep`)."""


class Ears:
    """``ears = await Ears.open(browser)``. Names are the caller's; one name is one listener."""

    def __init__(self, page: Page) -> None:
        self.page = page

    @classmethod
    async def open(cls, browser: Chromium) -> Ears:
        """In an empty page of its own."""
        page = await browser.blank()
        await page.evaluate(_EARS)
        return cls(page)

    async def join(self, name: str, signal: Signal, *, offer: Edit = str, answer: Edit = str) -> Session:
        """Offer to a server. offer, answer: what becomes of the descriptions on the way, as `UdpRelay` has it."""
        session = await signal(offer(await self.page.evaluate("name => ears.offer(name)", name)))
        await self.page.evaluate("([name, sdp]) => ears.answered(name, sdp)", [name, answer(session.answer)])
        return session

    async def accept(self, name: str, sdp: str) -> str:
        """Answer the offer of a server that makes them itself."""
        return str(await self.page.evaluate("([name, sdp]) => ears.answer(name, sdp)", [name, sdp]))

    async def joined_ms(self, name: str, timeout_s: float = TIMEOUT_S) -> float | None:
        """From the beginning of the join to the first packet; None if there is none in time."""
        arguments = [name, timeout_s * 1000]
        found = await self.page.evaluate("([name, ms]) => ears.joined(name, ms)", arguments)
        return None if found is None else float(found)

    async def stats(self, name: str) -> dict[str, Any]:
        """Its ``inbound-rtp`` statistics, and ``remote``, ``protocol``, ``payloadType``, ``state`` of its connection."""
        found: dict[str, Any] = await self.page.evaluate("name => ears.stats(name)", name)
        return found

    async def record(self, name: str, seconds: float) -> Mono:
        """So much of what it plays from now on, the left side at 48 kHz, from -1 to 1."""
        text = await self.page.evaluate("([name, s]) => ears.record(name, s)", [name, seconds])
        return np.frombuffer(base64.b64decode(text), "<i2").astype(np.float64) / 32_768

    async def close(self, name: str) -> None:
        """End its connection, without a word to the server."""
        await self.page.evaluate("name => ears.close(name)", name)


def whep(http: aiohttp.ClientSession, url: str) -> Signal:
    """A WHEP endpoint. The signal raises RuntimeError unless it answers 201."""

    async def post(sdp: str) -> Session:
        headers = {"Content-Type": "application/sdp"}
        async with http.post(url, data=sdp.encode(), headers=headers) as response:
            text = await response.text()
            if response.status != 201:
                raise RuntimeError(f"{url} answers {response.status}: {text[:200]}")
            location = response.url.join(response.url.with_path(response.headers["Location"]))

        async def leave() -> None:
            async with http.delete(location):
                pass

        return Session(text, str(location), leave)

    return post


def growth(before: dict[str, Any], after: dict[str, Any]) -> dict[str, float]:
    """How much each figure has grown between two statistics of one listener; ``timestamp`` in ms."""
    numbers = {key: value for key, value in after.items() if isinstance(value, int | float)}
    return {key: value - before.get(key, 0) for key, value in numbers.items()}
