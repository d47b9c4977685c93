// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { Sounding } from "../../../static/midi/sounding.js";

const event = (/** @type {number} */ performer, /** @type {number[]} */ ...message) => ({ performer, message });

test("a note is lit while somebody holds it, in the colour of who struck it last", () => {
  const sounding = new Sounding();
  assert.deepEqual(sounding.apply(event(3, 0x90, 60, 90)), { performer: 3, note: 60, velocity: 90 });
  sounding.apply(event(4, 0x90, 60, 70));
  assert.equal(sounding.performerOf(60), 4);
  sounding.apply(event(4, 0x80, 60, 64));
  assert.equal(sounding.performerOf(60), 3);
  assert.deepEqual(sounding.notes, [60]);
  assert.deepEqual(sounding.apply(event(3, 0x80, 60, 64)), { performer: 3, note: 60, velocity: 0 });
  assert.deepEqual(sounding.notes, []);
  assert.equal(sounding.performerOf(60), null);
});

test("a key on two channels of one performer is one key", () => {
  const sounding = new Sounding();
  sounding.apply(event(2, 0x90, 60, 90));
  sounding.apply(event(2, 0x99, 60, 90));
  sounding.apply(event(2, 0x80, 60, 64));
  assert.deepEqual(sounding.notesOf(2), [60]);
  assert.equal(sounding.performerOf(60), 2);
  sounding.apply(event(2, 0x89, 60, 64));
  assert.deepEqual(sounding.notes, []);
});

test("pedals belong to who presses them; what is no note lights nothing", () => {
  const sounding = new Sounding();
  assert.equal(sounding.apply(event(3, 0xb0, 64, 127)), null);
  assert.equal(sounding.pedalOf(3), true);
  assert.equal(sounding.pedalOf(4), false);
  for (const message of [[0xb0, 1, 20], [0xe0, 0, 64], [0xc0, 5], [0xa0, 60, 5]]) {
    assert.equal(sounding.apply(event(3, ...message)), null);
  }
  sounding.apply(event(3, 0xb0, 64, 0));
  assert.equal(sounding.pedalOf(3), false);
  for (const performer of [3, 4]) assert.deepEqual([sounding.notesOf(performer), sounding.pedalOf(performer)], [[], false]);
});

test("clearing names what was lit", () => {
  const sounding = new Sounding();
  sounding.apply(event(3, 0x90, 64, 90));
  sounding.apply(event(3, 0x90, 60, 90));
  assert.deepEqual(sounding.clear(), [60, 64]);
  assert.deepEqual(sounding.notes, []);
});
