"""The page's decoders of Opus in Chromium's and Firefox's workers, under the policy that the server sends: both give what
libopus gives, conceal, and go on after foreign bytes."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.encode.decoder_vectors import FOLDER, decoded_by_system
from tests.realtime import ROOT
from tests.rig.chromium import Chromium
from tests.rig.firefox import Firefox, NullSink
from tests.signaling.served import serve

pytestmark = pytest.mark.unhurried("asserts samples and counters")

VECTORS = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}
CLOSE = 1e-4
CLOSE_CONCEALED = 5e-4
"""Builds of libopus add in different orders, and concealment builds upon the sound before."""
AFTER = 4
"""So many packets after a loss still show it."""

_WORKER = """
import { opusDecoder } from "./opus.js";
const bytesOf = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
onmessage = async ({ data: { events, prefer } }) => {
  try {
    const decoder = await opusDecoder(2, 48000, prefer);
    const parts = [];
    const lengths = [];
    await Promise.all(events.map((event) => new Promise((resolve) => {
      const done = (planes, frames) => {
        const part = new Float32Array(2 * frames);
        planes.forEach((plane, side) => plane.forEach((sample, frame) => { part[2 * frame + side] = sample; }));
        parts.push(part);
        lengths.push(frames);
        resolve();
      };
      if (typeof event === "number") decoder.conceal(event, done);
      else decoder.decode(bytesOf(event.replace("!", "")), done);
    })));
    const { name, errors } = decoder;
    decoder.close();
    postMessage({ name, errors, lengths, sound: await new Blob(parts).arrayBuffer() });
  } catch (error) {
    postMessage({ failed: `${error.message}` });
  }
};
"""
_DECODE = """async ({script, events, prefer}) => {
  const worker = new Worker(script, {type: "module"});
  const answer = new Promise((resolve, reject) => {
    worker.onmessage = ({data}) => resolve(data);
    worker.onerror = (event) => reject(new Error(event.message ?? "the worker does not start"));
  });
  worker.postMessage({events, prefer});
  const {sound, ...said} = await answer;
  worker.terminate();
  if (!sound) return said;
  const url = await new Promise((resolve) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.readAsDataURL(new Blob([sound]));
  });
  return {...said, sound: url.slice(url.indexOf(",") + 1)};
}"""

MAY_COMPILE = "/static/studio/engine/worker.js"
MAY_NOT = "/static/studio/engine/other.js"


@asynccontextmanager
async def page_at(folder: Path) -> AsyncIterator[str]:
    """The address of an empty page beside a copy of the engine, with a worker of ours in place of Studio's."""
    static = folder / "static"
    engine = static / "studio" / "engine"
    shutil.copytree(ROOT / "static" / "studio" / "engine", engine)
    for name in ("worker.js", "other.js"):
        (engine / name).write_text(_WORKER)
    (static / "empty.html").write_text("<!doctype html><title>Empty</title>")
    async with serve(static) as served:
        yield str(served.url("/static/empty.html"))


async def decoded(page: Any, name: str, prefer: str, script: str = MAY_COMPILE) -> dict[str, Any]:
    arguments = {"script": script, "events": VECTORS[name]["events"], "prefer": prefer}
    said: dict[str, Any] = await page.evaluate(_DECODE, arguments)
    assert "failed" not in said, said["failed"]
    return said


def samples_of(said: dict[str, Any]) -> npt.NDArray[np.float32]:
    return np.frombuffer(base64.b64decode(said["sound"]), np.float32)


def limits_of(name: str, lengths: list[int]) -> npt.NDArray[np.float64]:
    """How near each sample has to be."""
    limits = []
    behind = 0
    for event, frames in zip(VECTORS[name]["events"], lengths, strict=True):
        lost = isinstance(event, int) or event.startswith("!")
        behind = AFTER if lost else behind - 1
        limits.append(np.full(2 * frames, CLOSE_CONCEALED if behind > 0 else CLOSE))
    return np.concatenate(limits)


async def check(page: Any) -> None:
    """Both ways give what a libopus gives: WebAssembly what the one of its own version gives, the browser's decoder either
    that or what the system's gives, as Debian's Chromium does."""
    for name, vector in VECTORS.items():
        bundled = np.frombuffer(base64.b64decode(vector["pcm"]), "<i2") / 32768
        systems = decoded_by_system(vector["events"], vector["frames"])
        foreign = sum(str(event).startswith("!") for event in vector["events"])
        found = {}
        for prefer in ("wasm", "webcodecs"):
            said = await decoded(page, name, prefer)
            assert (said["name"], said["errors"]) == (prefer, foreign)
            frames = [event if isinstance(event, int) else vector["frames"] for event in vector["events"]]
            assert said["lengths"] == frames
            found[prefer] = samples_of(said)
        limits = limits_of(name, frames)
        assert (np.abs(found["wasm"] - bundled) < limits).all(), name
        theirs = [bool((np.abs(found["webcodecs"] - one) < limits).all()) for one in (bundled, systems)]
        assert any(theirs), name
        if name == "clean":
            assert np.abs(found["wasm"] - found["webcodecs"]).max() < CLOSE


async def test_chromium_decodes_as_libopus_does_in_both_ways(tmp_path: Path) -> None:
    async with page_at(tmp_path) as url, Chromium() as browser:
        page = await browser.open(url, bypass_csp=False)
        await check(page)
        # A worker that may not compile, and a script of the page itself, which may not either.
        said = await decoded(page, "clean", "wasm", MAY_NOT)
        assert said["name"] == "webcodecs"
        compiling = "WebAssembly.compile(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]))"
        refused = await page.evaluate(f"() => {compiling}.then(() => 'compiled', (error) => error.name)")
        assert refused == "CompileError"


async def test_firefox_decodes_as_libopus_does_in_both_ways(tmp_path: Path) -> None:
    async with page_at(tmp_path) as url:
        with NullSink() as sink:
            async with Firefox(sink) as browser:
                page = await browser.open(url)
                await check(page)
                said = await decoded(page, "clean", "wasm", MAY_NOT)
                assert said["name"] == "webcodecs"
