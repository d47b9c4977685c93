// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { STATS_FIELDS } from "../../../static/channel/telemetry.js";
import { readCounters } from "../../../static/listen/stats.js";
import { MidiReport, soundReport } from "../../../static/stage/report.js";

const INBOUND = {
  type: "inbound-rtp", kind: "audio", id: "i", codecId: "c", packetsReceived: 200, packetsLost: 4, packetsDiscarded: 1, bytesReceived: 40_000, nackCount: 2,
  totalSamplesReceived: 96_000, concealedSamples: 960, silentConcealedSamples: 480, concealmentEvents: 3,
  insertedSamplesForDeceleration: 100, removedSamplesForAcceleration: 50,
  jitterBufferDelay: 3840, jitterBufferTargetDelay: 1920, jitterBufferEmittedCount: 96_000, jitter: 0.002,
};
const PLAYOUT = { type: "media-playout", id: "p", kind: "audio", totalPlayoutDelay: 2880, totalSamplesCount: 96_000 };

test("reports say what has grown since the last one, in the protocol's fields", () => {
  const first = readCounters([INBOUND, PLAYOUT], 1000);
  const second = readCounters(
    [
      { ...INBOUND, packetsReceived: 300, packetsLost: 3, jitterBufferDelay: 3840 + 48_000 * 0.03, jitterBufferEmittedCount: 144_000, totalSamplesReceived: 144_000 },
      { ...PLAYOUT, totalPlayoutDelay: 2880 + 48_000 * 0.02, totalSamplesCount: 144_000 },
    ],
    2010,
  );
  assert.ok(first && second);
  const report = soundReport(first, second);
  assert.equal(report.interval_ms, 1010);
  assert.equal(report.packets, 100);
  assert.equal(report.lost, 0, "late packets make the browser's counter shrink");
  assert.equal(report.played, 48_000);
  assert.equal(report.concealed, 0);
  assert.ok(Math.abs((report.buffer_ms ?? 0) - 30) < 1e-6);
  assert.ok(Math.abs((report.playout_ms ?? 0) - 20) < 1e-6);
  assert.equal(report.jitter_ms, 2);
  assert.equal(report.rtt_ms, null);
  assert.equal(soundReport(null, first).packets, 200);
  for (const field of Object.keys(report)) assert.ok(STATS_FIELDS.some((name) => name === field), field);
});

test("a browser that does not say something is not taken to have said zero", () => {
  const counters = readCounters([{ type: "inbound-rtp", kind: "audio", packetsReceived: 5 }], 0);
  assert.ok(counters);
  const report = soundReport(null, counters);
  assert.equal("discarded" in report, false);
  assert.equal(report.playout_ms, null);
});

test("whether a relay stands between is reported where the browser says it", () => {
  const pair = { type: "candidate-pair", id: "P", selected: true, localCandidateId: "L" };
  for (const [candidateType, relayed] of /** @type {const} */ ([["relay", 1], ["host", 0]])) {
    const local = { type: "local-candidate", id: "L", candidateType, protocol: "udp" };
    const counters = readCounters([INBOUND, pair, local], 0);
    assert.ok(counters);
    assert.equal(soundReport(null, counters).relayed, relayed);
  }
  const unsaid = readCounters([INBOUND], 0);
  assert.ok(unsaid);
  assert.equal("relayed" in soundReport(null, unsaid), false);
});

test("notes are reported as growth, and the skew as the mean of the interval", () => {
  const told = new MidiReport();
  for (const ms of [-4, 8]) told.skew(ms);
  assert.deepEqual(told.take({ events: 5, missed: 1, repaired: 2 }), { midi_events: 5, midi_missed: 1, midi_repaired: 2, midi_skew_ms: 2 });
  assert.deepEqual(told.take({ events: 9, missed: 0, repaired: 2 }), { midi_events: 4, midi_missed: 0, midi_repaired: 0, midi_skew_ms: null });
});
