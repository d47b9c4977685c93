// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { Echo } from "../../../../static/studio/engine/echo.js";
import { RING_BYTES, Ring } from "../../../../static/studio/engine/ring.js";
import { Figure } from "../../../../static/studio/engine/slots.js";
import { RATE, play, random, trace } from "./traces.js";

/** Sounds of 24 bits. The noise is the same for the same frame. */
const NOISE = Int32Array.from({ length: 2 ** 20 }, ((any) => () => 2 ** 22 * (2 * any() - 1))(random(5)));
const noise = (/** @type {number} */ frame) => NOISE[frame & (2 ** 20 - 1)] ?? 0;
const tone = (/** @type {number} */ frame) => Math.round(0.4 * 2 ** 23 * Math.sin((2 * Math.PI * 440 * frame) / RATE));

/** The block of this number, and those that queue behind it, come so late. @param {number} ms @param {number} [at] */
const late = (ms, at = 2_000) => (/** @type {number} */ index) => 1 + (index >= at ? Math.max(0, ms - 2.9025 * (index - at)) : 0);

/** The weakest millisecond between two times, as a share of the level. @param {ReturnType<typeof play>} heard @param {number} fromS @param {number} toS */
function weakest(heard, fromS, toS) {
  const power = (/** @type {number} */ from, /** @type {number} */ count) => {
    let sum = 0;
    for (let i = from; i < from + count; i += 1) sum += (heard.left[i] ?? 0) ** 2;
    return sum / count;
  };
  const usual = power(Math.round(fromS * RATE), Math.round((toS - fromS) * RATE));
  let least = Infinity;
  for (let i = Math.round(fromS * RATE); i < toS * RATE; i += 11) least = Math.min(least, power(i, 44));
  return Math.sqrt(least / usual);
}

test("a block that comes 12 ms late leaves no hole, not even in noise", () => {
  const heard = play(trace({ seconds: 8, sound: noise, delayMs: late(25) }), { device: 128 });
  const [underruns, gapMs] = [heard.figures[Figure.underruns], heard.figures[Figure.longestGapMs] ?? 0];
  assert.equal(underruns, 1, "it is counted");
  assert.ok(gapMs > 4 && gapMs < 40, `${gapMs} ms are called made up`);
  assert.ok(weakest(heard, 5, 7) > 0.5, `${weakest(heard, 5, 7)}`);
  assert.equal(heard.nulls(noise).worst, 0, "and is not called exact");
});

test("a tone rings on over it without a step", () => {
  const heard = play(trace({ seconds: 8, sound: tone, delayMs: late(25) }), { device: 128 });
  assert.equal(heard.figures[Figure.underruns], 1);
  const turn = 2 * Math.cos((2 * Math.PI * 440) / RATE);
  let odd = 0;
  // What a tone's next sample cannot be by the two before it.
  for (let i = 5 * RATE; i < 7 * RATE; i += 1) odd = Math.max(odd, Math.abs((heard.left[i + 1] ?? 0) - turn * (heard.left[i] ?? 0) + (heard.left[i - 1] ?? 0)));
  assert.ok(odd < 0.002, `${odd}`);
});

test("what does not come for longer dies away, and the target learns how late it was", () => {
  const heard = play(trace({ seconds: 8, sound: noise, delayMs: late(250) }), { device: 128 });
  assert.equal(heard.figures[Figure.underruns], 1);
  assert.ok(weakest(heard, 5, 7) < 0.01, "silence");
  assert.ok((heard.figures[Figure.targetMs] ?? 99) < 20, "an outage is no jitter");
  const short = play(trace({ seconds: 8, sound: noise, delayMs: late(20) }), { device: 128 });
  const calm = play(trace({ seconds: 8, sound: noise, delayMs: () => 1 }), { device: 128 });
  assert.ok(Math.max(...short.targets.slice(22)) > Math.max(...calm.targets.slice(22)) + 3);
});

test("goes back by whole periods, only over frames that are there, and nowhere where there are none", () => {
  const ring = new Ring(new ArrayBuffer(RING_BYTES));
  const echo = new Echo();
  assert.equal(echo.distance(ring, 5_000, 0), 0);
  const period = 300;
  const saw = (/** @type {number} */ frame) => (frame % period) / period - 0.5;
  for (let frame = 4_000; frame < 5_000; frame += 1) ring.put(frame, saw(frame), saw(frame));
  assert.equal(echo.distance(ring, 5_000, 0), period);
  assert.equal(echo.distance(ring, 5_000, 360), 2 * period);
  assert.ok(echo.distance(ring, 4_500, 0) <= 500 - 256, "not beyond the first frame");
  assert.equal(echo.distance(ring, 4_300, 0), 0);
});
