// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { BALANCED, PLACES } from "../../../../static/studio/engine/safety.js";
import { Target } from "../../../../static/studio/engine/target.js";

const RATE = 44_100;

test("stays where it is while the spread is small, and grows at once with it", () => {
  const target = new Target(RATE, 300);
  const run = (/** @type {number} */ lowest, /** @type {number} */ quanta) => {
    for (let i = 0; i < quanta; i += 1) target.observe(500, i % 50 === 0 ? lowest : 372);
  };
  run(372, 400);
  assert.equal(target.frames, 300);
  run(-400, 100);
  assert.ok(target.frames >= 900 && target.frames <= 1_060, `${target.frames}`);
});

test("shrinks slowly, once it is known what comes, and not for little", () => {
  const target = new Target(RATE, 2_000);
  const observe = (/** @type {number} */ seconds) => {
    for (let i = 0; i < (seconds * RATE) / 128; i += 1) target.observe(500, 372);
  };
  observe(1);
  const after = target.frames;
  observe(10);
  assert.ok(after > 1_900 && target.frames < after - 19 * 44.1 && target.frames > after - 21 * 44.1, `${target.frames}`);
  observe(120);
  const rested = target.frames;
  assert.ok(Math.abs(rested - 128 - 44.1) < 12, `${rested}: a quantum, and the margin of 1 ms`);
  observe(10);
  assert.equal(target.frames, rested);
});

test("a late block adds what it was late, at most 15 ms at the start and 5 later, an outage nothing", () => {
  const target = new Target(RATE, 500);
  target.missed(100);
  assert.ok(Math.abs(target.frames - 600 - 2.5 * 44.1) < 12, `${target.frames}: and the margin, and what the next may be more`);
  const other = new Target(RATE, 500);
  other.calm();
  other.missed(1_200);
  assert.ok(other.frames > 500 + 15 * 44.1, `${other.frames}`);
  const known = stalling(0, 1, BALANCED);
  const rested = known.frames;
  known.missed(1_200);
  assert.ok(known.frames > rested + 5 * 44.1 && known.frames < rested + 9 * 44.1, `${known.frames} after ${rested}`);
  const before = target.frames;
  target.missed(RATE);
  assert.equal(target.frames, before);
});

test("what a start taught is forgotten once it is over, but not below where it began", () => {
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

/**
 * A ring that is at 1,000 frames, for some minutes; a quantum of each stall leaves `dip` frames less than usual.
 *
 * @param {number} dip
 * @param {number} everyS seconds between the stalls
 * @param {number} place
 */
function stalling(dip, everyS, place, minutes = 6) {
  const made = new Target(RATE, 100);
  made.calm();
  made.choose(place);
  const every = Math.round((everyS * RATE) / 128);
  for (let i = 1; i < (minutes * 60 * RATE) / 128; i += 1) made.observe(1_000, i % every === 0 ? 872 - dip : 872);
  return made;
}

test("a stall that comes a few times a minute is bridged, one that comes more rarely is not, as the player chooses", () => {
  const deep = 600 + 128 + 44.1;
  for (const { everyS, minutes, bridges } of [
    { everyS: 2, bridges: [true, true, true, true, true] },
    { everyS: 16, bridges: [false, true, true, true, true] },
    { everyS: 55, bridges: [false, false, true, true, true] },
    { everyS: 200, bridges: [false, false, false, true, true] },
    { everyS: 300, minutes: 9, bridges: [false, false, false, false, true] },
  ]) {
    assert.deepEqual(PLACES.map((_, place) => stalling(600, everyS, place, minutes).frames >= deep), bridges, `every ${everyS} s`);
  }
});

test("says what each place costs: its depth, and the gaps a minute", () => {
  const target = stalling(600, 16, BALANCED);
  const depths = PLACES.map((_, place) => target.at(place) / 44.1);
  const gaps = PLACES.map((_, place) => target.gapsAt(place));
  assert.ok((depths[0] ?? 0) < 5 && (depths[1] ?? 0) > 17, `${depths}`);
  assert.ok(Math.abs((gaps[0] ?? 0) - 60 / 16) < 0.6, `${gaps}`);
  assert.ok(gaps.slice(1).every((expected) => expected < 0.01), `${gaps}`);
  assert.ok((depths[4] ?? 0) - (depths[2] ?? 0) > 2.9, "safe has a reserve");
});

test("never goes below what blocks and bursts ask for, wherever the clocks stand", () => {
  const target = stalling(0, 1, 0);
  target.floor = 300;
  for (let i = 0; i < 5_000; i += 1) target.observe(1_000, 872);
  assert.ok(target.frames >= 300 + 44, `${target.frames}`);
});

test("another choice is followed at once, in both directions", () => {
  const target = stalling(600, 16, BALANCED);
  const balanced = target.frames;
  target.choose(0);
  assert.ok(target.frames < balanced - 500, `${target.frames}`);
  target.choose(4);
  assert.ok(target.frames > balanced + 100, `${target.frames}`);
});

test("after a stall that was heard the next one like it is bridged for ten seconds, unless the player wants it tight", () => {
  for (const [place, helped] of /** @type {[number, boolean][]} */ ([[BALANCED, true], [0, false]])) {
    const target = stalling(0, 1, place);
    const before = target.frames;
    target.missed(300);
    assert.equal(target.frames >= before + 300, helped);
    for (let i = 0; i < (25 * RATE) / 128; i += 1) target.observe(1_000, 872);
    assert.ok(target.frames < before + 1.5 * 44.1 + 14, `${target.frames} after ${before}`);
  }
});

test("a level that jumps up is no spread", () => {
  const target = new Target(RATE, 400);
  for (let i = 0; i < 300; i += 1) target.observe(500, 372);
  for (let i = 0; i < 300; i += 1) target.observe(4_500, 4_372);
  assert.ok(target.frames <= 400, `${target.frames}`);
});

test("for stalls that are rare no place has a ring that is no quicker than Listen, for stalls that are not each has", () => {
  const most = 55 * 44.1 + 1;
  const rare = stalling(2_600, 16, BALANCED);
  for (const [place] of PLACES.entries()) assert.ok(rare.at(place) <= most, `${place}: ${rare.at(place) / 44.1} ms`);
  assert.ok(rare.gapsAt(BALANCED) > 1, `it says what that costs: ${rare.gapsAt(BALANCED)}`);
  const often = stalling(2_600, 2, BALANCED);
  for (const [place] of PLACES.entries()) assert.ok(often.at(place) > most, `${place}: ${often.at(place) / 44.1} ms`);
});
