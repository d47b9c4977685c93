// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { choose, playable } from "../../../static/stage/devices.js";

const KEYSTATION = { id: "a1", name: "Keystation 88", state: "connected" };
const PADS = { id: "b2", name: "Pads", state: "connected" };

test("the remembered device is taken again: by id, or by a name that only one has", () => {
  assert.equal(choose([KEYSTATION, PADS], { id: "b2", name: "Pads" }), "b2");
  assert.equal(choose([KEYSTATION, PADS], { id: "gone", name: "Pads" }), "b2");
  assert.equal(choose([PADS, { ...PADS, id: "b3" }], { id: "gone", name: "Pads" }), null);
  assert.equal(choose([PADS, { ...PADS, id: "b3" }], { id: "b3", name: "Pads" }), "b3");
});

test("no device is taken that nobody chose, that is unplugged, or whose id now names another", () => {
  assert.equal(choose([KEYSTATION], null), null);
  assert.equal(choose([], { id: "a1", name: "Keystation 88" }), null);
  assert.equal(choose([{ ...PADS, state: "disconnected" }], { id: "b2", name: "Pads" }), null);
  assert.equal(choose([{ ...PADS, id: "a1" }], { id: "a1", name: "Keystation 88" }), null);
});

test("of a device's messages those of channels are played, nothing of the system", () => {
  assert.deepEqual(playable(Uint8Array.of(0x91, 60, 90)), [0x91, 60, 90]);
  assert.deepEqual(playable(Uint8Array.of(0xc0, 5)), [0xc0, 5]);
  for (const bytes of [[0xf8], [0xfe], [0xf0, 1, 0xf7], [0xf2, 1, 2], [60, 90], []]) assert.equal(playable(bytes), null);
  assert.equal(playable(null), null);
});
