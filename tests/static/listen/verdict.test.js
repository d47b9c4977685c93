import assert from "node:assert/strict";
import { test } from "node:test";

import { Arrival } from "../../../static/listen/verdict.js";

/** @type {import("../../../static/listen/verdict.js").Arrived} */
const FINE = { elapsedMs: 1000, missingMs: 0, lostShare: 0, jitterMs: 1, behindMs: 56, chosenMs: 0, busy: false };

/** @param {Partial<typeof FINE>} changes @param {number} seconds @param {Arrival} [arrival] */
function after(changes, seconds, arrival = new Arrival()) {
  let verdict = null;
  for (let n = 0; n < seconds; n += 1) verdict = arrival.take({ ...FINE, ...changes });
  return verdict;
}

test("an even network is good, and nothing is said before three seconds of it", () => {
  assert.equal(after({}, 2), null);
  assert.deepEqual(after({}, 3), { kind: "good", bad: false, behindMs: 56 });
  // Between two readings of an eager second there may be none.
  assert.equal(after({ elapsedMs: 0 }, 5), null);
});

test("a second of gaps in ten is bad, whatever else is good, and it says why", () => {
  const why = [
    [{ lostShare: 0.1 }, "drops"],
    [{ jitterMs: 40 }, "uneven"],
    [{ busy: true }, "busy"],
    [{ busy: true, lostShare: 0.1 }, "drops"],
    [{}, "gaps"],
  ];
  for (const [changes, kind] of why) {
    const verdict = after({ missingMs: 100, .../** @type {object} */ (changes) }, 10);
    assert.deepEqual([verdict?.kind, verdict?.bad], [kind, true]);
  }
});

test("a few gaps are told without an alarm, and a click is not told", () => {
  assert.deepEqual(after({ missingMs: 20, lostShare: 0.02 }, 10), { kind: "drops", bad: false, behindMs: 56 });
  const arrival = new Arrival();
  after({}, 9, arrival);
  assert.equal(arrival.take({ ...FINE, missingMs: 40 })?.kind, "good");
});

test("what was bad is good again after ten good seconds, not after one", () => {
  const arrival = new Arrival();
  after({ missingMs: 200, lostShare: 0.2 }, 10, arrival);
  assert.equal(after({}, 5, arrival)?.kind, "drops");
  assert.equal(after({}, 5, arrival)?.kind, "good");
  after({ missingMs: 200, lostShare: 0.2 }, 10, arrival);
  arrival.reset();
  assert.equal(after({}, 3, arrival)?.kind, "good");
});

test("losses that were repaired are no gaps", () => {
  assert.equal(after({ lostShare: 0.1, jitterMs: 30 }, 10)?.kind, "good");
});

test("a second behind is not good, though nothing is missing", () => {
  assert.deepEqual(after({ behindMs: 1100 }, 5), { kind: "late", bad: false, behindMs: 1100 });
});

test("the figure is the latest that is known", () => {
  const arrival = new Arrival();
  after({ behindMs: 100 }, 5, arrival);
  assert.equal(after({ behindMs: 101 }, 1, arrival)?.behindMs, 101);
  assert.equal(after({ behindMs: null }, 1, arrival)?.behindMs, 101);
});

test("a delay that the listener wants is not the network's", () => {
  assert.equal(after({ behindMs: 1060 }, 3)?.kind, "late");
  assert.equal(after({ behindMs: 1060, chosenMs: 1000 }, 3)?.kind, "good");
  assert.equal(after({ behindMs: 1560, chosenMs: 1000 }, 3)?.kind, "late");
});
