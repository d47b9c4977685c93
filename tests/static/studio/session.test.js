// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { NO_FRAMES, OFF, OPENING_MS, PROVING_MS, STEADY_MS, step } from "../../../static/studio/session.js";

/** @typedef {import("../../../static/studio/session.js").StudioSession} StudioSession */

/** Runs events, each at its time; tells the phases and the effects. @param {[number, any][]} events */
function run(events) {
  /** @type {Readonly<StudioSession>} */
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

test("a session that ended begins again by itself once Listen plays, if it had played for a while", () => {
  const ended = { type: "lost", notice: "Gone.", again: true, ended: true };
  const late = 400 + STEADY_MS;
  const back = run([...BEGIN, [late, ended], [late + 500, { type: "listening" }]]).studio;
  assert.deepEqual([back.phase, back.notice, back.resumes], ["off", "Gone.", true]);
  // However long Listen takes.
  assert.equal(run([...BEGIN, [late, ended], [late + 10_000, { type: "clock" }]]).studio.resumes, true);
  const soon = run([...BEGIN, [late - 1, ended], [late + 500, { type: "listening" }]]).studio;
  assert.equal(soon.resumes, false);
});

test("what the network cannot carry, and what was refused, does not begin again by itself", () => {
  const late = 400 + STEADY_MS;
  const poor = { type: "lost", notice: "Too uneven.", again: true };
  assert.equal(run([...BEGIN, [late, poor], [late + 500, { type: "listening" }]]).studio.resumes, false);
  const refused = { type: "lost", notice: "No.", again: false, ended: true };
  assert.equal(run([...BEGIN, [late, refused], [late + 500, { type: "listening" }]]).studio.resumes, false);
  // An attempt that fails is the last one.
  const ended = { type: "lost", notice: "Gone.", again: true, ended: true };
  const { studio } = run([...BEGIN, [late, ended], [late + 500, { type: "listening" }], [late + 600, { type: "studio" }], [late + 700, ended]]);
  assert.deepEqual([studio.phase, studio.resumes], ["off", false]);
});
