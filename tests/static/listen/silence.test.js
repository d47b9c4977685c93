// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { SILENCE_S, silentWave } from "../../../static/listen/silence.js";

test("silence is a WAVE file whose head says what it holds", () => {
  const file = silentWave(SILENCE_S, 4000);
  const view = new DataView(file.buffer);
  const text = (/** @type {number} */ at) => String.fromCharCode(...file.subarray(at, at + 4));
  assert.deepEqual([text(0), text(8), text(12), text(36)], ["RIFF", "WAVE", "fmt ", "data"]);
  assert.equal(view.getUint32(4, true), file.length - 8);
  assert.deepEqual([view.getUint16(20, true), view.getUint16(22, true), view.getUint16(34, true)], [1, 1, 8]);
  const [rate, perSecond, bytes] = [view.getUint32(24, true), view.getUint32(28, true), view.getUint32(40, true)];
  assert.equal(rate, 4000);
  assert.equal(bytes / perSecond, SILENCE_S);
  assert.equal(file.length, 44 + bytes);
  assert.ok(file.subarray(44).every((sample) => sample === 128));
});

test("it is long enough for media controls", () => assert.ok(SILENCE_S > 5));
