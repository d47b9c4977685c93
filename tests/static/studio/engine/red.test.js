import assert from "node:assert/strict";
import { test } from "node:test";

import { plain, samplesOf, splitRed } from "../../../../static/studio/engine/red.js";

/** TOC bytes of fullband CELT, one frame: 2.5, 5, 10 and 20 ms (RFC 6716, table 2). */
const TOC = { 120: 0xe4, 240: 0xec, 480: 0xf4, 960: 0xfc };

/** @param {number} fill @param {number} [length] */
const frame = (fill, length = 20) => Uint8Array.of(TOC[240], ...Array(length - 1).fill(fill));

/** @param {{offset: number, payload: Uint8Array}[]} earlier oldest first @param {Uint8Array} newest */
function red(earlier, newest) {
  const headers = earlier.flatMap(({ offset, payload }) => {
    const word = 0x80000000 + 111 * 2 ** 24 + offset * 2 ** 10 + payload.length;
    return [word >>> 24, (word >>> 16) & 0xff, (word >>> 8) & 0xff, word & 0xff];
  });
  return Uint8Array.of(...headers, 111, ...earlier.flatMap(({ payload }) => [...payload]), ...newest);
}

/** @param {ReturnType<typeof splitRed>} found */
function brief(found) {
  return typeof found === "string" ? found : found.map(({ rtp, payload, samples }) => [rtp, payload[1], payload.length, samples]);
}

test("earlier frames come first, each with its own timestamp", () => {
  const bytes = red([{ offset: 480, payload: frame(1, 30) }, { offset: 240, payload: frame(2, 40) }], frame(3, 50));
  assert.deepEqual(brief(splitRed(bytes, 1_000)), [[520, 1, 30, 240], [760, 2, 40, 240], [1_000, 3, 50, 240]]);
  assert.deepEqual(brief(splitRed(red([], frame(9)), 7)), [[7, 9, 20, 240]]);
});

test("timestamps go round at 2^32", () => {
  const [first] = /** @type {import("../../../../static/studio/engine/red.js").Frame[]} */ (
    splitRed(red([{ offset: 240, payload: frame(1) }], frame(2)), 100)
  );
  assert.equal(first?.rtp, 2 ** 32 - 140);
});

test("an earlier frame that was left out is left out", () => {
  const bytes = red([{ offset: 240, payload: new Uint8Array(0) }], frame(3));
  assert.deepEqual(brief(splitRed(bytes, 1_000)), [[1_000, 3, 20, 240]]);
});

test("whatever is cut off, too long or no Opus is refused as a whole", () => {
  const whole = red([{ offset: 480, payload: frame(1) }, { offset: 240, payload: frame(2) }], frame(3));
  for (let length = 0; length < whole.length; length += 1) {
    const found = splitRed(whole.subarray(0, length), 1_000);
    // A frame that lacks its end is still a packet; only who decodes it can tell.
    assert.equal(typeof found === "string", length <= 4 + 4 + 1 + 20 + 20, `${length} bytes`);
  }
  assert.equal(typeof splitRed(new Uint8Array(64).fill(0xff), 0), "string");
  assert.equal(typeof splitRed(red([{ offset: 240, payload: Uint8Array.of(0xff, 0x3f) }], frame(2)), 0), "string");
});

test("ten thousand random payloads are split or refused, never more", () => {
  let state = 1;
  const random = () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
  for (let round = 0; round < 10_000; round += 1) {
    const bytes = Uint8Array.from({ length: Math.floor(random() * 80) }, () => Math.floor(random() * 256));
    const found = splitRed(bytes, 0);
    if (typeof found === "string") continue;
    assert.ok(found.every(({ payload, samples }) => payload.length > 0 && samples > 0 && samples <= 5_760));
    assert.ok(found.reduce((sum, { payload }) => sum + payload.length, 0) < bytes.length);
  }
});

test("knows how long a packet is", () => {
  assert.deepEqual(Object.values(TOC).map((toc) => samplesOf(Uint8Array.of(toc))), [120, 240, 480, 960]);
  // Two frames, and three of them by count; then SILK of 60 ms and hybrid of 20.
  assert.equal(samplesOf(Uint8Array.of(TOC[240] | 1)), 480);
  assert.equal(samplesOf(Uint8Array.of(TOC[240] | 3, 3)), 720);
  assert.equal(samplesOf(Uint8Array.of(3 << 3)), 2_880);
  assert.equal(samplesOf(Uint8Array.of(13 << 3)), 960);
  assert.equal(samplesOf(new Uint8Array(0)), 0);
  assert.equal(samplesOf(Uint8Array.of(TOC[960] | 3, 7)), 0, "140 ms");
  assert.equal(typeof plain(new Uint8Array(0), 1), "string");
});
