// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { LONGEST_MS, OwnDelay, ownDelayOf } from "../../../static/listen/own-delay.js";
import { delayWords } from "../../../static/ui/own-delay.js";

test("a delay is whole milliseconds between none and what a buffer holds", () => {
  assert.deepEqual([0, 700.4, 9000, -1, NaN, "700", null].map(ownDelayOf), [0, 700, LONGEST_MS, 0, 0, 0, 0]);
});

test("it holds for each connection that follows, and nothing is set where none is wanted", () => {
  const receivers = () => /** @type {any[]} */ ([{ jitterBufferTarget: null }]);
  const [first, second, third] = [receivers(), receivers(), receivers()];
  const delay = new OwnDelay(700);
  delay.follow({ getReceivers: () => first });
  assert.equal(first[0].jitterBufferTarget, 700);
  delay.set(0, 0);
  assert.equal(first[0].jitterBufferTarget, null);
  Object.defineProperty(second[0], "jitterBufferTarget", { set: () => assert.fail("nothing is to be set") });
  delay.follow({ getReceivers: () => second });
  delay.follow({ getReceivers: () => third });
  delay.set(1e9, 0);
  assert.equal(third[0].jitterBufferTarget, LONGEST_MS);
});

test("what was chosen is no fault of the network, nor what is left of it while the buffer shrinks", () => {
  const delay = new OwnDelay(1200);
  assert.equal(delay.excusedMs(0), 1200);
  delay.set(300, 1000);
  delay.set(0, 2000);
  assert.equal(delay.excusedMs(20_000), 1200);
  assert.equal(delay.excusedMs(40_000), 0);
});

test("the page says what it really is", () => {
  assert.match(delayWords(700, 702.4), /waits 702.ms\.$/);
  assert.match(delayWords(700, 90), /waits 90.ms\. It grows/);
  assert.match(delayWords(0, 48), /waits 48.ms\.$/);
  assert.doesNotMatch(delayWords(700, null), /\d/);
});
