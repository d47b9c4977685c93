import assert from "node:assert/strict";
import { test } from "node:test";

import { Receiver } from "../../../../static/studio/engine/receiver.js";
import { CAPACITY, RING_BYTES, Ring, nearest } from "../../../../static/studio/engine/ring.js";
import { Control, Figure, POSITION_MODULUS } from "../../../../static/studio/engine/slots.js";
import { RATE, payload, sample } from "./traces.js";

function listener() {
  const ring = new Ring(new SharedArrayBuffer(RING_BYTES));
  return { ring, receiver: new Receiver(ring) };
}

/** @param {Ring} ring */
function counts(ring) {
  const names = /** @type {const} */ (["payloads", "invalid", "repaired", "duplicates", "late", "generation"]);
  return Object.fromEntries(names.map((name) => [name, ring.load(Control[name])]));
}

/** The left samples of device frames from..to, null where they are not there. @param {Ring} ring @param {number} from @param {number} to */
function left(ring, from, to) {
  return Array.from({ length: to - from }, (_, i) => {
    const slot = ring.slotOf(from + i - (ring.figures[Figure.frameOffset] ?? 0));
    return slot < 0 ? null : (ring.left[slot] ?? 0) * 2 ** 23;
  });
}

/** @param {number} from @param {number} to */
const played = (from, to) => Array.from({ length: to - from }, (_, i) => sample(from + i, 0));

test("puts each block in its place, whatever the order", () => {
  const { ring, receiver } = listener();
  for (const first of [1280, 1152, 1536, 1408]) receiver.take(payload({ first }), 0);
  assert.deepEqual(left(ring, 1152, 1664), played(1152, 1664));
  assert.deepEqual(counts(ring), { payloads: 4, invalid: 0, repaired: 2, duplicates: 0, late: 0, generation: 1 });
});

test("a block that the server sends again on demand is a repaired loss", () => {
  const { ring, receiver } = listener();
  for (const first of [0, 128, 384, 512]) receiver.take(payload({ first }), 0);
  assert.equal(counts(ring).repaired, 0);
  receiver.take(payload({ first: 256 }), 0);
  assert.equal(counts(ring).repaired, 1);
  assert.deepEqual(left(ring, 256, 384), played(256, 384));
});

test("a block that is missing is missing, and only that", () => {
  const { ring, receiver } = listener();
  for (const first of [0, 256]) receiver.take(payload({ first }), 0);
  assert.deepEqual(left(ring, 0, 128), played(0, 128));
  assert.deepEqual(left(ring, 128, 256), Array(128).fill(null));
  assert.deepEqual(left(ring, 256, 384), played(256, 384));
});

test("the block before repairs a loss, and costs nothing without one", () => {
  const { ring, receiver } = listener();
  for (const first of [0, 128, 384]) receiver.take(payload({ first, bits: 16, flags: 1 }), 0);
  assert.equal(counts(ring).repaired, 2, "block 256 after its loss, and the one before the first");
  assert.ok(left(ring, 0, 512).every((value) => value !== null));
});

test("a repeat repairs a loss; where nothing was lost it is no duplicate", () => {
  const { ring, receiver } = listener();
  for (const first of [0, 128, 384]) {
    receiver.take(payload({ first }), 0);
    receiver.take(payload({ first: 0, flags: 2 }), 0);
  }
  receiver.take(payload({ first: 256, flags: 2 }), 0);
  assert.deepEqual(counts(ring), { payloads: 7, invalid: 0, repaired: 1, duplicates: 0, late: 0, generation: 1 });
  assert.deepEqual(left(ring, 256, 384), played(256, 384));
});

test("counts duplicates, and keeps what came first", () => {
  const { ring, receiver } = listener();
  receiver.take(payload({ first: 0 }), 0);
  receiver.take(payload({ first: 0, sound: () => 1 }), 0);
  assert.equal(counts(ring).duplicates, 1);
  assert.deepEqual(left(ring, 0, 128), played(0, 128));
});

test("a block that comes after its time is late, and repairs nothing", () => {
  const { ring, receiver } = listener();
  for (const first of [0, 256]) receiver.take(payload({ first }), 0);
  ring.storePosition(Control.reader, CAPACITY / 2 + 300);
  receiver.take(payload({ first: 128, flags: 2 }), 0);
  assert.deepEqual({ late: counts(ring).late, repaired: counts(ring).repaired }, { late: 1, repaired: 0 });
  assert.equal(ring.load(Control.lateBy), 300 - 128);
});

test("counts what is no payload, and uses nothing of it", () => {
  const { ring, receiver } = listener();
  receiver.take(payload({ first: 0, rate: 1 }), 0);
  receiver.take(Uint8Array.of(255, 0, 9), 0);
  assert.deepEqual(counts(ring), { payloads: 0, invalid: 2, repaired: 0, duplicates: 0, late: 0, generation: 0 });
});

test("a new epoch begins anew; what is left of the old one is late", () => {
  const { ring, receiver } = listener();
  receiver.take(payload({ first: 5_000, epoch: 7 }), 0);
  receiver.take(payload({ first: 0, epoch: 8 }), 0);
  receiver.take(payload({ first: 5_128, epoch: 7 }), 0);
  assert.deepEqual(counts(ring), { payloads: 3, invalid: 0, repaired: 0, duplicates: 0, late: 1, generation: 2 });
  assert.equal(ring.figures[Figure.epoch], 8);
  assert.deepEqual(left(ring, 0, 128), played(0, 128));
});

test("epochs go round at 2^32", () => {
  const { ring, receiver } = listener();
  receiver.take(payload({ first: 0, epoch: 2 ** 32 - 1 }), 0);
  receiver.take(payload({ first: 0, epoch: 0 }), 0);
  assert.equal(counts(ring).generation, 2);
});

test("another rate begins anew, too", () => {
  const { ring, receiver } = listener();
  receiver.take(payload({ first: 0, rate: 44_100 }), 0);
  receiver.take(payload({ first: 128, rate: 48_000 }), 0);
  assert.equal(counts(ring).generation, 2);
  assert.equal(ring.load(Control.rate), 48_000);
});

test("one stray frame number changes nothing, a row of them is where the stream is now", () => {
  const { ring, receiver } = listener();
  receiver.take(payload({ first: 0 }), 0);
  receiver.take(payload({ first: 10_000_000 }), 0);
  receiver.take(payload({ first: 128 }), 0);
  assert.equal(counts(ring).generation, 1);
  for (let i = 0; i < 16; i += 1) receiver.take(payload({ first: 20_000_000 + i * 128 }), 0);
  assert.equal(counts(ring).generation, 2);
  receiver.take(payload({ first: 20_000_000 + 16 * 128 }), 0);
  assert.deepEqual(left(ring, 20_002_048, 20_002_176), played(20_002_048, 20_002_176));
});

test("knows the RTP timestamp of every position, wraps included", () => {
  const { ring, receiver } = listener();
  const first = 441 * 1000;
  receiver.take(payload({ first }), 0, 2 ** 32 - 100);
  receiver.take(payload({ first: first + 128 }), 0, Math.round((128 * 480) / 441) - 100);
  const position = first - (ring.figures[Figure.frameOffset] ?? 0);
  const rtp = ((ring.figures[Figure.rtpAtZero] ?? NaN) + (position * 480) / 441) % 2 ** 32;
  assert.ok(Math.abs(rtp - (2 ** 32 - 100)) <= 2, String(rtp));
});

test("measures how unevenly blocks arrive", () => {
  const { ring, receiver } = listener();
  for (let i = 0; i < 640; i += 1) receiver.take(payload({ first: i * 128 }), (i * 128_000) / RATE + (i % 10 === 0 ? 8 : 1));
  const jitter = ring.figures[Figure.jitterMs] ?? 0;
  assert.ok(Math.abs(jitter - 7) < 0.5, `${jitter}`);
});

test("measures it from the silence before, too", () => {
  const { ring, receiver } = listener();
  [0, 3, 1, 12, 0].forEach((late, i) => receiver.silence(i * 20 + late, 4_000_000 + i * 960));
  assert.equal(ring.figures[Figure.jitterMs], 12);
  assert.equal(ring.load(Control.silence), 5);
});

test("positions modulo 2^30 are told apart by what is near", () => {
  for (const position of [0, 5, POSITION_MODULUS - 1, POSITION_MODULUS, 3 * POSITION_MODULUS + 17]) {
    for (const off of [-1_000_000, -1, 0, 1, 1_000_000]) {
      if (position + off >= 0) assert.equal(nearest((position + off) % POSITION_MODULUS, position), position + off);
    }
  }
});
