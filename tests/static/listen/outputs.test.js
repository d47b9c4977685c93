// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { Outputs, USUAL } from "../../../static/listen/outputs.js";

/** A device with these outputs, and what sounds on its page. @param {string[]} ids */
function made(...ids) {
  const there = new Set(ids);
  let changed = () => {};
  const devices = /** @type {any} */ ({
    enumerateDevices: async () => ["default", ...there].map((deviceId) => ({ kind: "audiooutput", deviceId, label: deviceId })),
    addEventListener: (/** @type {string} */ _, /** @type {() => void} */ then) => (changed = then),
  });
  const sink = () => {
    const one = { at: "", setSinkId: async (/** @type {string} */ id) => {
      if (id !== "" && !there.has(id)) throw new Error("no such output");
      one.at = id;
    } };
    return one;
  };
  const outputs = new Outputs(devices);
  /** @type {boolean[]} */
  const told = [];
  outputs.tell = (missing) => told.push(missing);
  const change = async (/** @type {() => void} */ what) => {
    what();
    changed();
    for (let turn = 0; turn < 20; turn += 1) await null;
  };
  return { outputs, there, sink, told, change };
}

test("all that sounds goes to the output that was chosen, and what comes later, too", async () => {
  const { outputs, sink, told } = made("a", "b");
  const [first, later, gone] = [sink(), sink(), sink()];
  outputs.add(first);
  outputs.add({});
  outputs.add(gone);
  outputs.remove(gone);
  await outputs.choose({ id: "a", label: "A" });
  outputs.add(later);
  assert.deepEqual([first.at, later.at, gone.at], ["a", "a", ""]);
  await outputs.choose(USUAL);
  assert.deepEqual([first.at, later.at], ["", ""]);
  assert.deepEqual(told, []);
});

test("an output that vanishes leaves the sound to the usual one, and takes it when it is back", async () => {
  const { outputs, there, sink, told, change } = made("a");
  const one = sink();
  outputs.add(one);
  await outputs.choose({ id: "a", label: "A" });
  await change(() => there.delete("a"));
  await change(() => {});
  assert.deepEqual([one.at, told], ["", [true]]);
  await change(() => there.add("b"));
  assert.deepEqual([one.at, told], ["", [true]]);
  await change(() => there.add("a"));
  assert.deepEqual([one.at, told], ["a", [true, false]]);
});

test("an output that is remembered and is not there is told at once", async () => {
  const { outputs, sink, told } = made("b");
  const one = sink();
  outputs.add(one);
  await outputs.choose({ id: "a", label: "A" });
  assert.deepEqual([one.at, told], ["", [true]]);
  await outputs.choose({ id: "b", label: "B" });
  assert.deepEqual([one.at, told], ["b", [true, false]]);
});
