import assert from "node:assert/strict";
import { test } from "node:test";

import { ASK_MS, CAP_MS, FIRST_MS, RETRY_AFTER_CAP_MS, SOON_GROWTH, SOON_MS, SPREAD_MS, askAgainMs, backoffMs, soonMs } from "../../../static/listen/backoff.js";

test("waits double up to the cap", () => {
  const longest = [1, 2, 3, 4, 5, 6, 7, 1000].map((attempt) => backoffMs(attempt, 1));
  assert.deepEqual(longest, [1, 2, 4, 8, 16].map((n) => n * FIRST_MS).concat([CAP_MS, CAP_MS, CAP_MS]));
});

test("jitter spreads over half of the wait", () => {
  for (const attempt of [1, 3, 9]) assert.equal(backoffMs(attempt, 0), Math.round(backoffMs(attempt, 1) / 2));
});

test("a server's wish is a floor, is itself spread, and is bounded", () => {
  assert.equal(backoffMs(1, 0, 7000), 7000);
  assert.equal(backoffMs(1, 0.5, 7000), 7000 + FIRST_MS / 2);
  assert.equal(backoffMs(20, 1, 10), CAP_MS);
  assert.equal(backoffMs(1, 0, 1e12), RETRY_AFTER_CAP_MS);
  assert.equal(backoffMs(1, 0, -5), FIRST_MS / 2);
});

test("what is expected back soon is asked for often, and ever a little less", () => {
  assert.equal(soonMs(1, 1), SOON_MS);
  assert.equal(soonMs(1, 0), SOON_MS / 2);
  assert.equal(soonMs(11, 1), Math.round(SOON_MS * SOON_GROWTH ** 10));
  assert.equal(soonMs(1000, 1), CAP_MS);
  assert.equal(soonMs(3, 0.5, 1000), 1000 + SPREAD_MS / 2);
});

test("a server that has the session is asked less often than one that does not answer", () => {
  assert.equal(askAgainMs("there", 1), ASK_MS);
  assert.equal(askAgainMs("there", 0), ASK_MS / 2);
  assert.equal(askAgainMs("silent", 1), SOON_MS);
});
