// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { Hands } from "../../../static/midi/hands.js";

const on = (/** @type {number} */ note, velocity = 90) => [0x90, note, velocity];
const off = (/** @type {number} */ note, velocity = 64) => [0x80, note, velocity];

test("a key that two inputs hold sounds until both let go", () => {
  const hands = new Hands();
  assert.deepEqual(hands.down("mouse", 0, 60, 90), [on(60)]);
  assert.deepEqual(hands.down("device", 0, 60, 50), [on(60, 50)]);
  assert.deepEqual(hands.up("mouse", 0, 60), []);
  assert.deepEqual([...hands.pressed], [60]);
  assert.deepEqual(hands.up("device", 0, 60, 30), [off(60, 30)]);
  assert.equal(hands.pressed.size, 0);
});

test("letting go of what is not held says nothing", () => {
  const hands = new Hands();
  assert.deepEqual(hands.up("mouse", 0, 60), []);
  hands.down("mouse", 0, 60, 90);
  assert.deepEqual(hands.up("device", 0, 60), []);
  assert.deepEqual(hands.up("mouse", 1, 60), []);
});

test("velocities become whole numbers that a note-on may have", () => {
  const hands = new Hands();
  assert.deepEqual(hands.down("mouse", 3, 60, 0), [[0x93, 60, 1]]);
  assert.deepEqual(hands.down("mouse", 3, 60, 300.4), [[0x93, 60, 127]]);
});

test("the pedal has the highest value of all inputs, and only changes are told", () => {
  const hands = new Hands();
  assert.deepEqual(hands.pedal("device", 0, 40), [[0xb0, 64, 40]]);
  assert.deepEqual(hands.pedal("typing", 0, 127), [[0xb0, 64, 127]]);
  assert.deepEqual(hands.pedal("device", 0, 0), []);
  assert.equal(hands.sustained, true);
  assert.deepEqual(hands.pedal("typing", 0, 0), [[0xb0, 64, 0]]);
  assert.deepEqual(hands.pedal("typing", 0, 0), []);
  assert.equal(hands.sustained, false);
});

test("an input that goes away lets go of its keys and pedals, and of no others", () => {
  const hands = new Hands();
  hands.down("device", 0, 60, 90);
  hands.down("device", 2, 61, 90);
  hands.down("mouse", 0, 60, 90);
  hands.pedal("device", 0, 127);
  assert.deepEqual(hands.leave("device"), [[0x82, 61, 64], [0xb0, 64, 0]]);
  assert.deepEqual([...hands.pressed], [60]);
});

test("what was let go elsewhere is not let go again", () => {
  const hands = new Hands();
  hands.down("mouse", 0, 60, 90);
  hands.pedal("mouse", 0, 127);
  hands.clear();
  assert.deepEqual(hands.up("mouse", 0, 60), []);
  assert.deepEqual(hands.pedal("mouse", 0, 0), []);
});
