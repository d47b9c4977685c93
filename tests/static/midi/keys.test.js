// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { BLACK_LENGTH, FIRST, LAST, WHITES, isBlack, keyAt, nameOf, nextZoom, placeOf, within, zoomFor } from "../../../static/midi/keys.js";

const NOTES = Array.from({ length: LAST - FIRST + 1 }, (_, index) => FIRST + index);

test("the keyboard has 52 white and 36 black keys, A0 to C8", () => {
  assert.equal(NOTES.length, 88);
  assert.equal(NOTES.filter(isBlack).length, 36);
  assert.equal(nameOf(FIRST), "A0");
  assert.equal(nameOf(60), "C4");
  assert.equal(nameOf(61), "C♯4");
  assert.equal(nameOf(LAST), "C8");
});

test("white keys lie side by side from one end to the other", () => {
  const lefts = NOTES.filter((note) => !isBlack(note)).map((note) => placeOf(note).left);
  assert.deepEqual(lefts, Array.from({ length: WHITES }, (_, index) => index));
});

test("a black key covers the gap between its white neighbours and touches no other black key", () => {
  for (const note of NOTES.filter(isBlack)) {
    const { left, width } = placeOf(note);
    const gap = placeOf(note + 1).left;
    assert.ok(left < gap && left + width > gap, nameOf(note));
    const next = isBlack(note + 2) ? placeOf(note + 2).left : Infinity;
    assert.ok(left + width < next, nameOf(note));
  }
});

test("the middle of each key is that key, and its front is white", () => {
  for (const note of NOTES) {
    const { left, width, black } = placeOf(note);
    const middle = left + width / 2;
    assert.equal(keyAt(middle, black ? 0.3 : 0.9)?.note, note, nameOf(note));
    const front = keyAt(middle, 0.99);
    assert.ok(front && !isBlack(front.note));
  }
});

test("beside the keyboard there is no key; above and below it counts as its edge", () => {
  assert.equal(keyAt(-0.01, 0.5), null);
  assert.equal(keyAt(WHITES, 0.5), null);
  assert.equal(keyAt(NaN, 0.5), null);
  assert.deepEqual(keyAt(0.1, 3), { note: FIRST, along: 1 });
  assert.deepEqual(keyAt(0.1, -3), { note: FIRST, along: 0 });
});

test("how far along a key: black keys end earlier", () => {
  const { left, width } = placeOf(61);
  assert.equal(keyAt(left + width / 2, BLACK_LENGTH / 2)?.along, 0.5);
  assert.equal(keyAt(placeOf(60).left + 0.1, 0.5)?.along, 0.5);
});

test("the view: as many keys as fingers can hit, stepwise, never off the keyboard", () => {
  assert.equal(zoomFor(1200, 20), WHITES);
  assert.equal(zoomFor(348, 34), 10);
  assert.equal(zoomFor(100, 34), 8);
  assert.equal(nextZoom(10, 1), 15);
  assert.equal(nextZoom(8, -1), 8);
  assert.equal(nextZoom(WHITES, 1), WHITES);
  assert.deepEqual(within({ left: -3, width: 10 }), { left: 0, width: 10 });
  assert.deepEqual(within({ left: 50, width: 10 }), { left: 42, width: 10 });
});
