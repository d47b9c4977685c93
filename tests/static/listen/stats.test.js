import assert from "node:assert/strict";
import { test } from "node:test";

import { readCounters, snapshot } from "../../../static/listen/stats.js";

const CODEC = { type: "codec", id: "C", mimeType: "audio/opus", clockRate: 48000, channels: 2, sdpFmtpLine: "stereo=1" };

/** A reading as Chromium gives it. @param {object} changes */
const chromium = (changes) => [
  CODEC,
  { type: "transport", id: "T", selectedCandidatePairId: "P2" },
  { type: "candidate-pair", id: "P1", nominated: true, state: "succeeded", currentRoundTripTime: 0.5 },
  { type: "candidate-pair", id: "P2", nominated: true, state: "succeeded", currentRoundTripTime: 0.002 },
  {
    type: "inbound-rtp",
    id: "I",
    kind: "audio",
    codecId: "C",
    packetsReceived: 100,
    packetsLost: 2,
    bytesReceived: 20_000,
    jitterBufferDelay: 1920,
    jitterBufferTargetDelay: 960,
    jitterBufferEmittedCount: 48_000,
    concealedSamples: 960,
    silentConcealedSamples: 480,
    concealmentEvents: 1,
    totalSamplesReceived: 48_000,
    jitter: 0.001,
    nackCount: 3,
    ...changes,
  },
];

/** @param {Iterable<object>} report @param {number} atMs */
function read(report, atMs) {
  const counters = readCounters(report, atMs);
  assert.ok(counters);
  return counters;
}

test("no incoming audio, no reading", () => {
  assert.equal(readCounters([CODEC, { type: "inbound-rtp", kind: "video" }], 0), null);
});

test("packets with earlier frames: what was not needed of them is not late", () => {
  const report = chromium({ packetsDiscarded: 95 });
  assert.equal(read(report, 0).discarded, 95);
  assert.equal(readCounters(report, 0, true)?.discarded, null);
});

test("the first reading counts from the start of the connection", () => {
  const first = snapshot(null, read(chromium({}), 5000), true, null);
  assert.equal(first.elapsedMs, 0);
  assert.equal(first.packets, 100);
  assert.equal(first.bitrateBps, 0);
  assert.equal(first.bufferMs, 40);
  assert.equal(first.gapMs, 10);
  assert.equal(first.codec, "opus");
  assert.equal(first.rttMs, 2);
});

test("an interval is the difference of two readings", () => {
  const later = chromium({
    packetsReceived: 200,
    packetsLost: 5,
    bytesReceived: 40_000,
    jitterBufferDelay: 1920 + 48_000 * 0.03,
    jitterBufferTargetDelay: 960 + 48_000 * 0.025,
    jitterBufferEmittedCount: 96_000,
    concealedSamples: 960 + 1920,
    silentConcealedSamples: 480 + 960,
    concealmentEvents: 2,
  });
  const now = snapshot(read(chromium({}), 5000), read(later, 6000), true, null);
  assert.equal(now.elapsedMs, 1000);
  assert.equal(now.packets, 100);
  assert.equal(now.packetsTotal, 200);
  assert.equal(now.lost, 3);
  assert.equal(now.lostTotal, 5);
  assert.equal(now.lostPercent, (100 * 5) / 205);
  assert.equal(now.bitrateBps, 160_000);
  assert.ok(Math.abs(/** @type {number} */ (now.bufferMs) - 30) < 1e-9);
  assert.ok(Math.abs(/** @type {number} */ (now.targetMs) - 25) < 1e-9);
  assert.equal(now.gapMs, 20);
  assert.equal(now.gapCount, 2);
});

test("gaps are summed up from when the buffer had settled", () => {
  const settled = read(chromium({}), 0);
  const now = read(chromium({ concealedSamples: 960 + 1920, silentConcealedSamples: 480 + 480 }), 9000);
  assert.equal(snapshot(null, settled, true, null).gapTotalMs, null);
  assert.equal(snapshot(null, settled, true, settled).gapTotalMs, 0);
  assert.equal(snapshot(settled, now, true, settled).gapTotalMs, 30);
});

test("silence that is made up is no gap", () => {
  const later = chromium({ concealedSamples: 960 + 4800, silentConcealedSamples: 480 + 4800 });
  assert.equal(snapshot(read(chromium({}), 0), read(later, 1000), true, null).gapMs, 0);
});

test("nothing emitted, no delay; late packets make no negative loss", () => {
  const later = chromium({ packetsLost: 1 });
  const now = snapshot(read(chromium({}), 0), read(later, 1000), true, null);
  assert.equal(now.bufferMs, null);
  assert.equal(now.lost, 0);
  assert.equal(now.lostTotal, 1);
  assert.equal(snapshot(null, read(chromium({ packetsLost: -3 }), 0), true, null).lostTotal, 0);
});

test("a browser that tells less gets dashes, not zeros", () => {
  const report = [
    { type: "candidate-pair", id: "P", selected: true, currentRoundTripTime: 0.004 },
    { type: "inbound-rtp", mediaType: "audio", packetsReceived: 10, packetsLost: 0, bytesReceived: 900 },
  ];
  const now = snapshot(null, read(report, 0), null, null);
  for (const name of /** @type {const} */ (["bufferMs", "targetMs", "gapMs", "gapTotalMs", "jitterMs", "codec", "nacks", "stereo"])) {
    assert.equal(now[name], null, name);
  }
  assert.equal(now.rttMs, 4);
  assert.equal(now.clockRate, 48_000);
});
