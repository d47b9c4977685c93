// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { choices, sentNow, toPin } from "../../../static/ui/quality.js";

/** @type {import("../../../static/channel/telemetry.js").TierMessage} */
const message = {
  type: "tier",
  tier: "low",
  pinned: null,
  frame_ms: 20,
  tiers: [
    { tier: "high", bps: 256_000 },
    { tier: "middle", bps: 160_000 },
    { tier: "low", bps: 36_000 },
  ],
};

test("there is what the server has, and to leave it to the network", () => {
  assert.deepEqual(
    choices(message).map(({ text }) => text),
    ["Automatic", "High, 256 kb/s", "Standard, 160 kb/s", "Low, 36 kb/s"],
  );
  assert.deepEqual(choices({ ...message, tiers: [{ tier: "ultra", bps: 1_000_000 }] })[1], { value: "ultra", text: "ultra, 1,000 kb/s" });
});

test("what is sent is said where the choice does not say it", () => {
  assert.equal(sentNow(message), "now low, 36 kb/s");
  assert.equal(sentNow({ ...message, pinned: "high" }), "now low, 36 kb/s");
  assert.equal(sentNow({ ...message, pinned: "low" }), "");
});

test("a remembered choice is said to a new session once, and one that it does not have is not", () => {
  assert.equal(toPin("low", message), "low");
  assert.equal(toPin("low", { ...message, pinned: "low" }), undefined);
  assert.equal(toPin("", { ...message, pinned: "low" }), null);
  assert.equal(toPin("", message), undefined);
  assert.equal(toPin("high", { ...message, tiers: message.tiers.slice(1) }), undefined);
});
