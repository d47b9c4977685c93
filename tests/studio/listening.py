"""What the Studio tests share: an instrument whose every sample is known, and a page that listens to it."""

from __future__ import annotations

import asyncio
import base64
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pytest

from tests.rig.server import RtcServer

RATE = 44_100
QUANTUM = 128

_RECORD = """async (frames) => {
  const recording = await rtcserver.studio.record(frames);
  const text = (array) => {
    const bytes = new Uint8Array(array.buffer);
    let all = "";
    for (let at = 0; at < bytes.length; at += 32768) all += String.fromCharCode(...bytes.subarray(at, at + 32768));
    return btoa(all);
  };
  return Object.fromEntries(Object.entries(recording).map(([name, array]) => [name, text(array)]));
}"""

PEERS = """
const { RTCPeerConnection: Native } = window;
window.peers = [];
window.RTCPeerConnection = class extends Native {
  constructor(configuration) {
    super(configuration);
    window.peers.push(this);
    // Worse than any page: whatever the browser decodes, is played.
    this.addEventListener("track", ({ track }) => {
      const audio = new Audio();
      audio.srcObject = new MediaStream([track]);
      audio.play();
      setInterval(() => { track.enabled = true; }, 50);
    });
  }
};
"""
"""Keeps every connection of the page in `peers`, and plays all that is decoded; see `decoded`."""


class Page(Protocol):
    """What is used of Playwright's page and of the rig's Firefox page alike."""

    async def evaluate(self, expression: str, arg: Any = None) -> Any: ...

    async def click(self, selector: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Recording:
    """What left the worklet. samples: ``(frames, 2)`` float32; the others hold one value a quantum of 128.

    frames: device frame number of the first sample. exact: whether the page calls the quantum a copy.
    """

    samples: npt.NDArray[np.float32]
    frames: npt.NDArray[np.float64]
    exact: npt.NDArray[np.uint8]
    wall_ms: npt.NDArray[np.float64]

    def null_test(self, played: npt.NDArray[np.int32], bits: int) -> tuple[int, float]:
        """``(exact quanta, largest difference)`` from what the instrument plays, looped from frame 0."""
        worst = 0.0
        chosen = np.flatnonzero(self.exact)
        for quantum in chosen:
            place = np.arange(QUANTUM) + int(self.frames[quantum])
            want = played[place % len(played)].astype(np.float64) / (1 << (bits - 1))
            got = self.samples[quantum * QUANTUM : (quantum + 1) * QUANTUM].astype(np.float64)
            worst = max(worst, float(np.abs(got - want).max()))
        return len(chosen), worst


def noise(path: Path, seconds: float = 3.0) -> npt.NDArray[np.int32]:
    """A 24-bit WAV file of seeded noise at 44.1 kHz, both sides different; its ``(frames, 2)`` samples."""
    rng = np.random.default_rng(20)
    samples = rng.integers(-(1 << 21), 1 << 21, (round(seconds * RATE), 2), np.int32)
    with wave.open(str(path), "wb") as file:
        file.setparams((2, 3, RATE, 0, "NONE", ""))
        file.writeframes(np.ascontiguousarray(samples, "<i4").view(np.uint8).reshape(-1, 4)[:, :3].tobytes())
    return samples


async def until(page: Page, expression: str, timeout_s: float = 20.0) -> Any:
    """Poll a JavaScript expression until it is truthy."""
    for _ in range(round(timeout_s / 0.1)):
        value = await page.evaluate(expression)
        if value:
            return value
        await asyncio.sleep(0.1)
    said = await page.evaluate(
        "JSON.stringify([rtcserver.state, rtcserver.studio.session, rtcserver.studio.stats()])"
    )
    pytest.fail(f"not in {timeout_s} s: {expression}; the page: {said}")


async def listen(page: Page) -> None:
    """Press Listen, and wait for the sound."""
    await page.click("#listen")
    await until(page, "rtcserver.state === 'live'")


async def studio(page: Page) -> None:
    """Choose Studio with exact samples, whatever a busy machine looks like, and wait until it is what one hears."""
    await page.evaluate("rtcserver.studio.pin('exact')")
    await page.click("#mode-studio")
    await until(page, "rtcserver.studio.state === 'playing'")


async def record(page: Page, seconds: float) -> Recording:
    """What leaves the worklet from now on."""
    texts = await page.evaluate(_RECORD, round(seconds * RATE))

    def array(name: str, dtype: type[np.generic]) -> npt.NDArray[Any]:
        return np.frombuffer(base64.b64decode(texts[name]), dtype)

    samples = np.stack([array("left", np.float32), array("right", np.float32)], axis=1)
    return Recording(
        samples, array("frames", np.float64), array("exact", np.uint8), array("wallMs", np.float64)
    )


async def record_exact(page: Page, quanta: int, timeout_s: float = 30.0) -> Recording:
    """A recording with so many exact quanta: a busy machine may have to follow its clock for a while."""
    for _ in range(round(timeout_s)):
        recording = await record(page, 1)
        if recording.exact.sum() >= quanta:
            return recording
    said = await page.evaluate("JSON.stringify(rtcserver.studio.stats())")
    pytest.fail(f"no {quanta} exact quanta within {timeout_s} s; the page: {said}")


async def decoded(page: Page) -> list[dict[str, float]]:
    """Packets that each of `PEERS` received, and the energy of what it decoded and played, since it began."""
    found: list[dict[str, float]] = await page.evaluate(
        """async () => Promise.all(peers.map(async (peer) => {
          const all = [...(await peer.getStats()).values()];
          const inbound = all.find(({type, kind}) => type === "inbound-rtp" && kind === "audio") ?? {};
          return {packets: inbound.packetsReceived ?? 0, energy: inbound.totalAudioEnergy ?? 0};
        }))"""
    )
    return found


def listeners(server: RtcServer) -> int:
    """Sessions of the server's room."""
    return len(server.get_json("/api/rooms/main")["sessions"])
