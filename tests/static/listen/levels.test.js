import assert from "node:assert/strict";
import { test } from "node:test";

import {
  FALL_DB_PER_S,
  FLOOR_DB,
  HOLD_MS,
  OVERLOAD_MS,
  deflection,
  gainOf,
  moveNeedle,
  peakOf,
  restingNeedle,
  toDb,
} from "../../../static/listen/levels.js";

/** @param {number} a @param {number} b */
const close = (a, b) => assert.ok(Math.abs(a - b) < 1e-9, `${a} is not ${b}`);

test("amplitudes become decibels, down to the floor", () => {
  assert.equal(toDb(1), 0);
  close(toDb(0.5), -6.020599913279624);
  assert.equal(toDb(0), FLOOR_DB);
  assert.equal(toDb(1e-9), FLOOR_DB);
  assert.equal(peakOf(new Float32Array([0.25, -0.75, 0.5])), 0.75);
  assert.equal(peakOf([]), 0);
});

test("the scale rises without a step, from nothing to full", () => {
  assert.equal(deflection(-100), 0);
  assert.equal(deflection(FLOOR_DB), 0);
  assert.equal(deflection(-20), 0.5);
  assert.equal(deflection(0), 1);
  assert.equal(deflection(6), 1);
  for (const corner of [-70, -60, -50, -40, -30, -20]) close(deflection(corner - 1e-12), deflection(corner));
  for (let db = -70; db < 0; db += 0.5) assert.ok(deflection(db + 0.5) > deflection(db));
});

test("a needle rises at once and falls 20 dB in 1.7 s", () => {
  const up = moveNeedle(restingNeedle(), -6, 16);
  assert.equal(up.db, -6);
  let needle = up;
  for (let i = 0; i < 100; i += 1) needle = moveNeedle(needle, FLOOR_DB, 17);
  close(needle.db, -26);
  close(FALL_DB_PER_S * 1.7, 20);
});

test("the peak mark holds, then falls to the bar", () => {
  const up = moveNeedle(restingNeedle(), -6, 16);
  const held = moveNeedle(up, FLOOR_DB, HOLD_MS - 1);
  assert.equal(held.holdDb, -6);
  const fallen = moveNeedle(held, FLOOR_DB, 500);
  assert.ok(fallen.holdDb < -6 && fallen.holdDb >= fallen.db);
  assert.deepEqual(moveNeedle(fallen, FLOOR_DB, 60_000), restingNeedle());
});

test("full scale lights the overload for a while", () => {
  const over = moveNeedle(restingNeedle(), 0, 16);
  assert.equal(over.overMs, OVERLOAD_MS);
  assert.ok(moveNeedle(over, -20, OVERLOAD_MS - 1).overMs > 0);
  assert.equal(moveNeedle(over, -20, OVERLOAD_MS).overMs, 0);
  assert.equal(moveNeedle(restingNeedle(), -0.5, 16).overMs, 0);
});

test("the volume law is quadratic and bounded", () => {
  assert.deepEqual([-1, 0, 0.5, 1, 2].map(gainOf), [0, 0, 0.25, 1, 1]);
});
