// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { Bars } from "../../../static/midi/bars.js";
import { Sounding } from "../../../static/midi/sounding.js";
import { VOICES, nameOfPerformer, voiceOf } from "../../../static/midi/voices.js";

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
  assert.deepEqual(sounding.performers, []);
});

test("clearing names what was lit", () => {
  const sounding = new Sounding();
  sounding.apply(event(3, 0x90, 64, 90));
  sounding.apply(event(3, 0x90, 60, 90));
  assert.deepEqual(sounding.clear(), [60, 64]);
  assert.deepEqual(sounding.notes, []);
});

test("the roll: a bar from note-on to note-off, forgotten when it has left the top", () => {
  const bars = new Bars(1000);
  bars.add({ performer: 3, note: 60, velocity: 90 }, 100);
  bars.add({ performer: 4, note: 60, velocity: 50 }, 150);
  assert.deepEqual(bars.seen(200).map(({ end }) => end), [null, null]);
  bars.add({ performer: 3, note: 60, velocity: 0 }, 300);
  assert.deepEqual(bars.seen(1299).map(({ performer, end }) => [performer, end]), [[3, 300], [4, null]]);
  assert.deepEqual(bars.seen(1301).map(({ performer }) => performer), [4]);
});

test("the roll: a note struck again ends the bar before; none ends before it began", () => {
  const bars = new Bars(1000);
  bars.add({ performer: 3, note: 60, velocity: 90 }, 100);
  bars.add({ performer: 3, note: 60, velocity: 80 }, 200);
  bars.add({ performer: 3, note: 60, velocity: 0 }, 150);
  assert.deepEqual(bars.seen(250).map(({ start, end }) => [start, end]), [[100, 200], [200, 200]]);
});

test("the roll stays bounded, and ends what sounds when its connection is gone", () => {
  const bars = new Bars(1000);
  for (let note = 0; note < 5000; note += 1) bars.add({ performer: 3, note: note % 128, velocity: 90 }, note);
  assert.ok(bars.size <= 1024);
  bars.endAll(5000);
  assert.ok(bars.seen(5000).every(({ end }) => end !== null));
});

test("each performer has a colour, the same everywhere; keys and files have their own", () => {
  for (let performer = 1; performer <= 254; performer += 1) {
    assert.ok(voiceOf(performer) >= 0 && voiceOf(performer) < VOICES);
    if (performer > 2) assert.ok(voiceOf(performer) > 1);
  }
  assert.notEqual(voiceOf(3), voiceOf(4));
  assert.equal(nameOfPerformer(3, [{ id: 3, name: "Anna" }]), "Anna");
  assert.equal(nameOfPerformer(2, []), "MIDI file");
  assert.equal(nameOfPerformer(4, []), "Performer 2");
});
