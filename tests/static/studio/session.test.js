import assert from "node:assert/strict";
import { test } from "node:test";

import { Limits, MOST_UNDERRUNS, QUIET_MS } from "../../../static/studio/limits.js";
import { NO_FRAMES, OFF, OPENING_MS, PROVING_MS, step } from "../../../static/studio/session.js";
import { studioSupport } from "../../../static/studio/support.js";
import { exactness, outputWarning, studioLine } from "../../../static/ui/studio-words.js";

/** @typedef {import("../../../static/studio/session.js").Studio} Studio */
/** @typedef {import("../../../static/studio/session.js").StudioEvent} StudioEvent */

/** Runs events, each at its time; tells the phases and the effects. @param {[number, any][]} events */
function run(events) {
  /** @type {Readonly<Studio>} */
  let studio = OFF;
  /** @type {string[]} */
  const effects = [];
  /** @type {string[]} */
  const phases = [];
  for (const [atMs, event] of events) {
    const after = step(studio, { generation: studio.generation, ...event }, atMs);
    studio = after.studio;
    effects.push(...after.effects.map(({ type }) => type));
    phases.push(studio.phase);
  }
  return { studio, effects, phases };
}

const BEGIN = /** @type {[number, any][]} */ ([
  [0, { type: "studio" }],
  [100, { type: "answered" }],
  [300, { type: "proved" }],
  [400, { type: "sounding" }],
]);

test("takes over only when it sounds, and asks for PCM only with proof", () => {
  const { effects, phases } = run(BEGIN);
  assert.deepEqual(phases, ["opening", "proving", "starting", "playing"]);
  assert.deepEqual(effects, ["open", "ready", "take-over"]);
});

test("without frames in the worker PCM is never asked for, and Listen stays", () => {
  const { studio, effects } = run([...BEGIN.slice(0, 2), [100 + PROVING_MS, { type: "clock" }], [99_000, { type: "proved" }]]);
  assert.deepEqual(effects, ["open", "close"]);
  assert.equal(studio.notice, NO_FRAMES);
  assert.equal(studio.offered, false);
});

test("a clock that is not due changes nothing", () => {
  assert.deepEqual(run([BEGIN[0] ?? [0, {}], [OPENING_MS - 1, { type: "clock" }]]).phases, ["opening", "opening"]);
});

test("a refusal is told, and Listen stays", () => {
  const { studio, effects } = run([[0, { type: "studio" }], [50, { type: "lost", notice: "All places are taken.", again: true }]]);
  assert.deepEqual(effects, ["open", "close"]);
  assert.deepEqual([studio.phase, studio.notice, studio.offered], ["off", "All places are taken.", true]);
});

test("what an earlier session says is not heard", () => {
  const after = step(run(BEGIN).studio, { type: "lost", generation: 0, notice: "old", again: true }, 500);
  assert.equal(after.studio.phase, "playing");
  assert.deepEqual(after.effects, []);
});

test("back by choice: Listen is there before Studio goes", () => {
  const { studio, effects } = run([...BEGIN, [900, { type: "listen" }], [1_500, { type: "listening" }]]);
  assert.deepEqual(effects.slice(3), ["hand-back", "fade-out"]);
  assert.deepEqual([studio.phase, studio.notice], ["off", ""]);
});

test("a network that is not good enough: back to Listen, with an offer to return", () => {
  const { studio } = run([...BEGIN, [900, { type: "lost", notice: "Too uneven.", again: true }], [1_500, { type: "listening" }]]);
  assert.deepEqual([studio.phase, studio.notice, studio.offered], ["off", "Too uneven.", true]);
  assert.deepEqual(step(studio, { type: "studio" }, 2_000).studio.phase, "opening");
});

test("if Listen does not come back, Studio ends all the same", () => {
  const { effects, studio } = run([...BEGIN, [900, { type: "listen" }], [10_900, { type: "clock" }]]);
  assert.equal(effects.at(-1), "fade-out");
  assert.equal(studio.phase, "off");
});

test("second thoughts while returning: Studio stays; not if it was lost", () => {
  assert.equal(run([...BEGIN, [900, { type: "listen" }], [1_000, { type: "studio" }]]).studio.phase, "playing");
  const lost = run([...BEGIN, [900, { type: "lost", notice: "Gone.", again: true }], [1_000, { type: "studio" }]]);
  assert.equal(lost.studio.phase, "returning");
});

test("stop ends it at once, from everywhere", () => {
  for (let events = 1; events <= BEGIN.length; events += 1) {
    const { studio, effects } = run([...BEGIN.slice(0, events), [9_000, { type: "stop" }]]);
    assert.deepEqual([studio.phase, effects.at(-1)], ["off", "close"]);
  }
});

/** @param {(atMs: number) => {lost?: number, underruns?: number, targetMs?: number, payloads?: number}} at @param {number} [seconds] */
function judged(at, seconds = 30) {
  const limits = new Limits(0);
  for (let atMs = 0; atMs <= seconds * 1000; atMs += 100) {
    const verdict = limits.judge({ atMs, lost: 0, underruns: 0, targetMs: 12, payloads: atMs * 0.345, ...at(atMs) });
    if (verdict) return [verdict, atMs];
  }
  return null;
}

test("limits: a good network is left alone, with a loss here and there", () => {
  assert.equal(judged((atMs) => ({ lost: Math.floor(atMs / 500), underruns: Math.floor(atMs / 9_000) })), null);
});

test("limits: 5 % lost is too much, and said within ten seconds", () => {
  const [verdict, atMs] = judged((atMs) => ({ lost: atMs * 0.018 })) ?? [];
  assert.equal(verdict, "loss");
  assert.ok(Number(atMs) < 10_000, `${atMs}`);
});

test("limits: a deep ring for five seconds, but not for two", () => {
  assert.equal(judged((atMs) => ({ targetMs: atMs > 8_000 && atMs < 10_000 ? 90 : 12 })), null);
  assert.equal(judged((atMs) => ({ targetMs: atMs > 8_000 ? 90 : 12 }))?.[0], "jitter");
});

test("limits: underruns again and again; those while it settles do not count", () => {
  assert.equal(judged((atMs) => ({ underruns: Math.min(8, Math.floor(atMs / 300)) })), null);
  assert.equal(judged((atMs) => ({ underruns: Math.floor(Math.max(0, atMs - 6_000) / 1_000) }))?.[0], "jitter");
  assert.ok(MOST_UNDERRUNS > 1);
});

test("limits: nothing arrives any more", () => {
  const [verdict, atMs] = judged((atMs) => ({ payloads: Math.min(atMs, 10_000) })) ?? [];
  assert.deepEqual([verdict, Math.round(Number(atMs) / 1000)], ["quiet", 10 + QUIET_MS / 1000]);
});

const able = { isSecureContext: true, RTCPeerConnection: 1, AudioContext: 1, AudioWorkletNode: 1, Worker: 1, location: { origin: "http://x" } };

test("support: the best way that the browser has", () => {
  assert.deepEqual(studioSupport({ ...able, RTCRtpScriptTransform: 1 }), { way: "transform" });
  class RTCRtpReceiver {
    createEncodedStreams() {}
  }
  assert.deepEqual(studioSupport({ ...able, RTCRtpReceiver }), { way: "streams" });
  assert.deepEqual(studioSupport(able), { way: "channel" });
});

test("support: an insecure page says what to do about it", () => {
  const support = studioSupport({ ...able, isSecureContext: false });
  assert.ok("missing" in support && support.missing.includes("--tls auto") && support.missing.includes("http://x"));
  assert.ok("missing" in studioSupport({ ...able, AudioWorkletNode: undefined }));
});

const format = { version: 1, rate: 44_100, bits: /** @type {const} */ (24), frames: 128, exact: true, mbps: 1, packetsPerS: 1, redundancy: false };
const ring = { exact: true, contextRate: 44_100, ratio: 1 };

test("bit-exact is said only when all of the way is", () => {
  assert.equal(exactness(format, ring, true).exact, true);
  assert.equal(exactness({ ...format, exact: false }, ring, true).exact, false, "a mix");
  assert.equal(exactness(format, { ...ring, contextRate: 48_000 }, true).exact, false);
  assert.equal(exactness(format, { ...ring, ratio: 1.0001 }, true).exact, false);
  assert.equal(exactness(format, ring, false).exact, false, "turned down");
  assert.equal(exactness(format, { ...ring, exact: false }, true).exact, false);
});

test("words: a warning for Bluetooth, none for a cable", () => {
  assert.equal(outputWarning(25), "");
  assert.match(outputWarning(180), /Bluetooth/);
});

test("words: why it is off is said until something else happens", () => {
  assert.match(studioLine({ ...OFF, notice: "All places are taken." }, true, false), /All places are taken\. You are in Listen\./);
  assert.equal(studioLine(OFF, true, false), "");
});
