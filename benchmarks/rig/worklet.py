"""Several AudioWorklets in one page record the same stream, with the time of each call of ``process()``."""

from __future__ import annotations

import base64

import numpy as np
from playwright.async_api import Page

from tests.rig.chromium import QUANTUM, RATE, Heard

_WORKLET = """
registerProcessor("bench-recorder", class extends AudioWorkletProcessor {
  constructor({processorOptions: {quanta}}) {
    super();
    this.sound = new Float32Array(quanta * 128);
    this.wall = new Float64Array(quanta);
    this.count = 0;
  }
  process([[left]]) {
    if (this.count === this.wall.length) return false;
    if (left) this.sound.set(left, this.count * 128);
    this.wall[this.count++] = Date.now();
    if (this.count < this.wall.length) return true;
    this.port.postMessage([this.sound, this.wall], [this.sound.buffer, this.wall.buffer]);
    return false;
  }
});
"""

_RECORD = """async ({hints, quanta, worklet, rate}) => {
  const stream = document.querySelector("#audio").srcObject;
  const url = URL.createObjectURL(new Blob([worklet], {type: "text/javascript"}));
  const text = (array) => new Promise((resolve) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.readAsDataURL(new Blob([array]));
  });
  const record = async (latencyHint, index) => {
    // Each begins at another phase of WebRTC's 10 ms.
    await new Promise((resolve) => setTimeout(resolve, index * 103.3));
    const context = new AudioContext({sampleRate: rate, latencyHint});
    await context.audioWorklet.addModule(url);
    await context.resume();
    const node = new AudioWorkletNode(context, "bench-recorder", {processorOptions: {quanta}});
    const done = new Promise((resolve) => { node.port.onmessage = ({data}) => resolve(data); });
    context.createMediaStreamSource(stream).connect(node).connect(context.destination);
    const [sound, wall] = await done;
    await context.close();
    return [await text(sound), await text(wall)];
  };
  return Promise.all(hints.map(record));
}"""


async def record(page: Page, seconds: float, hints: list[float | str]) -> list[Heard]:
    """What the page's ``<audio>`` element plays, recorded by one AudioContext for each latency hint.

    Samples are the left side only, ``(frames, 1) float32``.
    """
    quanta = -(-round(seconds * RATE) // QUANTUM)
    arguments = {"hints": hints, "quanta": quanta, "worklet": _WORKLET, "rate": RATE}
    return [
        Heard(
            np.frombuffer(base64.b64decode(sound), np.float32).reshape(-1, 1),
            np.frombuffer(base64.b64decode(wall), np.float64),
        )
        for sound, wall in await page.evaluate(_RECORD, arguments)
    ]
