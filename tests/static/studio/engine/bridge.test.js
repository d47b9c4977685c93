// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { BRIDGED, Bridge, HISTORY, SEAM } from "../../../../static/studio/engine/bridge.js";

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

test("continues what rings, then dies away", () => {
  const sound = (/** @type {number} */ i) => 0.4 * Math.sin(i * 0.063) + 0.2 * Math.sin(i * 0.31 + 1);
  const { frames } = bridged(sound);
  for (let i = 0; i < 128; i += 1) assert.ok(Math.abs((frames[i] ?? 0) - sound(i)) < 0.03, `frame ${i}`);
  assert.ok(Math.abs(frames[BRIDGED - 1] ?? 1) < 0.01);
});

test("never grows, whatever came before", () => {
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

test("what cannot be predicted goes on as noise of its strength, and an attack leaves none behind", () => {
  let state = 1;
  const any = () => ((state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0) / 2 ** 31 - 1) * 0.3;
  const power = (/** @type {number[]} */ values) => values.reduce((sum, value) => sum + value * value, 0) / values.length;
  const level = Math.sqrt(power(bridged(any).frames.slice(0, 192)) / (0.3 ** 2 / 3));
  assert.ok(level > 0.7 && level < 1.4, `${level} of what it was`);
  const struck = bridged((i) => (i === -400 ? 0.9 : 0.2 * Math.sin(i * 0.063))).frames;
  for (let i = 0; i < 128; i += 1) assert.ok(Math.abs((struck[i] ?? 0) - 0.2 * Math.sin(i * 0.063)) < 0.05, `frame ${i}`);
});

test("out of silence it fades in", () => {
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
