// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { Limits, MOST_UNDERRUNS, QUIET_MS } from "../../../static/studio/limits.js";

/** @param {(atMs: number) => {lost?: number, underruns?: number, targetMs?: number, payloads?: number}} at @param {number} [seconds] */
function judged(at, seconds = 30) {
  const limits = new Limits(0);
  for (let atMs = 0; atMs <= seconds * 1000; atMs += 100) {
    const verdict = limits.judge({ atMs, lost: 0, underruns: 0, targetMs: 12, payloads: atMs * 0.345, ...at(atMs) });
    if (verdict) return [verdict, atMs];
  }
  return null;
}

test("a good network is left alone, with a loss here and there", () => {
  assert.equal(judged((atMs) => ({ lost: Math.floor(atMs / 500), underruns: Math.floor(atMs / 9_000) })), null);
});

test("5 % lost is too much, and said within ten seconds", () => {
  const [verdict, atMs] = judged((atMs) => ({ lost: atMs * 0.018 })) ?? [];
  assert.equal(verdict, "loss");
  assert.ok(Number(atMs) < 10_000, `${atMs}`);
});

test("a deep ring for five seconds, but not for two", () => {
  assert.equal(judged((atMs) => ({ targetMs: atMs > 8_000 && atMs < 10_000 ? 90 : 12 })), null);
  assert.equal(judged((atMs) => ({ targetMs: atMs > 8_000 ? 90 : 12 }))?.[0], "jitter");
});

test("underruns again and again; those while it settles do not count", () => {
  assert.equal(judged((atMs) => ({ underruns: Math.min(8, Math.floor(atMs / 300)) })), null);
  assert.equal(judged((atMs) => ({ underruns: Math.floor(Math.max(0, atMs - 6_000) / 1_000) }))?.[0], "jitter");
  assert.ok(MOST_UNDERRUNS > 1);
});

test("it is known how long nothing has arrived", () => {
  const limits = new Limits(1_000);
  const reading = { lost: 0, underruns: 0, targetMs: 12 };
  assert.equal(limits.quietMs(1_250), 250);
  limits.judge({ ...reading, atMs: 1_500, payloads: 10 });
  limits.judge({ ...reading, atMs: 1_900, payloads: 10 });
  assert.equal(limits.quietMs(2_000), 500);
});

test("nothing arrives any more", () => {
  const [verdict, atMs] = judged((atMs) => ({ payloads: Math.min(atMs, 10_000) })) ?? [];
  assert.deepEqual([verdict, Math.round(Number(atMs) / 1000)], ["quiet", 10 + QUIET_MS / 1000]);
});
