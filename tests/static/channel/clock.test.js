// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { MediaClock } from "../../../static/channel/clock.js";
import { hex, vectors } from "./vectors.js";

for (const { name, replies, readings, steps, drift_ppm, rtt_ms } of vectors("media_clock")) {
  test(`tells the time that Python tells: ${name}`, () => {
    const clock = new MediaClock();
    const waiting = [...readings];
    replies.forEach((/** @type {number[]} */ [clientUs = 0, mediaTime = 0, heldUs = 0, arrivedUs = 0], /** @type {number} */ turn) => {
      clock.add({ clientUs, mediaTime, heldUs }, arrivedUs / 1000);
      while (waiting[0]?.[0] === turn) {
        const [, atUs, expected] = waiting.shift();
        const found = clock.mediaAt(atUs / 1000);
        assert.ok(found !== null && Math.abs(found - expected) <= 0.51, `${turn}: ${found}, not ${expected}`);
      }
    });
    assert.equal(waiting.length, 0);
    assert.equal(clock.steps, steps);
    assert.ok(Math.abs(clock.drift * 1e6 - drift_ppm) < 0.001);
    assert.ok(Math.abs((clock.rttMs ?? 0) - rtt_ms) < 1e-5);
  });
}

test("a clock without replies tells nothing, and asks at once", () => {
  const clock = new MediaClock();
  assert.equal(clock.mediaAt(5), null);
  assert.equal(clock.rttMs, null);
  assert.ok(clock.nextPingMs <= 0);
  const times = [];
  for (let now = 0; now < 10_000; now += 1) {
    if (now < clock.nextPingMs) continue;
    times.push(now);
    assert.equal(hex(clock.ping(now)), `01120000${(now * 1000).toString(16).padStart(16, "0")}`);
  }
  assert.deepEqual(times, [0, 100, 200, 300, 400, 500, 600, 700, 2700, 4700, 6700, 8700]);
});

test("replies from the future and from long ago are ignored", () => {
  const clock = new MediaClock();
  clock.add({ clientUs: 2_000_000, mediaTime: 0, heldUs: 0 }, 1000);
  clock.add({ clientUs: 0, mediaTime: 0, heldUs: 0 }, 6000);
  clock.add({ clientUs: NaN, mediaTime: 0, heldUs: 0 }, 6000);
  assert.equal(clock.ready, false);
});
