// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { Drift, MOST, Slope, TOO_LOW_S } from "../../../../static/studio/engine/drift.js";

test("leaves alone what is within the tolerance", () => {
  const drift = new Drift();
  for (let i = 0; i < 400; i += 1) assert.equal(drift.update(i % 2 ? 0.0009 : -0.0009, 0.25), 0);
});

test("one odd reading does not end the copying, two do", () => {
  const drift = new Drift();
  assert.equal(drift.update(0.01, 0.25), 0);
  assert.equal(drift.update(0, 0.25), 0);
  assert.equal(drift.update(0.01, 0.25), 0);
  assert.ok(drift.update(0.01, 0.25) > 0);
});

test("never beyond 0.3 %, and no leaps", () => {
  const drift = new Drift();
  let before = 0;
  for (let i = 0; i < 200; i += 1) {
    const correction = drift.update(i < 100 ? 0.1 : -0.1, 0.25);
    assert.ok(Math.abs(correction) <= MOST);
    assert.ok(Math.abs(correction - before) <= 0.00076);
    before = correction;
  }
});

test("a level that is worked off returns to exactly 0", () => {
  const drift = new Drift();
  let errorS = 0.005;
  let engaged = false;
  for (let i = 0; i < 400; i += 1) {
    errorS -= drift.update(errorS, 0.25) * 0.25;
    engaged ||= drift.correction !== 0;
  }
  assert.ok(engaged);
  assert.equal(drift.correction, 0);
  assert.ok(Math.abs(errorS) < 0.0007, `${errorS}`);
});

test("slope: finds 50 ppm in readings that jump by half a millisecond; silent until it can", () => {
  const slope = new Slope(80);
  for (let i = 0; i < 100; i += 1) {
    if (i === 39) assert.equal(slope.value, NaN);
    slope.add(i * 0.25, i * 0.25 * 50e-6 + ((i * 7919) % 11) * 0.00005);
  }
  assert.ok(Math.abs(slope.value * 1e6 - 50) < 5, `${slope.value * 1e6}`);
});

test("slope: a clock that stood still is no slow clock", () => {
  const slope = new Slope(80, 0.0025);
  for (let i = 0; i < 200; i += 1) {
    slope.add(i * 0.25, i * 0.25 * 50e-6 + (i < 120 ? 0 : -0.02));
    if (!Number.isNaN(slope.value)) assert.ok(Math.abs(slope.value * 1e6 - 50) < 1, `${slope.value * 1e6} at ${i}`);
  }
  assert.ok(!Number.isNaN(slope.value));
});

test("clocks of which the difference was measured are followed at once, and without a pause", () => {
  const drift = new Drift();
  let errorS = -0.002;
  for (let i = 0; i < 400; i += 1) {
    errorS += (-200e-6 - drift.update(errorS, 0.25, -200e-6)) * 0.25;
    if (i > 4) assert.notEqual(drift.correction, 0);
    if (i > 60) assert.ok(Math.abs(errorS) < 0.0001 && Math.abs(drift.correction + 200e-6) < 20e-6, `${errorS}`);
  }
});

test("a level that is dangerously low rises sooner than one that is too high falls", () => {
  const seconds = (/** @type {number} */ fromS) => {
    const drift = new Drift();
    let errorS = fromS;
    let i = 0;
    for (; Math.abs(errorS) > TOO_LOW_S; i += 1) errorS -= drift.update(errorS, 0.25) * 0.25;
    return i * 0.25;
  };
  assert.ok(seconds(-0.004) < 0.6 * seconds(0.004), `${seconds(-0.004)} s`);
});
