import assert from "node:assert/strict";
import { test } from "node:test";

import { USUAL_OUTPUT_MS, listenStrip, studioStrip } from "../../../static/listen/hops.js";

/** @typedef {import("../../../static/listen/hops.js").Strip} Strip */

const LISTEN = { totalMs: 92.4, bufferMs: 38.2, rttMs: 8, outputMs: 12, handingOnMs: 16, blockMs: 2.9, frameMs: 10 };
const STUDIO = { browserMs: 16.5, measured: true, levelMs: 9.4, rttMs: 2, outputMs: 20, blockMs: 2.9, frameMs: null };

/** @param {Strip | null} strip */
const byName = (strip) => Object.fromEntries(strip?.hops.map(({ name, ms }) => [name, ms]) ?? []);
/** @param {Strip | null} strip */
const sum = (strip) => strip?.hops.reduce((all, { ms }) => all + ms, 0);

test("the hops of Listen add up to the measured total, and the encoder gets what no counter explains", () => {
  const strip = listenStrip(LISTEN);
  assert.equal(strip?.totalMs, 92);
  assert.equal(sum(strip), 92);
  assert.deepEqual(strip?.hops.map(({ name }) => name), ["instrument", "encoder", "network", "buffer", "speaker"]);
  const { network, buffer, speaker, encoder } = byName(strip);
  assert.deepEqual([network, buffer, speaker], [4, 38, 28]);
  // 92.4 less the half block, the network, the buffer and the output.
  assert.ok(Math.abs((encoder ?? 0) - (92.4 - 1.45 - 4 - 38.2 - 28)) <= 1, String(encoder));
  assert.equal(strip?.measured, true);
  assert.equal(strip?.guessedOutput, false);
});

test("without a media clock the total is the sum of what is known", () => {
  const strip = listenStrip({ ...LISTEN, totalMs: null });
  assert.equal(strip?.measured, false);
  assert.equal(strip?.totalMs, Math.round(1.45 + 7.5 + 4 + 38.2 + 28));
  assert.equal(sum(strip), strip?.totalMs);
});

test("a total that has shrunk below its parts shortens the buffer, never below nothing", () => {
  const strip = listenStrip({ ...LISTEN, totalMs: 60 });
  assert.equal(sum(strip), 60);
  assert.ok((byName(strip).buffer ?? 99) < 38);
  const tiny = listenStrip({ ...LISTEN, totalMs: 1 });
  assert.equal(byName(tiny).buffer, 0);
  assert.ok(tiny?.hops.every(({ ms }) => ms >= 0));
});

test("nothing is said before the buffer is known, and an output that is not known is assumed", () => {
  assert.equal(listenStrip({ ...LISTEN, bufferMs: null }), null);
  const silent = listenStrip({ ...LISTEN, outputMs: null, totalMs: null });
  assert.equal(silent?.guessedOutput, true);
  assert.equal(byName(silent).speaker, 16 + USUAL_OUTPUT_MS);
});

test("exact samples have no encoder, and the network gets what is left", () => {
  const strip = studioStrip(STUDIO);
  assert.equal(strip.totalMs, 37);
  assert.equal(sum(strip), strip.totalMs);
  const { encoder, buffer, speaker, network } = byName(strip);
  assert.deepEqual([encoder, speaker], [0, 20]);
  assert.ok(Math.abs((buffer ?? 0) - 9.4) <= 1 && Math.abs((network ?? 0) - (16.5 - 1.45 - 9.4)) <= 1);
});

test("light has an encoder of half a frame and its look-ahead", () => {
  const strip = studioStrip({ ...STUDIO, frameMs: 5, browserMs: 24 });
  assert.equal(byName(strip).encoder, 5);
  assert.equal(sum(strip), strip.totalMs);
  const guess = studioStrip({ ...STUDIO, measured: false, rttMs: null });
  assert.equal(guess.measured, false);
  assert.equal(sum(guess), guess.totalMs);
});

test("whatever the parts are, whole numbers add up to the whole sum", () => {
  for (let n = 0; n < 300; n += 1) {
    const at = (/** @type {number} */ k) => ((n * 7919 + k * 104729) % 9973) / 100;
    const strip = listenStrip({ totalMs: n % 3 ? at(1) * 4 : null, bufferMs: at(2), rttMs: at(3), outputMs: at(4), handingOnMs: 16, blockMs: at(5) / 10, frameMs: 10 });
    assert.equal(sum(strip), strip?.totalMs);
    assert.ok(strip?.hops.every(({ ms }) => Number.isInteger(ms) && ms >= 0));
  }
});
