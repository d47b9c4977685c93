import assert from "node:assert/strict";
import { test } from "node:test";

import { UNKNOWN, byPath, count, decibels, kilobits, kilohertz, milliseconds, percent } from "../../../static/ui/format.js";

test("milliseconds keep the digits that matter", () => {
  const shown = [0, 0.12, 0.996, 4.26, 9.96, 42.6, 1234.4].map(milliseconds);
  assert.deepEqual(shown, ["0", "0.12", "1.0", "4.3", "10", "43", "1,234"]);
});

test("what is not known is a dash", () => {
  for (const format of [milliseconds, kilobits, count]) {
    assert.equal(format(null), UNKNOWN);
    assert.equal(format(undefined), UNKNOWN);
    assert.notEqual(format(0), UNKNOWN);
  }
});

test("counts and rates are grouped", () => {
  assert.deepEqual([0, 999, 1000, 1234567].map(count), ["0", "999", "1,000", "1,234,567"]);
  assert.equal(kilobits(160_400), "160");
  assert.equal(kilohertz(44_100), "44.1 kHz");
  assert.equal(kilohertz(48_000), "48 kHz");
  assert.equal(kilohertz(11_025), "11.025 kHz");
});

test("percentages never hide a loss", () => {
  assert.deepEqual([0, 0.001, 0.04, 1.26, 9.96, 55.5].map(percent), ["0 %", "< 0.01 %", "0.04 %", "1.3 %", "10 %", "56 %"]);
});

test("levels have a real minus, and silence is minus infinity", () => {
  assert.deepEqual([-70, -12.44, -0.04, 0].map((db) => decibels(db, -70)), ["\u2212\u221e", "\u221212.4", "0.0", "0.0"]);
});

test("the way of the media is put behind a word, and nothing while it is not known", () => {
  assert.deepEqual([byPath("udp"), byPath("tcp"), byPath("relay"), byPath(null)], [" by UDP", " by TCP", " by a relay", ""]);
});
