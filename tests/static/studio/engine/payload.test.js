import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { isStudio, readPayload, sampleAt, splitMessage } from "../../../../static/studio/engine/payload.js";
import { payload } from "./traces.js";

const vectors = JSON.parse(readFileSync(new URL("../../../vectors/studio/payload.json", import.meta.url), "utf8"));

/** @param {string} hex */
const bytesOf = (hex) => Uint8Array.from(Buffer.from(hex, "hex"));

/** @param {Uint8Array} bytes @param {number} at @param {16 | 24} bits @param {number} frames */
function samples(bytes, at, bits, frames) {
  const width = bits / 8;
  return Array.from({ length: frames }, (_, frame) =>
    [0, 1].map((side) => sampleAt(bytes, at + (2 * frame + side) * width, bits) * 2 ** (bits - 1)),
  );
}

for (const vector of vectors.valid) {
  test(`reads a payload: ${vector.name}`, () => {
    const bytes = bytesOf(vector.payload);
    const block = readPayload(bytes);
    assert.ok(typeof block !== "string", String(block));
    assert.deepEqual(
      { bits: block.bits, frames: block.frames, rate: block.rate, epoch: block.epoch, first_frame: block.firstFrame, repeat: block.repeat },
      { bits: vector.bits, frames: vector.frames, rate: vector.rate, epoch: vector.epoch, first_frame: vector.first_frame, repeat: vector.repeat },
    );
    assert.deepEqual(samples(bytes, block.samplesAt, block.bits, block.frames), vector.samples);
    const previous = block.previousAt === null ? null : samples(bytes, block.previousAt, block.bits, block.frames);
    assert.deepEqual(previous, vector.previous);
  });
}

for (const vector of vectors.invalid) {
  test(`refuses a payload: ${vector.name}`, () => {
    assert.equal(typeof readPayload(bytesOf(vector.payload)), "string");
  });
}

test("reads a payload inside a larger buffer", () => {
  const bytes = payload({ first: 77 });
  const larger = new Uint8Array(bytes.length + 9);
  larger.set(bytes, 9);
  const block = readPayload(larger.subarray(9));
  assert.ok(typeof block !== "string");
  assert.equal(block.firstFrame, 77);
});

test("refuses rates that no device has and frame numbers that no number holds", () => {
  assert.equal(typeof readPayload(payload({ first: 0, rate: 0 })), "string");
  assert.equal(typeof readPayload(payload({ first: 0, rate: 4_000_000_000 })), "string");
  assert.equal(typeof readPayload(payload({ first: 2 ** 53 })), "string");
  assert.notEqual(typeof readPayload(payload({ first: 2 ** 53 - 256 })), "string");
});

test("tells PCM from Opus by the first two bytes", () => {
  assert.ok(isStudio(payload({ first: 0 })));
  assert.ok(!isStudio(Uint8Array.of(0xfc, 0xff, 0xfe)));
  assert.ok(!isStudio(Uint8Array.of(0xff)));
  assert.ok(!isStudio(Uint8Array.of(0xff, 0x01)));
});

test("a 24-bit sample goes through a float32 unchanged", () => {
  for (const value of [-8_388_608, -8_388_607, -1, 0, 1, 4_194_305, 8_388_607]) {
    const bytes = Uint8Array.of(value & 255, (value >> 8) & 255, (value >> 16) & 255);
    assert.equal(Math.fround(sampleAt(bytes, 0, 24)) * 2 ** 23, value);
  }
});

test("a message of the channel is a timestamp and a payload", () => {
  const bytes = payload({ first: 1280 });
  const message = new Uint8Array(4 + bytes.length);
  new DataView(message.buffer).setUint32(0, 0xfedc_ba98, true);
  message.set(bytes, 4);
  const split = splitMessage(message.buffer);
  assert.equal(split?.rtp, 0xfedc_ba98);
  const block = readPayload(split?.payload ?? new Uint8Array());
  assert.ok(typeof block !== "string");
  assert.equal(block.firstFrame, 1280);
});

test("what is no message of the channel is none", () => {
  for (const wrong of ["text", new ArrayBuffer(3), null, new Uint8Array(30)]) assert.equal(splitMessage(wrong), null);
  assert.deepEqual(splitMessage(new ArrayBuffer(4))?.payload.length, 0);
});
