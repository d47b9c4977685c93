import assert from "node:assert/strict";
import { test } from "node:test";

import { MOST_MADE_UP, Order } from "../../../../static/studio/engine/order.js";

const FRAME = 240;
const FIRST = 2 ** 32 - 500;

/** @param {number} number of the frame */
const frame = (number) => ({
  rtp: (FIRST + number * FRAME) % 2 ** 32,
  payload: Uint8Array.of(number),
  samples: FRAME,
});

/** Takes packets: each the number of a frame, with so many earlier ones. @param {Order} order @param {number[]} numbers @param {number} [earlier] */
function take(order, numbers, earlier = 0) {
  for (const number of numbers) {
    for (let back = 0; back <= Math.min(earlier, number); back += 1) order.take(frame(number - back), back > 0);
  }
}

/** What comes out, by number of the frame; null for what is made up. @param {Order} order @param {boolean} [late] whether to wait no longer */
function out(order, late = false) {
  const found = [];
  for (;;) {
    const step = order.step();
    if (step) {
      assert.equal(step.payload?.[0], step.at / FRAME);
      found.push(step.at / FRAME);
    } else if (late && order.waiting !== null) {
      found.push(...order.giveUp().map(() => null));
    } else {
      return found;
    }
  }
}

/** @param {Order} order */
const counts = ({ packets, missed, repaired }) => ({ packets, missed, repaired });

test("frames come out in order, each once, over a wrap of the timestamp", () => {
  const order = new Order();
  take(order, [0, 2, 1, 1, 4, 3, 2]);
  assert.deepEqual(out(order), [0, 1, 2, 3, 4]);
  assert.deepEqual(counts(order), { packets: 5, missed: 0, repaired: 0 });
});

test("a hole is waited for, and the packet that comes still counts as having come", () => {
  const order = new Order();
  take(order, [0, 2]);
  assert.deepEqual(out(order), [0]);
  assert.equal(order.waiting, 2 * FRAME);
  take(order, [1]);
  assert.deepEqual(out(order), [1, 2]);
  take(order, Array.from({ length: 60 }, (_, i) => i + 3));
  assert.deepEqual(counts(order), { packets: 63, missed: 0, repaired: 0 });
});

test("what is given up is made up, and late when it comes", () => {
  const order = new Order();
  take(order, [0, 3]);
  assert.deepEqual(out(order, true), [0, null, null, 3]);
  assert.equal(order.take(frame(1), false), "late");
  assert.equal(order.take(frame(1), false), "known");
  take(order, Array.from({ length: 60 }, (_, i) => i + 4));
  assert.deepEqual(counts(order), { packets: 63, missed: 1, repaired: 0 });
});

test("earlier frames repair as many losses in a row as there are of them", () => {
  for (const earlier of [1, 2]) {
    const order = new Order();
    take(order, [0, 1, 2 + earlier], earlier);
    assert.deepEqual(out(order), Array.from({ length: 3 + earlier }, (_, i) => i));
    take(order, Array.from({ length: 60 }, (_, i) => i + 3 + earlier), earlier);
    out(order);
    assert.deepEqual(counts(order), { packets: 63, missed: earlier, repaired: earlier });
  }
});

test("a packet overtaken by the next one, which has its frame, is not lost", () => {
  const order = new Order();
  take(order, [0, 2, 1, 3], 1);
  assert.deepEqual(out(order), [0, 1, 2, 3]);
  take(order, Array.from({ length: 60 }, (_, i) => i + 4), 1);
  out(order);
  assert.equal(order.missed, 0);
});

test("a long gap is left a gap", () => {
  const order = new Order();
  const far = MOST_MADE_UP / FRAME + 5;
  take(order, [0, far]);
  assert.deepEqual(out(order, true), [0, far]);
});

test("one packet from elsewhere changes nothing, a row of them is where the stream is now", () => {
  const order = new Order();
  take(order, [0, 1]);
  out(order);
  take(order, [100_000]);
  take(order, [2]);
  assert.deepEqual(out(order), [2]);
  const fates = Array.from({ length: 16 }, (_, i) => order.take(frame(200_000 + i), false));
  assert.deepEqual(fates, [...Array(15).fill("known"), "anew"]);
  assert.equal(order.rtpAtZero, frame(200_015).rtp);
});

test("what waits is bounded", () => {
  const order = new Order();
  take(order, [0]);
  out(order);
  take(order, Array.from({ length: 90 }, (_, i) => i + 2));
  assert.equal(out(order, true).length, 1 + 64);
});
