// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { Bars } from "../../../static/midi/bars.js";

test("a bar from note-on to note-off, forgotten when it has left the top", () => {
  const bars = new Bars(1000);
  bars.add({ performer: 3, note: 60, velocity: 90 }, 100);
  bars.add({ performer: 4, note: 60, velocity: 50 }, 150);
  assert.deepEqual(bars.seen(200).map(({ end }) => end), [null, null]);
  bars.add({ performer: 3, note: 60, velocity: 0 }, 300);
  assert.deepEqual(bars.seen(1299).map(({ performer, end }) => [performer, end]), [[3, 300], [4, null]]);
  assert.deepEqual(bars.seen(1301).map(({ performer }) => performer), [4]);
});

test("a note struck again ends the bar before; none ends before it began", () => {
  const bars = new Bars(1000);
  bars.add({ performer: 3, note: 60, velocity: 90 }, 100);
  bars.add({ performer: 3, note: 60, velocity: 80 }, 200);
  bars.add({ performer: 3, note: 60, velocity: 0 }, 150);
  assert.deepEqual(bars.seen(250).map(({ start, end }) => [start, end]), [[100, 200], [200, 200]]);
});

test("the list of bars stays bounded, and ends what sounds when its connection is gone", () => {
  const bars = new Bars(1000);
  for (let note = 0; note < 5000; note += 1) bars.add({ performer: 3, note: note % 128, velocity: 90 }, note);
  bars.endAll(5000);
  assert.ok(bars.seen(0).length <= 1024);
  assert.ok(bars.seen(5000).every(({ end }) => end !== null));
});
