// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { Histogram } from "../../../../static/studio/engine/histogram.js";

test("percentiles of the last two spans", () => {
  const histogram = new Histogram(0.5, 100);
  for (let i = 0; i < 100; i += 1) histogram.add(i / 4);
  assert.ok(Math.abs(histogram.percentile(0.5) - 12.5) < 0.6);
  histogram.turn();
  for (let i = 0; i < 100; i += 1) histogram.add(40);
  assert.ok(histogram.percentile(0.25) < 13 && histogram.percentile(0.75) > 39);
  histogram.turn();
  assert.ok(histogram.percentile(0.01) > 39, "the first span is forgotten");
  histogram.clear();
  assert.equal(histogram.percentile(0.5), 0);
  for (const odd of [-5, 1e9]) histogram.add(odd);
  assert.ok(histogram.percentile(1) <= 50);
});
