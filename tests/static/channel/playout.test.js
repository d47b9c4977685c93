// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { PER_MS } from "../../../static/channel/clock.js";
import { PlayoutClock, sourceMs } from "../../../static/channel/playout.js";

test("a source's time is found in either notation", () => {
  const origin = 1_700_000_000_000;
  assert.equal(sourceMs(origin + 1234.5, origin), 1234.5);
  assert.equal(sourceMs(1234.5, origin), 1234.5);
});

const RTP_OFFSET = 0xffff_0000;

/**
 * Plays packets of 10 ms whose delivery jitters, polled at 60 Hz.
 *
 * @param {PlayoutClock} playout
 * @param {(ms: number) => number} delayMs of the jitter buffer, by time
 * @param {number} fromMs
 * @param {number} toMs
 * @param {number} [jitterMs]
 * @param {number} [stepMs] between two looks
 * @returns {{atMs: number, errorMs: number}[]}
 */
function listen(playout, delayMs, fromMs, toMs, jitterMs = 10, stepMs = 16) {
  let state = 7;
  const out = [];
  for (let ms = fromMs; ms < toMs; ms += stepMs) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const atMs = ms - (state / 2 ** 32) * 8;
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const late = (state / 2 ** 32 - 0.5) * jitterMs;
    const mediaTime = Math.round((atMs - delayMs(atMs) - late) * PER_MS) + 5_000_000_000;
    const rtpTimestamp = (mediaTime + RTP_OFFSET) % 2 ** 32;
    playout.observeRtp({
      rtpTimestamp,
      atMs,
      rtpOffset: RTP_OFFSET,
      nearMedia: 5_000_000_000 + ms * PER_MS + 20_000,
      latencyMs: 15,
    });
    const heard = playout.heardAt(ms);
    assert.ok(heard !== null);
    out.push({ atMs: ms, errorMs: (heard - 5_000_000_000) / PER_MS - (ms - delayMs(ms) - 15) });
  }
  return out;
}

/** @param {{errorMs: number}[]} found */
const worst = (found) => Math.max(...found.map(({ errorMs }) => Math.abs(errorMs)));

test("what is heard is known within a few milliseconds", () => {
  const found = listen(new PlayoutClock(), () => 40, 0, 5000);
  assert.ok(worst(found.slice(20)) < 4, String(worst(found.slice(20))));
});

test("a clock that looks eight times a second follows fewer observations, nearly as well", () => {
  const playout = new PlayoutClock(9);
  assert.ok(worst(listen(playout, () => 40, 0, 144).slice(8)) < 6);
  assert.ok(worst(listen(playout, () => 40, 144, 20_000, 10, 120)) < 6);
  assert.ok(worst(listen(playout, (ms) => 40 + (ms - 20_000) / 100, 20_000, 24_000, 10, 120)) < 11);
  assert.equal(playout.jumps, 0);
  const late = listen(playout, () => 680, 24_000, 28_000, 10, 120);
  assert.ok(playout.jumps >= 1);
  assert.ok(worst(late.slice(8)) < 8, String(worst(late.slice(8))));
});

test("a draining buffer is followed", () => {
  const playout = new PlayoutClock();
  const found = listen(playout, (ms) => 80 - Math.min(40, ms / 100), 0, 8000);
  assert.ok(worst(found.slice(20)) < 6);
  assert.equal(playout.jumps, 0);
});

test("media time heard runs smoothly and never back, whatever the buffer does", () => {
  const playout = new PlayoutClock();
  let state = 3;
  listen(playout, () => 40, 0, 1000);
  let before = playout.heardAt(1000) ?? 0;
  for (let ms = 1001; ms < 6000; ms += 1) {
    if (ms % 10 === 0) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      const delay = 40 + (ms > 3000 ? 60 : 0) + (state / 2 ** 32) * 20;
      playout.observe({ mediaTime: (ms - delay) * PER_MS + 5_000_000_000, atMs: ms, latencyMs: 15 });
    }
    const now = playout.heardAt(ms) ?? 0;
    const rate = (now - before) / PER_MS;
    assert.ok(rate > 0.89 && rate < 1.11, `${ms}: ${rate}`);
    before = now;
  }
  assert.equal(playout.jumps, 0);
  assert.ok(Math.abs((before - 5_000_000_000) / PER_MS - (5999 - 100 - 10 - 15)) < 6);
});

test("an interruption is followed at once", () => {
  const playout = new PlayoutClock();
  listen(playout, () => 40, 0, 2000);
  const found = listen(playout, () => 640, 2000, 4000);
  assert.ok(playout.jumps >= 1);
  assert.ok(worst(found.slice(20)) < 8, String(worst(found.slice(20))));
});

test("after a silence what is heard is unknown, and begins anew", () => {
  const playout = new PlayoutClock();
  assert.equal(playout.heardAt(0), null);
  listen(playout, () => 40, 0, 1000);
  assert.notEqual(playout.heardAt(2500), null);
  assert.equal(playout.heardAt(3100), null);
  assert.ok(worst(listen(playout, () => 400, 9000, 9500)) < 16);
  assert.equal(playout.jumps, 0);
});

test("polling twice between two packets is one observation", () => {
  const playout = new PlayoutClock();
  assert.equal(playout.observe({ mediaTime: 48, atMs: 1, latencyMs: 0 }), true);
  assert.equal(playout.observe({ mediaTime: 48, atMs: 1, latencyMs: 0 }), false);
  assert.equal(playout.observe({ mediaTime: NaN, atMs: 2, latencyMs: 0 }), false);
  assert.equal(playout.heardAt(2), 96);
});
