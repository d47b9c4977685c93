// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { OFF } from "../../../static/studio/session.js";
import { exactness, outputWarning, studioLine } from "../../../static/ui/studio-words.js";

const format = { version: 1, rate: 44_100, bits: /** @type {const} */ (24), frames: 128, exact: true, mbps: 1, packetsPerS: 1, redundancy: false };
const ring = { exact: true, contextRate: 44_100, ratio: 1 };

test("bit-exact is said only when all of the way is", () => {
  assert.equal(exactness(format, ring, true).exact, true);
  assert.equal(exactness({ ...format, exact: false }, ring, true).exact, false, "a mix");
  assert.equal(exactness(format, { ...ring, contextRate: 48_000 }, true).exact, false);
  assert.equal(exactness(format, { ...ring, ratio: 1.0001 }, true).exact, false);
  assert.equal(exactness(format, ring, false).exact, false, "turned down");
  assert.equal(exactness(format, { ...ring, exact: false }, true).exact, false);
});

test("a warning for Bluetooth, none for a cable", () => {
  assert.equal(outputWarning(25), "");
  assert.match(outputWarning(180), /Bluetooth/);
});

test("why it is off is said until something else happens", () => {
  assert.match(studioLine({ ...OFF, notice: "All places are taken." }, true, false), /All places are taken\. You are in Listen\./);
  assert.equal(studioLine(OFF, true, false), "");
});
