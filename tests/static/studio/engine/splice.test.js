// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { RING_BYTES, Ring } from "../../../../static/studio/engine/ring.js";
import { Control } from "../../../../static/studio/engine/slots.js";
import { SEAM, Splice } from "../../../../static/studio/engine/splice.js";

/** Blocks of the samples, 16 bits: every one has this value over 2¹⁵. */
const EXACT = 16_384;
const LIGHT = 0.25;

/** @param {number} frames @param {number} [value] */
function block(frames, value = EXACT) {
  const bytes = new Uint8Array(frames * 4);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < 2 * frames; i += 1) view.setInt16(2 * i, value, true);
  return bytes;
}

function two() {
  const ring = new Ring(new SharedArrayBuffer(RING_BYTES));
  const splice = new Splice(ring, "exact");
  return {
    ring,
    splice,
    /** @param {number} position @param {number} [frames] */
    exact(position, frames = 128) {
      const added = splice.exact(position, frames, block(frames), 0, 16);
      splice.reached("exact", position + frames, frames, 0);
      return added;
    },
    /** @param {number} position @param {number} [frames] */
    light(position, frames = 220) {
      const added = splice.light(position, frames, new Float32Array(frames).fill(LIGHT), new Float32Array(frames).fill(-LIGHT));
      splice.reached("light", position + frames, frames, 0);
      return added;
    },
    /** @param {number} position */
    left(position) {
      const slot = ring.slotOf(position);
      return slot < 0 ? null : ring.left[slot];
    },
    newest: () => ring.load(Control.newest),
    covered: () => ring.load(Control.covered),
  };
}

test("alone, the samples are written as they are, and light is not", () => {
  const { exact, light, left, splice } = two();
  assert.equal(exact(0), 128);
  assert.equal(light(0), 0);
  assert.equal(left(0), 0.5);
  assert.equal(left(200), null);
  splice.turnTo("light");
  assert.equal(light(220), 220);
  assert.equal(exact(440), 0);
  assert.equal(left(439), LIGHT);
  assert.equal(left(440), null);
});

test("joined, light fills the holes of the samples and is what the level is measured by", () => {
  const { exact, light, left, newest, covered, splice } = two();
  splice.turnTo("join");
  exact(0);
  exact(256);
  light(0);
  assert.equal(left(127), 0.5);
  assert.equal(left(128), LIGHT, "a block was lost");
  assert.equal(left(256), 0.5);
  assert.deepEqual([newest(), covered()], [220, 384]);
  assert.equal(exact(128), 36, "the block comes late: light had brought its first 92 frames");
});

for (const to of /** @type {const} */ (["light", "exact"])) {
  test(`a change to ${to} is a cross-fade behind what has come, whichever comes first`, () => {
    for (const order of [0, 1]) {
      const { exact, light, left, splice } = two();
      splice.turnTo(to === "light" ? "join" : "trial");
      exact(0, 128);
      exact(128, 128);
      light(0, 220);
      splice.turnTo(`to-${to}`);
      const seam = 256;
      const parts = [() => [256, 384, 512].map((at) => exact(at)), () => [220, 440].map((at) => light(at))];
      if (order === 1) parts.reverse();
      for (const part of parts) part();
      assert.equal(splice.turn, to);
      const [from, onto] = to === "light" ? [0.5, LIGHT] : [LIGHT, 0.5];
      assert.equal(left(seam - 1), from);
      assert.equal(left(seam + SEAM), onto);
      let before = from;
      for (let at = seam; at < seam + SEAM; at += 1) {
        const value = left(at) ?? NaN;
        const step = (value - before) / (onto - from);
        assert.ok(step > 0 && step < 1.5 / SEAM, `${at}: from ${before} to ${value}`);
        before = value;
      }
    }
  });
}

test("over a change, what only one stream brings is heard as that one brought it", () => {
  const { exact, light, left, splice } = two();
  splice.turnTo("join");
  exact(0, 128);
  light(0, 220);
  splice.turnTo("to-light");
  light(220);
  light(440);
  assert.equal(splice.turn, "to-light");
  for (let at = 660; at < 1_540; at += 220) light(at);
  assert.equal(splice.turn, "light", "the samples have stopped coming");
  for (let at = 220; at < 660; at += 1) assert.equal(left(at), LIGHT);
});

test("in a trial the samples are counted and not heard", () => {
  const { exact, light, left, newest, splice } = two();
  splice.turnTo("trial");
  light(0);
  assert.equal(exact(220), 128);
  assert.equal(exact(220), 0, "it came twice");
  assert.equal(left(220), null);
  assert.equal(newest(), 220);
});

test("a stream that begins anew ends a change that was under way", () => {
  const { exact, light, splice, left } = two();
  splice.turnTo("trial");
  exact(0);
  light(0);
  splice.turnTo("to-exact");
  assert.equal(splice.turn, "to-exact");
  splice.begin(10_000);
  assert.equal(splice.turn, "exact");
  assert.equal(exact(10_000), 128);
  assert.equal(left(10_000), 0.5);
});

test("on guard light fills the holes, the samples measure the level, and are counted", () => {
  const { exact, light, left, newest, covered, ring, splice } = two();
  exact(0);
  splice.turnTo("guard");
  exact(256);
  light(0, 660);
  assert.deepEqual([left(100), left(200), left(300), left(500)], [0.5, LIGHT, 0.5, LIGHT]);
  assert.deepEqual([newest(), covered()], [384, 660]);
  assert.equal(splice.turn, "guard");
  assert.deepEqual([ring.load(Control.besideCame), ring.load(Control.besideEnd)], [128, 384]);
});

test("light that begins with what is past measures nothing until it has caught up", () => {
  const { exact, light, newest, splice } = two();
  for (let position = 0; position < 4_480; position += 128) exact(position);
  splice.turnTo("join");
  for (let position = 0; position + 220 < 3_500; position += 220) light(position);
  assert.deepEqual([splice.turn, newest()], ["join", 4_480]);
  light(3_520);
  assert.deepEqual([splice.turn, newest()], ["joined", 3_740]);
});
