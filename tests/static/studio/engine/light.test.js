import assert from "node:assert/strict";
import { test } from "node:test";

import { Light } from "../../../../static/studio/engine/light.js";
import { pass, PortSink } from "../../../../static/studio/engine/port.js";
import { Receiver } from "../../../../static/studio/engine/receiver.js";
import { RING_BYTES, Ring } from "../../../../static/studio/engine/ring.js";
import { Control, Figure } from "../../../../static/studio/engine/slots.js";
import { payload as block } from "./traces.js";

const FRAME = 240;

/** A decoder that makes of each packet its second byte, and of nothing −1. */
function decoder() {
  const planes = [new Float32Array(5_760), new Float32Array(5_760)];
  const make = (/** @type {number} */ value, /** @type {number} */ frames, /** @type {any} */ done) => {
    for (const plane of planes) plane.fill(value);
    done(planes, frames);
  };
  return {
    decode: (/** @type {Uint8Array} */ payload, /** @type {any} */ done) => make(payload[1] ?? 0, FRAME, done),
    conceal: (/** @type {number} */ frames, /** @type {any} */ done) => make(-1, frames, done),
    close() {},
  };
}

function listener(rate = 48_000) {
  const ring = new Ring(new SharedArrayBuffer(RING_BYTES));
  const receiver = new Receiver(ring);
  const light = new Light(rate, receiver);
  light.use(decoder());
  return { ring, receiver, light };
}

/** @param {number} number */
const packet = (number) => Uint8Array.of(0xec, number);

/** The left sample in the middle of each frame so far; null where none is. @param {Ring} ring @param {number} frames @param {number} [from] RTP timestamp */
function heard(ring, frames, from = 1_000) {
  const atZero = ring.figures[Figure.rtpAtZero] ?? NaN;
  const rate = ring.load(Control.rate);
  return Array.from({ length: frames }, (_, i) => {
    const samples = (from + i * FRAME + FRAME / 2 - atZero + 2 ** 32) % 2 ** 32;
    const slot = ring.slotOf(Math.round((samples * rate) / 48_000));
    return slot < 0 ? null : Math.round(ring.left[slot] ?? NaN);
  });
}

test("each packet lies where its timestamp is", () => {
  const { ring, light } = listener();
  for (const number of [0, 1, 2]) light.take(packet(number + 1), false, 1_000 + number * FRAME, number * 5);
  assert.deepEqual(heard(ring, 4), [1, 2, 3, null]);
  assert.deepEqual([ring.load(Control.payloads), ring.load(Control.bits), ring.load(Control.rate)], [3, 0, 48_000]);
  light.close();
});

test("at another rate, too", () => {
  const { ring, light } = listener(44_100);
  for (let number = 0; number < 8; number += 1) light.take(packet(number + 1), false, 1_000 + number * FRAME, number * 5);
  assert.deepEqual(heard(ring, 8), [1, 2, 3, 4, 5, 6, 7, 8]);
  assert.equal(ring.load(Control.blockFrames), 220);
  light.close();
});

test("what waits for the decoder is not lost", () => {
  const ring = new Ring(new SharedArrayBuffer(RING_BYTES));
  const light = new Light(48_000, new Receiver(ring));
  for (const number of [0, 1]) light.take(packet(number + 1), false, 1_000 + number * FRAME, 0);
  light.use(decoder());
  assert.deepEqual(heard(ring, 2), [1, 2]);
  light.close();
});

test("what is missing is made up when its time has come, and counted", () => {
  const { ring, light } = listener();
  light.take(packet(1), false, 1_000, 0);
  // The loudspeaker needs the next frame now.
  ring.figures[Figure.phase] = 2;
  ring.figures[Figure.aliveMs] = Date.now() - 1_000;
  ring.storePosition(Control.reader, ring.loadPosition(Control.newest, 16_384));
  light.take(packet(3), false, 1_000 + 2 * FRAME, 10);
  assert.deepEqual(heard(ring, 3), [1, -1, 3]);
  assert.equal(ring.load(Control.concealed), 1);
  assert.deepEqual([ring.figures[Figure.madeUpMs], ring.figures[Figure.longestMadeUpMs]], [5, 5]);
  light.take(packet(2), false, 1_000 + FRAME, 20);
  assert.deepEqual([heard(ring, 3), ring.load(Control.late)], [[1, -1, 3], 1]);
  light.close();
});

test("until then it is waited for", () => {
  const { ring, light } = listener();
  light.take(packet(1), false, 1_000, 0);
  light.take(packet(3), false, 1_000 + 2 * FRAME, 10);
  assert.deepEqual(heard(ring, 3), [1, null, null]);
  light.take(packet(2), false, 1_000 + FRAME, 11);
  assert.deepEqual(heard(ring, 3), [1, 2, 3]);
  assert.equal(ring.load(Control.concealed), 0);
  light.close();
});

test("nothing of a payload that cannot be read is used", () => {
  const { ring, light } = listener();
  light.take(Uint8Array.of(0x80, 1), true, 1_000, 0);
  light.take(new Uint8Array(0), false, 1_000, 0);
  assert.deepEqual([ring.load(Control.invalid), ring.load(Control.payloads), ring.load(Control.generation)], [2, 0, 0]);
  light.close();
});

test("exact samples go on where light is, and light where they are: one generation", () => {
  const { ring, receiver, light } = listener(44_100);
  const rtp = (/** @type {number} */ first) => 50_000 + Math.round((first * 480) / 441);
  for (let number = 0; number < 20; number += 1) light.take(packet(0), false, 50_000 + number * FRAME, number * 5);
  light.pause();
  // Frame 0 of the device is at 50,000: light has frames 0 to about 4,400, and these overlap.
  for (let first = 4_352; first < 4_352 + 5 * 128; first += 128) receiver.take(block({ first, rate: 44_100 }), 100, rtp(first));
  assert.equal(ring.load(Control.generation), 1);
  assert.equal(ring.load(Control.bits), 24);
  const offset = ring.figures[Figure.frameOffset] ?? NaN;
  const start = ring.slotOf(0 - offset);
  assert.ok(start >= 0, "device frame 0 is where light's first frame is, within one");
  for (let number = 22; number < 30; number += 1) light.take(packet(0), false, 50_000 + number * FRAME, number * 5);
  assert.equal(ring.load(Control.generation), 1);
  assert.equal(ring.load(Control.bits), 0);
  light.close();
});

test("through a port the worklet's ring gets the same", () => {
  const ring = new Ring(new ArrayBuffer(RING_BYTES));
  const receiver = new Receiver(ring);
  const port = /** @type {MessagePort} */ (/** @type {unknown} */ ({ postMessage: (/** @type {any} */ message) => pass(receiver, structuredClone(message)) }));
  const light = new Light(48_000, new PortSink(port));
  light.use(decoder());
  for (const number of [0, 1, 2]) light.take(packet(number + 1), false, 1_000 + number * FRAME, number * 5);
  assert.deepEqual(heard(ring, 3), [1, 2, 3]);
  light.close();
});
