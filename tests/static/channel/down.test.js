// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { unpackDown } from "../../../static/channel/codec.js";
import { DownReceiver } from "../../../static/channel/down.js";
import { Schedule } from "../../../static/channel/schedule.js";
import { bytes, hex, vectors } from "./vectors.js";

/** @typedef {import("../../../static/channel/down.js").Heard} Heard */

/** @param {string} text */
function notes(text) {
  const found = unpackDown(bytes(text));
  assert.equal(found.kind, "notes");
  return /** @type {import("../../../static/channel/codec.js").Notes} */ (found);
}

/** @param {DownReceiver} receiver */
const ascending = (receiver) => [...receiver.cells()].sort((a, b) => a[0] - b[0]);

for (const { name, arrivals, heard, counters, truth } of vectors("down_receiver")) {
  test(`hears what Python hears: ${name}`, () => {
    const receiver = new DownReceiver();
    const found = arrivals.flatMap((/** @type {string} */ text) => receiver.receive(notes(text)));
    assert.deepEqual(
      found.map((/** @type {Heard} */ one) => [
        one.performer,
        hex(one.message),
        one.mediaTime,
        one.sequence,
        one.repaired,
      ]),
      heard,
    );
    assert.deepEqual(receiver.counters, counters);
    assert.deepEqual(ascending(receiver), truth);
  });

  if (name === "by hand") continue;

  test(`agrees in any order, with duplicates: ${name}`, () => {
    let state = 99;
    for (let turn = 0; turn < 20; turn += 1) {
      const shuffled = [...arrivals, ...arrivals.slice(0, 20)]
        .map((text) => {
          state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
          return { text, at: state };
        })
        .sort((a, b) => a.at - b.at);
      const receiver = new DownReceiver();
      for (const { text } of shuffled) receiver.receive(notes(text));
      assert.deepEqual(ascending(receiver), truth);
    }
  });

  test(`what is shown ends as the truth: ${name}`, () => {
    const receiver = new DownReceiver();
    const schedule = new Schedule();
    /** @type {Map<string, number>} */
    const lit = new Map();
    const show = (/** @type {Heard[]} */ due) => {
      for (const { performer, message: [status = 0, note = 0, velocity = 0] } of due) {
        const key = `${performer} ${status & 15} ${note}`;
        if ((status & 0xf0) === 0x90) lit.set(key, velocity);
        if ((status & 0xf0) === 0x80) lit.delete(key);
      }
    };
    for (const text of arrivals) {
      const found = notes(text);
      schedule.push(receiver.receive(found));
      show(schedule.due(found.mediaTime - 3000));
    }
    show(schedule.due(Infinity));
    assert.deepEqual(schedule.due(null), []);
    const keys = truth.filter((/** @type {number[]} */ [key = 0]) => (key & 0xfff) < 0x80);
    assert.equal(lit.size, keys.length);
  });
}
