// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { AHEAD, Sinc, TAPS } from "../../../../static/studio/engine/sinc.js";

const RATE = 44_100;

test("at a whole frame it is that frame, and nothing of its neighbours", () => {
  const weights = [...new Sinc().weights(0)];
  assert.deepEqual(weights, Array.from({ length: TAPS }, (_, tap) => (tap === AHEAD - 1 ? 1 : 0)));
});

for (const [hz, worstDb] of [[440, -95], [5_000, -90], [15_000, -75]]) {
  test(`sinc: a tone of ${hz} Hz between its frames, ${worstDb} dB and better`, () => {
    const sinc = new Sinc();
    let worst = 0;
    for (let i = 0; i < 500; i += 1) {
      const place = 100 + i * 1.0027;
      const whole = Math.floor(place);
      let sum = 0;
      sinc.weights(place - whole).forEach((weight, tap) => {
        sum += weight * Math.sin((2 * Math.PI * Number(hz) * (whole - AHEAD + 1 + tap)) / RATE);
      });
      worst = Math.max(worst, Math.abs(sum - Math.sin((2 * Math.PI * Number(hz) * place) / RATE)));
    }
    assert.ok(20 * Math.log10(worst) < Number(worstDb), `${20 * Math.log10(worst)} dB`);
  });
}

test("for a lower output rate, what would fold back is removed", () => {
  const sinc = new Sinc(0.5);
  let largest = 0;
  for (let i = 0; i < 200; i += 1) {
    let sum = 0;
    sinc.weights((i * 0.37) % 1).forEach((weight, tap) => {
      sum += weight * Math.sin((2 * Math.PI * 18_000 * (i + tap)) / RATE);
    });
    largest = Math.max(largest, Math.abs(sum));
  }
  assert.ok(largest < 0.001, `${largest}`);
});
