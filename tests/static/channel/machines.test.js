// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { unpackDown } from "../../../static/channel/codec.js";
import { DownReceiver } from "../../../static/channel/down.js";
import { Schedule } from "../../../static/channel/schedule.js";
import { UpSender } from "../../../static/channel/up.js";
import { bytes, hex, message, vectors } from "./vectors.js";

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

for (const { name, start_ms, steps, held, epoch, unacknowledged, counters } of vectors("up_sender")) {
  test(`sends what Python sends: ${name}`, () => {
    const sender = new UpSender(start_ms);
    for (const step of steps) {
      if ("push" in step) {
        assert.deepEqual(sender.push(message(step.push), step.at_ms).map(hex), step.accepted);
      } else if ("panic" in step) {
        sender.panic(step.at_ms, { everyone: step.panic });
      } else if ("reply" in step) {
        const reply = unpackDown(bytes(step.reply));
        assert.ok(reply.kind === "reply");
        assert.deepEqual(sender.receive(reply, step.at_ms).map(hex), step.released);
      } else {
        assert.deepEqual(sender.poll(step.at_ms).map(hex), step.poll);
        assert.equal(sender.nextMs, step.next_ms);
      }
    }
    assert.deepEqual([...sender.held].sort((a, b) => a[0] - b[0]), held);
    assert.equal(sender.epoch, epoch);
    assert.equal(sender.unacknowledged, unacknowledged);
    assert.deepEqual(sender.counters, counters);
  });
}

test("a sender knows how long it has heard nothing", () => {
  const sender = new UpSender(100);
  assert.equal(sender.silentMs(600), 500);
  sender.receive(
    { kind: "reply", performer: false, epoch: 0, acked: 0, clientUs: 0, mediaTime: 0, heldUs: 0 },
    700,
  );
  assert.equal(sender.silentMs(800), 100);
});

test("nothing that is no MIDI is sent", () => {
  const sender = new UpSender(0);
  for (const odd of [[], [0x90], [0x90, NaN, 5], [0x90, 60, 200], [0x90, 60.5, 1], [144.5, 60, 1], [0xf8], [0xff, 0]]) {
    assert.deepEqual(sender.push(odd, 0), []);
  }
  assert.equal(sender.unacknowledged, 0);
});

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
