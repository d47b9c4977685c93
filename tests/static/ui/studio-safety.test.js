// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { PLACES } from "../../../static/studio/safety.js";
import { briefly, clicks, costLine } from "../../../static/ui/studio-safety.js";

test("says in words how often it clicks", () => {
  const words = /** @type {[number, string, string][]} */ ([
    [0, "no clicks", "none"],
    [0.02, "no clicks", "none"],
    [0.1, "a click in about 10 minutes", "1 in 10 min"],
    [0.5, "a click in about 2 minutes", "1 in 2 min"],
    [0.9, "about a click a minute", "1 a min"],
    [1.6, "about 2 clicks a minute", "2 a min"],
    [3.2, "about 3 clicks a minute", "3 a min"],
  ]);
  for (const [gaps, long, short] of words) assert.deepEqual([clicks(gaps), briefly(gaps)], [long, short]);
});

test("says what a place costs, once that is known", () => {
  assert.equal(costLine(0, { ms: 12.4, gaps: 3 }), "Tight: 12 ms, about 3 clicks a minute");
  assert.equal(costLine(4, { ms: 30.6, gaps: 0 }), "Safe: 31 ms, no clicks");
  assert.equal(costLine(2, undefined), PLACES[2]?.name);
  assert.equal(costLine(2, { ms: 0, gaps: 0 }), PLACES[2]?.name);
});
