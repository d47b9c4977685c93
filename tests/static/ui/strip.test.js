import assert from "node:assert/strict";
import { test } from "node:test";

import { ORDER, meaning, totalLine } from "../../../static/ui/strip.js";
import { describe } from "../../../static/ui/words.js";
import { behindWords } from "../../../static/ui/verdict-words.js";
import { INITIAL } from "../../../static/listen/session.js";

/** @typedef {import("../../../static/listen/verdict.js").VerdictKind} VerdictKind */

test("each hop of each mode has a name and says what happens there", () => {
  const said = ORDER.flatMap((hop) => /** @type {const} */ (["listen", "exact", "light"]).map((way) => meaning(hop, way)));
  for (const text of said) assert.match(text, /\.$/);
  assert.ok(new Set(said).size > 8);
});

test("the total says how it is known", () => {
  const strip = { totalMs: 92, measured: true, guessedOutput: false, hops: [] };
  assert.equal(totalLine(strip, "listen"), "Listen: 92 ms from the instrument to the ear, measured.");
  assert.match(totalLine({ ...strip, measured: false, guessedOutput: true }, "exact"), /^Studio, exact samples: 92 ms .* estimated from its parts\. This browser does not say/);
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
