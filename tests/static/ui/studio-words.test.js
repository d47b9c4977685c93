// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { OFF } from "../../../static/studio/session.js";
import { PINS, exactness, outputWarning, qualityLine, studioLine } from "../../../static/ui/studio-words.js";

const format = { version: 1, rate: 44_100, bits: /** @type {const} */ (24), frames: 128, exact: true, mbps: 1, packetsPerS: 1, redundancy: false, quality: /** @type {const} */ ("exact"), light: null };
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

test("which quality it is, and why, in figures of the listener's own network", () => {
  /** @param {import("../../../static/studio/quality.js").Why} why @param {import("../../../static/listen/path.js").NetworkKind} [kind] */
  const light = (why, kind = "other") => qualityLine({ stage: "light", why }, kind, 2.74);
  assert.equal(qualityLine({ stage: "exact", why: { cause: "good" } }, "cable", 2.7), "Exact samples.");
  assert.equal(qualityLine({ stage: "exact", why: { cause: "pinned" } }, "cable", 2.7), "Exact samples, as you chose.");
  assert.match(qualityLine({ stage: "exact", why: { cause: "full" } }, "cable", 2.7), /^Exact samples, as all places for compressed/);
  assert.equal(light({ cause: "jitter", ms: 9.2 }, "wifi"), "Compressed, your Wi-Fi varies by 9.2 ms.");
  assert.equal(light({ cause: "jitter", ms: 31.7 }), "Compressed, your network varies by 32 ms.");
  assert.equal(light({ cause: "loss", percent: 2.04 }, "mobile"), "Compressed, your mobile network loses 2 % of what is sent.");
  assert.equal(light({ cause: "line", mbps: 1.08 }), "Compressed, your line carries about 1.1 Mb/s and exact samples take 2.7.");
  assert.equal(light({ cause: "pinned" }), "Compressed, as you chose.");
  assert.match(qualityLine({ stage: "trial", why: { cause: "full" } }, "other", 2), /places .* taken\. Trying/);
});

test("a performer may hold each quality, or neither", () => {
  assert.deepEqual([...PINS], ["automatic", "exact", "light"]);
});
