// @ts-check
/** The loop on what a real browser measured (tests/vectors/studio/quality.json), told as the page tells it. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { Chooser } from "../../../static/studio/chooser.js";

/** @typedef {import("../../../static/studio/chooser.js").Figures} Figures */
/** @typedef {import("../../../static/studio/quality.js").Quality} Quality */

const traces = JSON.parse(readFileSync(new URL("../../vectors/studio/quality.json", import.meta.url), "utf8"));
const BLOCK_MS = 128 / 44.1;

/** One second of a trace: its gauges, and what its counters grew by. @param {number[][]} rows @param {number} second */
function secondOf(rows, second) {
  const at = second % rows.length;
  const now = rows[at] ?? [];
  const before = at === 0 ? [] : (rows[at - 1] ?? []);
  return { now, grown: (/** @type {number} */ column) => (now[column] ?? 0) - (before[column] ?? 0) };
}

/**
 * @param {(second: number) => string} networkAt
 * @param {Quality} stage
 * @param {number} seconds
 */
function run(networkAt, stage, seconds) {
  /** @type {Figures} */
  let ring = {
    turn: stage,
    lostMs: 0,
    madeUpMs: 0,
    repaired: 0,
    missed: 0,
    underruns: 0,
    jitterMs: 0,
    levelMs: 0,
    targetMs: 14,
    rate: 44_100,
    payloads: 0,
    lost: 0,
    besideCame: 0,
    besideEnd: 0,
    besideJitterMs: 0,
  };
  const steps = { change: () => {}, turn: (/** @type {Figures["turn"]} */ turn) => (ring = { ...ring, turn }) };
  const chooser = new Chooser({ stage, why: { cause: "good" } }, "automatic", { exact: true, light: true }, { mbps: 2.7, blockMs: BLOCK_MS, frameMs: 5 }, steps, 0);
  chooser.heard(0);
  /** @type {{second: number, heard: string}[]} */
  const moves = [];
  let heard = /** @type {string} */ (stage);
  for (let second = 1; second <= seconds; second += 1) {
    const network = networkAt(second);
    const exact = secondOf(traces.exact[network], second);
    const light = secondOf(traces.light[network] ?? traces.light.loopback, second);
    const hears = ring.turn === "light" || ring.turn === "trial" ? light : exact;
    const gauge = (/** @type {number} */ column) => hears.now[column] ?? 0;
    const lostMs = hears === light ? light.grown(1) : exact.grown(1) * BLOCK_MS;
    const came = Math.round(44_100 * (1 - ((exact.grown(1) + exact.grown(2)) * BLOCK_MS) / 1000));
    ring = {
      ...ring,
      jitterMs: gauge(0),
      targetMs: gauge(4),
      levelMs: gauge(4),
      underruns: ring.underruns + Math.max(0, hears.grown(3)),
      lostMs: ring.lostMs + lostMs,
      lost: ring.lost + (hears === light ? 0 : exact.grown(1)),
      madeUpMs: ring.madeUpMs + (hears === light ? light.grown(2) : 0),
      repaired: ring.repaired + (hears === light ? 0 : exact.grown(2)),
      payloads: ring.payloads + 345,
      besideCame: ring.besideCame + (ring.turn === "trial" ? came : 0),
      besideEnd: ring.besideEnd + (ring.turn === "trial" ? 44_100 : 0),
      besideJitterMs: exact.now[0] ?? 0,
    };
    assert.equal(chooser.look(second * 1000, ring, exact.now[5] ?? 1), null, `${network}: Studio is left`);
    // A ring changes within the second.
    const next = /** @type {Partial<Record<Figures["turn"], Figures["turn"]>>} */ ({ join: "joined", "to-light": "light", "to-exact": "exact" });
    ring = { ...ring, turn: next[ring.turn] ?? ring.turn };
    const now = chooser.choice.stage === "exact" ? "exact" : "light";
    if (now !== heard) moves.push({ second, heard: now });
    heard = now;
  }
  return { moves, heard, why: chooser.choice.why };
}

for (const network of ["loopback", "good-wifi"]) {
  test(`${network} keeps exact`, () => assert.deepEqual(run(() => network, "exact", 300).moves, []));
}

for (const [network, cause] of /** @type {const} */ ([["busy-wifi", "jitter"], ["lossy-5", "loss"]])) {
  test(`${network} is left for light within ten seconds, and not tried again before it has been calm`, () => {
    const { moves, why } = run(() => network, "exact", 120);
    assert.equal(moves[0]?.heard, "light");
    assert.ok((moves[0]?.second ?? 99) <= 10, JSON.stringify(moves));
    assert.ok(why.cause === cause || why.cause === "loss", JSON.stringify(why));
    assert.ok(moves.length <= 3, JSON.stringify(moves));
  });
}

test("what a machine without a network measures in light leads back to exact", () => {
  const { moves } = run(() => "loopback", "light", 60);
  assert.equal(moves.length, 1);
  assert.ok((moves[0]?.second ?? 99) <= 20, JSON.stringify(moves));
});

test("weather that comes and goes moves it, and ever more rarely", () => {
  const { moves } = run((second) => (second % 90 < 60 ? "loopback" : "busy-wifi"), "exact", 1_800);
  assert.ok(moves.length >= 3, JSON.stringify(moves));
  assert.ok(moves.length <= 11, JSON.stringify(moves));
  const [early, late] = [moves.filter(({ second }) => second < 900).length, moves.filter(({ second }) => second >= 900).length];
  assert.ok(late < early, JSON.stringify(moves));
});
