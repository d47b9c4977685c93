import assert from "node:assert/strict";
import { test } from "node:test";

import { next } from "../../../static/ui/roving.js";

test("arrows lead from one button to the next and stop at both ends", () => {
  assert.equal(next("ArrowDown", 0, 3), 1);
  assert.equal(next("ArrowRight", 2, 3), 2);
  assert.equal(next("ArrowUp", 2, 3), 1);
  assert.equal(next("ArrowLeft", 0, 3), 0);
});

test("Home and End lead to the ends, other keys nowhere", () => {
  assert.equal(next("Home", 2, 3), 0);
  assert.equal(next("End", 0, 3), 2);
  assert.equal(next("a", 0, 3), null);
  assert.equal(next("Tab", 0, 3), null);
});

test("in a script from right to left the arrows to the sides change places, those up and down do not", () => {
  const leads = ["ArrowLeft", "ArrowRight", "ArrowDown", "ArrowUp", "Home", "End"].map((key) => next(key, 3, 9, true));
  assert.deepEqual(leads, [4, 2, 4, 2, 0, 8]);
});
