import assert from "node:assert/strict";
import { test } from "node:test";

import { BRIDGED, Bridge, HISTORY, SEAM } from "../../../../static/studio/engine/bridge.js";
import { Drift, MOST, Slope, TOO_LOW_S } from "../../../../static/studio/engine/drift.js";
import { Histogram } from "../../../../static/studio/engine/histogram.js";
import { AHEAD, Sinc, TAPS } from "../../../../static/studio/engine/sinc.js";
import { Target } from "../../../../static/studio/engine/target.js";

const RATE = 44_100;

test("sinc: at a whole frame it is that frame, and nothing of its neighbours", () => {
  const weights = [...new Sinc().weights(0)];
  assert.deepEqual(weights, Array.from({ length: TAPS }, (_, tap) => (tap === AHEAD - 1 ? 1 : 0)));
});

for (const [hz, worstDb] of [[440, -95], [5_000, -90], [15_000, -75]]) {
  test(`sinc: a tone of ${hz} Hz between its frames, ${worstDb} dB and better`, () => {
    const sinc = new Sinc();
    let worst = 0;
    for (let i = 0; i < 500; i += 1) {
      const place = 100 + i * 1.0027;
      const whole = Math.floor(place);
      let sum = 0;
      sinc.weights(place - whole).forEach((weight, tap) => {
        sum += weight * Math.sin((2 * Math.PI * Number(hz) * (whole - AHEAD + 1 + tap)) / RATE);
      });
      worst = Math.max(worst, Math.abs(sum - Math.sin((2 * Math.PI * Number(hz) * place) / RATE)));
    }
    assert.ok(20 * Math.log10(worst) < Number(worstDb), `${20 * Math.log10(worst)} dB`);
  });
}

test("sinc: for a lower output rate, what would fold back is removed", () => {
  const sinc = new Sinc(0.5);
  let largest = 0;
  for (let i = 0; i < 200; i += 1) {
    let sum = 0;
    sinc.weights((i * 0.37) % 1).forEach((weight, tap) => {
      sum += weight * Math.sin((2 * Math.PI * 18_000 * (i + tap)) / RATE);
    });
    largest = Math.max(largest, Math.abs(sum));
  }
  assert.ok(largest < 0.001, `${largest}`);
});

test("drift: leaves alone what is within the tolerance", () => {
  const drift = new Drift();
  for (let i = 0; i < 400; i += 1) assert.equal(drift.update(i % 2 ? 0.0009 : -0.0009, 0.25), 0);
});

test("drift: one odd reading does not end the copying, two do", () => {
  const drift = new Drift();
  assert.equal(drift.update(0.01, 0.25), 0);
  assert.equal(drift.update(0, 0.25), 0);
  assert.equal(drift.update(0.01, 0.25), 0);
  assert.ok(drift.update(0.01, 0.25) > 0);
});

test("drift: never beyond 0.3 %, and no leaps", () => {
  const drift = new Drift();
  let before = 0;
  for (let i = 0; i < 200; i += 1) {
    const correction = drift.update(i < 100 ? 0.1 : -0.1, 0.25);
    assert.ok(Math.abs(correction) <= MOST);
    assert.ok(Math.abs(correction - before) <= 0.00076);
    before = correction;
  }
});

test("drift: a level that is worked off returns to exactly 0", () => {
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

test("drift: clocks of which the difference was measured are followed at once, and without a pause", () => {
  const drift = new Drift();
  let errorS = -0.002;
  for (let i = 0; i < 400; i += 1) {
    errorS += (-200e-6 - drift.update(errorS, 0.25, -200e-6)) * 0.25;
    if (i > 4) assert.notEqual(drift.correction, 0);
    if (i > 60) assert.ok(Math.abs(errorS) < 0.0001 && Math.abs(drift.correction + 200e-6) < 20e-6, `${errorS}`);
  }
});

test("drift: a level that is dangerously low rises sooner than one that is too high falls", () => {
  const seconds = (/** @type {number} */ fromS) => {
    const drift = new Drift();
    let errorS = fromS;
    let i = 0;
    for (; Math.abs(errorS) > TOO_LOW_S; i += 1) errorS -= drift.update(errorS, 0.25) * 0.25;
    return i * 0.25;
  };
  assert.ok(seconds(-0.004) < 0.6 * seconds(0.004), `${seconds(-0.004)} s`);
});

test("target: stays where it is while the spread is small, and grows at once with it", () => {
  const target = new Target(RATE, 300);
  const run = (/** @type {number} */ lowest, /** @type {number} */ quanta) => {
    for (let i = 0; i < quanta; i += 1) target.observe(500, i % 50 === 0 ? lowest : 372);
  };
  run(372, 400);
  assert.equal(target.frames, 300);
  run(-400, 100);
  assert.ok(target.frames >= 900 && target.frames <= 1_060, `${target.frames}`);
});

test("target: shrinks slowly, and not for little", () => {
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

test("target: a late block adds what it was late, at most 15 ms, an outage nothing", () => {
  const target = new Target(RATE, 500);
  target.missed(100);
  assert.ok(Math.abs(target.frames - 600) < 1, `${target.frames}`);
  target.missed(1_900);
  assert.ok(Math.abs(target.frames - 600 - 15 * 44.1) < 1, `${target.frames}`);
  const before = target.frames;
  target.missed(RATE);
  assert.equal(target.frames, before);
});

test("target: what a start taught is forgotten once it is over, but not below where it began", () => {
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

test("target: where a spread that comes twice stands out, the next one may more: up to 3 ms are added", () => {
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

test("target: a level that jumps up is no spread", () => {
  const target = new Target(RATE, 400);
  for (let i = 0; i < 300; i += 1) target.observe(500, 372);
  for (let i = 0; i < 300; i += 1) target.observe(4_500, 4_372);
  assert.ok(target.frames <= 400, `${target.frames}`);
});

test("histogram: percentiles of the last two spans", () => {
  const histogram = new Histogram(0.5, 100);
  for (let i = 0; i < 100; i += 1) histogram.add(i / 4);
  assert.ok(Math.abs(histogram.percentile(0.5) - 12.5) < 0.6);
  histogram.turn();
  for (let i = 0; i < 100; i += 1) histogram.add(40);
  assert.ok(histogram.percentile(0.25) < 13 && histogram.percentile(0.75) > 39);
  histogram.turn();
  assert.ok(histogram.percentile(0.01) > 39, "the first span is forgotten");
  histogram.clear();
  assert.equal(histogram.percentile(0.5), 0);
  for (const odd of [-5, 1e9]) histogram.add(odd);
  assert.ok(histogram.percentile(1) <= 50);
});

/** @param {(frame: number) => number} sound */
function bridged(sound) {
  const circle = new Float32Array(1024);
  for (let i = 0; i < 1024; i += 1) circle[i] = sound(i - 1024);
  const bridge = new Bridge();
  bridge.begin(circle, circle, 1024);
  return { bridge, frames: Array.from({ length: BRIDGED }, () => {
    const value = bridge.alone(0);
    bridge.advance(false);
    return value;
  }) };
}

test("bridge: continues what rings, then dies away", () => {
  const sound = (/** @type {number} */ i) => 0.4 * Math.sin(i * 0.063) + 0.2 * Math.sin(i * 0.31 + 1);
  const { frames } = bridged(sound);
  for (let i = 0; i < 128; i += 1) assert.ok(Math.abs((frames[i] ?? 0) - sound(i)) < 0.03, `frame ${i}`);
  assert.ok(Math.abs(frames[BRIDGED - 1] ?? 1) < 0.01);
});

test("bridge: never grows, whatever came before", () => {
  let state = 1;
  const sounds = [
    () => ((state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0) / 2 ** 31) - 1,
    (/** @type {number} */ i) => (i > -40 ? 1 : -1),
    (/** @type {number} */ i) => (i === -1 ? 1 : 0),
    () => 1,
    (/** @type {number} */ i) => (i % 2 ? 1 : -1),
    (/** @type {number} */ i) => Math.exp(i / 100),
  ];
  for (const sound of sounds) {
    const { frames } = bridged(sound);
    assert.ok(frames.every((value) => Number.isFinite(value) && Math.abs(value) <= 1.5), String(sound));
  }
});

test("bridge: out of silence it fades in", () => {
  const bridge = new Bridge();
  bridge.fromSilence();
  let before = 0;
  for (let i = 0; i < SEAM; i += 1) {
    assert.ok(bridge.active);
    const value = bridge.into(0, 1);
    assert.ok(value > before && value - before < 0.02);
    before = value;
    bridge.advance(true);
  }
  assert.ok(!bridge.active && before > 0.99);
  assert.ok(HISTORY <= 512);
});
