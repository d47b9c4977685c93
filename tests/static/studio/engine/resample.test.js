import assert from "node:assert/strict";
import { test } from "node:test";

import { DECODED_RATE, Resampler } from "../../../../static/studio/engine/resample.js";

/** A tone in pieces of these lengths, resampled. @param {Resampler} resampler @param {number[]} pieces @param {number} hz */
function tone(resampler, pieces, hz) {
  const found = [];
  let at = 0;
  for (const samples of pieces) {
    const left = Float32Array.from({ length: samples }, (_, i) => Math.sin((2 * Math.PI * hz * (at + i)) / DECODED_RATE));
    const right = left.map((value) => value / 2);
    const out = resampler.push(at, left, right, samples);
    for (let i = 0; i < out.frames; i += 1) found.push([out.first + i, out.left[i] ?? NaN, out.right[i] ?? NaN]);
    at += samples;
  }
  return found;
}

for (const rate of [44_100, 88_200, 96_000]) {
  test(`every frame at ${rate} Hz lies where its time is, however the sound is cut`, () => {
    for (const phase of [0, 0.37, -0.5]) {
      const found = tone(new Resampler(rate, phase), [240, 240, 120, 480, 5_760, 240, 240], 1_000);
      assert.deepEqual(found.map(([frame]) => frame), Array.from({ length: found.length }, (_, i) => (found[0]?.[0] ?? 0) + i));
      assert.ok(found.length > (7_300 * rate) / DECODED_RATE);
      let worst = 0;
      // The first samples have silence before them.
      for (const [frame = 0, left = 0, right = 0] of found.slice(60)) {
        const seconds = frame / rate + phase / DECODED_RATE;
        const want = Math.sin(2 * Math.PI * 1_000 * seconds);
        worst = Math.max(worst, Math.abs(left - want), Math.abs(right - want / 2));
      }
      assert.ok(worst < 2e-4, `${worst}`);
    }
  });
}

test("at the decoder's own rate every sample stays as it is", () => {
  const found = tone(new Resampler(DECODED_RATE), [240, 480], 440);
  assert.equal(found.length, 720);
  found.forEach(([frame = NaN, left]) => assert.equal(left, Math.fround(Math.sin((2 * Math.PI * 440 * frame) / DECODED_RATE))));
});

test("after a gap it begins anew, in its place", () => {
  const resampler = new Resampler(44_100);
  tone(resampler, [240, 240], 500);
  const ones = new Float32Array(960).fill(1);
  const { first, frames, left } = resampler.push(48_000, ones, ones, 960);
  assert.equal(first, 44_100);
  assert.ok(frames > 850 && Math.abs((left[400] ?? 0) - 1) < 1e-3);
});
