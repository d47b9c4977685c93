// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { TOC_5_MS, framesOf, lossPacket, unitsIn } from "../../../../static/studio/engine/opus-packet.js";
import { anyBytes, bytesOf, module, random, vectors } from "./opus.js";

const CELT_FULLBAND_STEREO = [28, 29, 30, 31].map((config) => (config << 3) | 4);

/** libopus itself. */
function libopus() {
  const exports = /** @type {any} */ (new WebAssembly.Instance(module).exports);
  exports._initialize();
  exports.open(48_000, 2);
  const packet = new Uint8Array(exports.memory.buffer, exports.packet(), 4_096);
  return (/** @type {Uint8Array} */ bytes) => {
    packet.set(bytes);
    return /** @type {number} */ (exports.decode(bytes.length));
  };
}

test("a packet's length is what libopus decodes, and what libopus refuses has none", () => {
  const decode = libopus();
  const next = random(1);
  const found = { valid: 0, refused: 0 };
  for (let round = 0; round < 3_000; round += 1) {
    const bytes = anyBytes(next, 80);
    // Without bytes libopus conceals as much as fits, which no payload should mean.
    if (bytes.length === 0) continue;
    const frames = decode(bytes);
    assert.equal(framesOf(bytes, 48_000), Math.max(0, frames), Buffer.from(bytes).toString("hex"));
    found[frames > 0 ? "valid" : "refused"] += 1;
  }
  assert.ok(found.valid > 500 && found.refused > 500, JSON.stringify(found));
});

test("a frame longer than 1,275 bytes is none", () => {
  for (const [head, most] of /** @type {const} */ ([[[0xf8], 1275], [[0xf9], 2550], [[0xfa, 0], 1275], [[0xfb, 1], 1275], [[0xfb, 0x81], 1275]])) {
    const packet = (/** @type {number} */ length) => Uint8Array.from({ length: head.length + length }, (_, at) => head[at] ?? 7);
    assert.ok(framesOf(packet(most), 48_000) > 0, `${head}`);
    assert.equal(framesOf(packet(most + 2), 48_000), 0, `${head}`);
  }
});

test("packets of our own encoder, at every rate", () => {
  for (const { name, frames, events } of vectors) {
    for (const event of events) {
      if (typeof event === "number") continue;
      const expected = event.startsWith("!") ? 0 : frames;
      assert.equal(framesOf(bytesOf(event.replace("!", "")), 48_000), expected, name);
      assert.equal(framesOf(bytesOf(event.replace("!", "")), 16_000), expected / 3, name);
    }
  }
});

test("the packet of a loss lasts as long as the loss, in frames of the packet before where they fit", () => {
  assert.deepEqual(lossPacket(TOC_5_MS, 2), [TOC_5_MS | 3, 1]);
  assert.deepEqual(lossPacket(TOC_5_MS, 8), [TOC_5_MS | 3, 4]);
  assert.equal(lossPacket(TOC_5_MS, 3)[0], (28 << 3) | 7);
  const decode = libopus();
  for (let toc = 0; toc < 256; toc += 1) {
    for (let units = 1; units <= 48; units += 1) {
      const packet = Uint8Array.from(lossPacket(toc, units));
      assert.equal(framesOf(packet, 48_000), units * 120);
      if (CELT_FULLBAND_STEREO.includes(toc)) assert.equal(decode(packet), units * 120);
    }
  }
});

test("whole units hold a gap", () => {
  assert.deepEqual([1, 120, 121, 240, 5_760, 1e9].map((frames) => unitsIn(frames, 48_000)), [1, 1, 2, 2, 48, 48]);
  assert.equal(unitsIn(40, 16_000), 1);
});
