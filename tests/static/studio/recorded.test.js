// @ts-check
/** The loop on what a real browser measured (tests/vectors/studio/quality.json), told as the page tells it. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { Chooser } from "../../../static/studio/chooser.js";

/** @typedef {import("../../../static/studio/chooser.js").Figures} Figures */
/** @typedef {import("../../../static/studio/quality.js").Quality} Quality */
/** @typedef {{rows: number[][], left: string | null}} Trace the first row is the reading before */

/** @type {{columns: string[], networks: Record<string, {exact: Trace, light: Trace}>}} */
const { columns, networks } = JSON.parse(readFileSync(new URL("../../vectors/studio/quality.json", import.meta.url), "utf8"));
const BLOCK_MS = 128 / 44.1;

/**
 * One second of a trace: its gauges, and what its counters grew by. Where Studio was left, nothing grows any more; other traces
 * begin again.
 *
 * @param {Trace} trace
 * @param {number} second from 1
 */
function secondOf({ rows, left }, second) {
  const at = left === null ? 1 + ((second - 1) % (rows.length - 1)) : Math.min(second, rows.length - 1);
  const over = left !== null && second >= rows.length;
  const value = (/** @type {number[] | undefined} */ row, /** @type {string} */ name) => row?.[columns.indexOf(name)] ?? NaN;
  return {
    gauge: (/** @type {string} */ name) => value(rows[at], name),
    grown: (/** @type {string} */ name) => (over ? 0 : value(rows[at], name) - value(rows[at - 1], name)),
  };
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
  let verdict = null;
  for (let second = 1; second <= seconds && verdict === null; second += 1) {
    const network = networks[networkAt(second)];
    assert.ok(network);
    const exact = secondOf(network.exact, second);
    const hears = ring.turn === "light" || ring.turn === "trial" ? secondOf(network.light, second) : exact;
    const came = Math.round(44_100 * (1 - ((exact.grown("lost") + exact.grown("repaired")) * BLOCK_MS) / 1000));
    const counted = /** @type {const} */ (["lostMs", "madeUpMs", "repaired", "missed", "underruns", "payloads", "lost"]);
    for (const name of counted) ring = { ...ring, [name]: ring[name] + hears.grown(name) };
    ring = {
      ...ring,
      jitterMs: hears.gauge("jitterMs"),
      targetMs: hears.gauge("targetMs"),
      levelMs: hears.gauge("targetMs"),
      besideCame: ring.besideCame + (ring.turn === "trial" ? came : 0),
      besideEnd: ring.besideEnd + (ring.turn === "trial" ? 44_100 : 0),
      besideJitterMs: exact.gauge("jitterMs"),
    };
    verdict = chooser.look(second * 1000, ring, hears.gauge("rttMs"));
    // A ring changes within the second.
    const next = /** @type {Partial<Record<Figures["turn"], Figures["turn"]>>} */ ({ join: "joined", "to-light": "light", "to-exact": "exact" });
    ring = { ...ring, turn: next[ring.turn] ?? ring.turn };
    const now = chooser.choice.stage === "exact" ? "exact" : "light";
    if (now !== heard) moves.push({ second, heard: now });
    heard = now;
  }
  return { moves, heard, verdict, why: chooser.choice.why };
}

for (const network of ["lan", "good-wifi"]) {
  test(`${network} keeps exact`, () => {
    const { moves, verdict } = run(() => network, "exact", 300);
    assert.deepEqual([moves, verdict], [[], null]);
  });
}

for (const [network, cause] of /** @type {const} */ ([["busy-wifi", "jitter"], ["lossy-5", "loss"]])) {
  test(`${network} is left for light within ten seconds, and not tried again before it has been calm`, () => {
    const { moves, why, verdict } = run(() => network, "exact", 120);
    assert.equal(verdict, null, "light carries it");
    assert.equal(moves[0]?.heard, "light");
    assert.ok((moves[0]?.second ?? 99) <= 10, JSON.stringify(moves));
    assert.ok(why.cause === cause || why.cause === "loss", JSON.stringify(why));
    assert.ok(moves.length <= 3, JSON.stringify(moves));
  });
}

for (const stage of /** @type {const} */ (["exact", "light"])) {
  test(`a line that carries neither is left for Listen within ten seconds, from ${stage}`, () => {
    const { moves, verdict } = run(() => "link-64k", stage, 10);
    assert.notEqual(verdict, null);
    assert.deepEqual(moves.filter(({ heard }) => heard === "exact"), []);
  });
}

test("what a cable measures in light leads back to exact", () => {
  const { moves } = run(() => "lan", "light", 60);
  assert.equal(moves.length, 1, JSON.stringify(moves));
  assert.ok((moves[0]?.second ?? 99) <= 30, JSON.stringify(moves));
});

test("weather that comes and goes moves it, and ever more rarely", () => {
  const { moves, verdict } = run((second) => (second % 90 < 60 ? "lan" : "busy-wifi"), "exact", 1_800);
  assert.equal(verdict, null);
  assert.ok(moves.length >= 3, JSON.stringify(moves));
  assert.ok(moves.length <= 11, JSON.stringify(moves));
  const [early, late] = [moves.filter(({ second }) => second < 900).length, moves.filter(({ second }) => second >= 900).length];
  assert.ok(late < early, JSON.stringify(moves));
});
