// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { Target } from "../../../../static/studio/engine/target.js";

const RATE = 44_100;

test("stays where it is while the spread is small, and grows at once with it", () => {
  const target = new Target(RATE, 300);
  const run = (/** @type {number} */ lowest, /** @type {number} */ quanta) => {
    for (let i = 0; i < quanta; i += 1) target.observe(500, i % 50 === 0 ? lowest : 372);
  };
  run(372, 400);
  assert.equal(target.frames, 300);
  run(-400, 100);
  assert.ok(target.frames >= 900 && target.frames <= 1_060, `${target.frames}`);
});

test("shrinks slowly, and not for little", () => {
  const target = new Target(RATE, 2_000);
  const observe = (/** @type {number} */ seconds) => {
    for (let i = 0; i < (seconds * RATE) / 128; i += 1) target.observe(500, 372);
  };
  observe(1);
  const after = target.frames;
  observe(10);
  assert.ok(after > 1_900 && target.frames < after - 9 * 44.1 && target.frames > after - 11 * 44.1, `${target.frames}`);
  observe(120);
  const rested = target.frames;
  observe(10);
  assert.equal(target.frames, rested);
});

test("a late block adds what it was late, at most 15 ms, an outage nothing", () => {
  const target = new Target(RATE, 500);
  target.missed(100);
  assert.ok(Math.abs(target.frames - 600) < 1, `${target.frames}`);
  target.missed(1_900);
  assert.ok(Math.abs(target.frames - 600 - 15 * 44.1) < 1, `${target.frames}`);
  const before = target.frames;
  target.missed(RATE);
  assert.equal(target.frames, before);
});

test("what a start taught is forgotten once it is over, but not below where it began", () => {
  const target = new Target(RATE, 400);
  const observe = (/** @type {number} */ quanta, /** @type {number} */ dip) => {
    for (let i = 0; i < quanta; i += 1) target.observe(500, i % 40 === 39 ? 372 - dip : 372);
  };
  observe(200, 0);
  observe(200, 900);
  assert.ok(target.frames > 900, `${target.frames}`);
  observe(600, 0);
  target.calm();
  assert.equal(target.frames, 400);
});

test("where a spread that comes twice stands out, the next one may more: up to 3 ms are added", () => {
  const target = (/** @type {number} */ dip, /** @type {number} */ times) => {
    const made = new Target(RATE, 100);
    made.calm();
    for (let i = 0; i < 12_000; i += 1) made.observe(1_000, i % 1_000 === 0 && i > 4_000 && i <= 4_000 + 1_000 * times ? 872 - dip : 872);
    return made.frames;
  };
  const even = target(0, 0);
  assert.ok(target(100, 2) - even > 160 && target(100, 2) - even < 180, `${target(100, 2) - even}`);
  assert.ok(Math.abs(target(600, 2) - even - 600 - 3 * 44.1) < 2, `${target(600, 2) - even}`);
  assert.equal(target(600, 1), even, "an event that came once is not paid for");
});

test("a level that jumps up is no spread", () => {
  const target = new Target(RATE, 400);
  for (let i = 0; i < 300; i += 1) target.observe(500, 372);
  for (let i = 0; i < 300; i += 1) target.observe(4_500, 4_372);
  assert.ok(target.frames <= 400, `${target.frames}`);
});
