// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { Lateness } from "../../../../static/studio/engine/lateness.js";
import { BALANCED, PLACES, placeOf } from "../../../../static/studio/engine/safety.js";

/** @param {(window: number) => number} depthMs of each window @param {number} minutes */
function seen(depthMs, minutes) {
  const lateness = new Lateness(0.25);
  for (let window = 0; window < minutes * 240; window += 1) {
    lateness.pass();
    lateness.add(depthMs(window));
  }
  return lateness;
}

test("counts stalls a minute, by depth", () => {
  // Every 20 s one of 20 ms, every 60 s one of 30 ms; 5 ms are always needed.
  const lateness = seen((window) => (window % 240 === 0 ? 30 : window % 80 === 0 ? 20 : 5), 20);
  assert.ok(Math.abs(lateness.gapsAt(12) - 3) < 0.5, `${lateness.gapsAt(12)}`);
  assert.ok(Math.abs(lateness.gapsAt(25) - 1) < 0.3, `${lateness.gapsAt(25)}`);
  assert.equal(lateness.gapsAt(30), 0);
  assert.ok(lateness.gapsAt(4) > 50);
  assert.equal(lateness.depthFor(10), 5);
  assert.equal(lateness.depthFor(2), 20);
  assert.equal(lateness.depthFor(0.5), 30);
  assert.equal(lateness.depthFor(0), 30);
});

test("windows that follow one another are one stall; jitter that is always there is no single one", () => {
  const one = new Lateness(0.25);
  for (let window = 0; window < 3; window += 1) {
    one.pass();
    one.add(20);
  }
  assert.ok(one.gapsAt(10) <= 0.5 && one.gapsAt(10) > 0.49);
  assert.ok(seen(() => 20, 2).gapsAt(10) > 40, "it would be a gap again and again");
});

test("what was long ago counts for less, and is forgotten", () => {
  const lateness = new Lateness(0.25);
  lateness.add(40);
  const first = lateness.gapsAt(10);
  for (let window = 0; window < 2 * 240; window += 1) lateness.pass();
  assert.ok(Math.abs(lateness.gapsAt(10) - first / Math.E) < 0.01);
  for (let window = 0; window < 6 * 240; window += 1) lateness.pass();
  assert.equal(lateness.depthFor(0), 0);
});

test("takes depths beyond its bins and below 0", () => {
  const lateness = new Lateness(0.25);
  lateness.add(-3);
  assert.equal(lateness.depthFor(0), 0);
  lateness.add(1e9);
  assert.equal(lateness.depthFor(0), 100);
  assert.equal(lateness.gapsAt(1e9), 0);
  lateness.clear();
  assert.deepEqual([lateness.depthFor(0), lateness.windows], [0, 0]);
});

test("places go from tight to safe; a stored choice that is none is the balanced one", () => {
  const gaps = PLACES.map((place) => place.gaps);
  assert.deepEqual(gaps, [...gaps].sort((one, other) => other - one));
  assert.ok((gaps[BALANCED] ?? 9) < 1, "at most one gap a minute");
  assert.deepEqual([0, 4, 5, -1, 1.5, "2", null, NaN].map(placeOf), [0, 4, 2, 2, 2, 2, 2, 2]);
});
