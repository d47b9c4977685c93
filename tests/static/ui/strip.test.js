import assert from "node:assert/strict";
import { test } from "node:test";

import { MEANINGS, NAMES, WAYS, totalLine } from "../../../static/ui/strip.js";
import { describe } from "../../../static/ui/words.js";
import { behindWords } from "../../../static/ui/verdict-words.js";
import { INITIAL } from "../../../static/listen/session.js";

/** @typedef {import("../../../static/listen/verdict.js").VerdictKind} VerdictKind */

test("each hop of each mode has a name and says what happens there", () => {
  for (const hop of /** @type {(keyof typeof NAMES)[]} */ (Object.keys(NAMES))) {
    for (const way of /** @type {(keyof typeof WAYS)[]} */ (Object.keys(WAYS))) assert.match(MEANINGS[hop][way], /\.$/);
  }
});

test("the total says how it is known", () => {
  const strip = { totalMs: 92, measured: true, guessedOutput: false, hops: [] };
  assert.equal(totalLine(strip, "listen"), "Listen: 92 ms from the instrument to the ear, measured.");
  assert.match(totalLine({ ...strip, measured: false, guessedOutput: true }, "exact"), /estimated from its parts; this browser does not say/);
});

test("live is good only while it sounds good", () => {
  const live = (/** @type {VerdictKind} */ kind, bad = false, behindMs = /** @type {number | null} */ (56)) =>
    describe({ ...INITIAL, phase: "live" }, { kind: "asking" }, "main", { kind, bad, behindMs });
  const good = live("good");
  assert.deepEqual([good.state, good.tone, good.headline + good.behind, good.detail], ["live", "good", "Good, 56\u00a0ms behind", ""]);
  for (const kind of /** @type {VerdictKind[]} */ (["late", "drops", "uneven", "gaps", "busy"])) {
    const { tone, headline, detail, canCheck } = live(kind);
    assert.equal(tone, "warn");
    assert.equal(live(kind, true).tone, "bad");
    assert.notEqual(headline, "Live");
    assert.match(detail, /(helps|pages)\.$/);
    assert.ok(canCheck);
  }
  assert.equal(live("late", false, 1100).behind, ", 1.1\u00a0s behind");
  assert.equal(live("good", false, null).behind, "");
  assert.deepEqual([behindWords(999.6), behindWords(12.4)], ["1.0\u00a0s behind", "12\u00a0ms behind"]);
});
