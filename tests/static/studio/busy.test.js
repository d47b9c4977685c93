import assert from "node:assert/strict";
import { test } from "node:test";

import { Busy, LATE_MS, MOST_LATE, SPAN_MS } from "../../../static/studio/busy.js";
import { reasonOf } from "../../../static/studio/limits.js";
import { qualityLine } from "../../../static/ui/studio-words.js";

const PERIOD_MS = 100;

/** @param {Busy} busy @param {number[]} lateMs of each turn @param {boolean} [hidden] @param {number} [fromMs] */
function turns(busy, lateMs, hidden = false, fromMs = 1000) {
  let nowMs = fromMs;
  for (const late of lateMs) busy.turn((nowMs += PERIOD_MS + late), hidden);
  return nowMs;
}

test("timers that are late again and again are a busy computer, a single late one is not", () => {
  const late = Array.from({ length: MOST_LATE }, () => LATE_MS + 5);
  const busy = new Busy(PERIOD_MS);
  turns(busy, [0, ...late.slice(1), 0, 0]);
  assert.equal(busy.now, false);
  const endMs = turns(busy, late, false, 5000);
  assert.equal(busy.now, true);
  turns(busy, Array.from({ length: SPAN_MS / PERIOD_MS + 1 }, () => 0), false, endMs);
  assert.equal(busy.now, false);
});

test("packets that waited in the browser are a sign, too", () => {
  const busy = new Busy(PERIOD_MS);
  for (let n = 0; n < MOST_LATE; n += 1) busy.held(1000 + n);
  assert.equal(busy.now, true);
  turns(busy, [0, 0], false, 1000 + SPAN_MS + 500);
  assert.equal(busy.now, false);
});

test("a hidden page's timers are late on purpose", () => {
  const busy = new Busy(PERIOD_MS);
  turns(busy, [0, 900, 900, 900, 900], true);
  turns(busy, [0, 0], false, 60_000);
  assert.equal(busy.now, false);
});

test("what was decided keeps the reason that it had", () => {
  const busy = new Busy(PERIOD_MS);
  const [first, second] = [{}, {}];
  assert.equal(busy.when(first), false);
  turns(busy, [0, 50, 50, 50]);
  assert.equal(busy.when(first), false);
  assert.equal(busy.when(second), true);
  turns(busy, Array.from({ length: 120 }, () => 0), false, 2000);
  assert.equal(busy.when(second), true);
});

test("a busy computer is named, and the network is blamed only for what it loses", () => {
  assert.match(reasonOf("jitter", true), /This computer is too busy/);
  assert.match(reasonOf("jitter", false), /network/);
  assert.match(reasonOf("loss", true), /network loses/);
  const choice = /** @type {const} */ ({ stage: "light", why: { cause: "jitter", ms: 12 } });
  assert.match(qualityLine(choice, "wifi", 1.5, true), /this computer is too busy/);
  assert.match(qualityLine(choice, "wifi", 1.5, false), /your Wi-Fi varies by 12 ms/);
  assert.match(qualityLine({ stage: "light", why: { cause: "loss", percent: 3 } }, "wifi", 1.5, true), /Wi-Fi loses/);
});
