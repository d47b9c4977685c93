// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { Schedule } from "../../../static/channel/schedule.js";

/** @typedef {import("../../../static/channel/down.js").Heard} Heard */

/** @param {number} mediaTime @param {number} sequence @param {number[]} bytes @returns {Heard} */
const event = (mediaTime, sequence, bytes) => ({ performer: 3, message: bytes, mediaTime, sequence, repaired: false });
const ON = [0x90, 60, 1];
const OFF = [0x80, 60, 64];

test("a schedule hands out what is due, in order of media time", () => {
  const schedule = new Schedule();
  schedule.push([event(300, 3, OFF), event(100, 1, ON), event(200, 2, [0xb0, 64, 1])]);
  assert.deepEqual(schedule.due(99), []);
  assert.deepEqual(schedule.due(100).map(({ sequence }) => sequence), [1]);
  assert.deepEqual(schedule.due(250).map(({ sequence }) => sequence), [2]);
  assert.deepEqual(schedule.due(null).map(({ sequence }) => sequence), [3]);
  assert.deepEqual(schedule.due(null), []);
});

test("a schedule never shows an older event of a key after a newer one", () => {
  const schedule = new Schedule();
  schedule.push([event(100, 2, OFF)]);
  assert.equal(schedule.due(150).length, 1);
  schedule.push([event(140, 1, ON)]);
  assert.deepEqual(schedule.due(150), []);
  assert.equal(schedule.counters.superseded, 1);
});

test("a schedule is bounded: the oldest come out early", () => {
  const schedule = new Schedule();
  for (let number = 0; number < 3000; number += 1) schedule.push([event(1e6 + number, number, ON)]);
  const due = schedule.due(0);
  assert.equal(due.length, 3000 - 2048);
  assert.equal(due[0]?.sequence, 0);
  assert.equal(schedule.counters.overflowed, due.length);
  schedule.clear();
  assert.deepEqual(schedule.due(null), []);
});

test("the next note that begins is known, past whatever else waits", () => {
  const schedule = new Schedule();
  assert.equal(schedule.nextOnset, Infinity);
  schedule.push([event(100, 1, OFF), event(150, 2, [0x90, 60, 0]), event(200, 3, [0xb0, 64, 1]), event(300, 4, ON), event(400, 5, ON)]);
  assert.equal(schedule.nextOnset, 300);
  schedule.due(300);
  assert.equal(schedule.nextOnset, 400);
  schedule.due(400);
  assert.equal(schedule.nextOnset, Infinity);
});
