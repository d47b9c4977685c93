// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { isBlack } from "../../../static/midi/keys.js";
import { SEMITONES, actionOf, legendOf, noteOf, shiftOctave, takesLetters } from "../../../static/midi/typing.js";

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
