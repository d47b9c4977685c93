// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { choose, playable } from "../../../static/stage/devices.js";
import { Hands } from "../../../static/midi/hands.js";
import { SEMITONES, actionOf, legendOf, noteOf, shiftOctave, takesLetters } from "../../../static/midi/typing.js";
import { isBlack } from "../../../static/midi/keys.js";

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

test("the computer's keys: two rows, black keys above white ones, an octave apart", () => {
  assert.equal(noteOf("KeyZ", 48), 48);
  assert.equal(noteOf("KeyQ", 48), 60);
  assert.equal(noteOf("Digit5", 48), 66);
  assert.equal(noteOf("KeyA", 48), null);
  assert.equal(noteOf("toString", 48), null);
  for (const [code, semitone] of Object.entries(SEMITONES)) {
    const above = /^Digit|^Key[SDGHJL]$|^Semicolon$/.test(code);
    assert.equal(isBlack(48 + semitone), above, code);
  }
});

test("actions of the computer's keys, and octaves that stay on the keyboard", () => {
  assert.equal(actionOf("Space"), "sustain");
  assert.equal(actionOf("BracketLeft"), "octave-down");
  assert.equal(actionOf("KeyZ"), null);
  assert.equal(actionOf("constructor"), null);
  assert.equal(shiftOctave(48, 1), 60);
  let octave = 48;
  for (let times = 0; times < 20; times += 1) octave = shiftOctave(octave, 1);
  assert.ok(octave + 24 <= 108);
  for (let times = 0; times < 20; times += 1) octave = shiftOctave(octave, -1);
  assert.ok(octave >= 21);
});

test("letters that somebody types into the page are theirs", () => {
  const input = (/** @type {string} */ type) => takesLetters({ tag: "input", type, editable: false });
  for (const type of ["text", "number", "search", "password", "email"]) assert.equal(input(type), true, type);
  for (const type of ["range", "checkbox", "radio", "file"]) assert.equal(input(type), false, type);
  assert.equal(takesLetters({ tag: "textarea", type: "", editable: false }), true);
  assert.equal(takesLetters({ tag: "select", type: "", editable: false }), true);
  assert.equal(takesLetters({ tag: "div", type: "", editable: true }), true);
  assert.equal(takesLetters({ tag: "button", type: "", editable: false }), false);
});

test("legends are what stands on the keys", () => {
  assert.deepEqual(["KeyQ", "Digit2", "Semicolon", "Slash"].map(legendOf), ["Q", "2", ";", "/"]);
});

const KEYSTATION = { id: "a1", name: "Keystation 88", state: "connected" };
const PADS = { id: "b2", name: "Pads", state: "connected" };

test("the remembered device is taken again: by id, or by a name that only one has", () => {
  assert.equal(choose([KEYSTATION, PADS], { id: "b2", name: "Pads" }), "b2");
  assert.equal(choose([KEYSTATION, PADS], { id: "gone", name: "Pads" }), "b2");
  assert.equal(choose([PADS, { ...PADS, id: "b3" }], { id: "gone", name: "Pads" }), null);
  assert.equal(choose([PADS, { ...PADS, id: "b3" }], { id: "b3", name: "Pads" }), "b3");
});

test("no device is taken that nobody chose, that is unplugged, or whose id now names another", () => {
  assert.equal(choose([KEYSTATION], null), null);
  assert.equal(choose([], { id: "a1", name: "Keystation 88" }), null);
  assert.equal(choose([{ ...PADS, state: "disconnected" }], { id: "b2", name: "Pads" }), null);
  assert.equal(choose([{ ...PADS, id: "a1" }], { id: "a1", name: "Keystation 88" }), null);
});

test("of a device's messages those of channels are played, nothing of the system", () => {
  assert.deepEqual(playable(Uint8Array.of(0x91, 60, 90)), [0x91, 60, 90]);
  assert.deepEqual(playable(Uint8Array.of(0xc0, 5)), [0xc0, 5]);
  for (const bytes of [[0xf8], [0xfe], [0xf0, 1, 0xf7], [0xf2, 1, 2], [60, 90], []]) assert.equal(playable(bytes), null);
  assert.equal(playable(null), null);
});
