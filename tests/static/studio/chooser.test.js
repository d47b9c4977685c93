// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { Chooser } from "../../../static/studio/chooser.js";

/** @typedef {import("../../../static/studio/chooser.js").Figures} Figures */
/** @typedef {import("../../../static/studio/quality.js").Stage} Stage */

const FORMAT = { mbps: 2.7, blockMs: 2.9, frameMs: 5 };
const BOTH = { exact: true, light: true };

/** @type {Figures} */
const QUIET = {
  turn: "exact",
  lostMs: 0,
  madeUpMs: 0,
  repaired: 0,
  missed: 0,
  underruns: 0,
  jitterMs: 1,
  levelMs: 14,
  targetMs: 14,
  rate: 44_100,
  payloads: 0,
  lost: 0,
  besideCame: 0,
  besideEnd: 0,
  besideJitterMs: 1,
};

/**
 * A session whose server and ring do what they are told, the ring half a second later for `join`.
 *
 * @param {Stage} stage
 * @param {import("../../../static/studio/quality.js").Pin} [pin]
 * @param {{exact: boolean, light: boolean}} [offered]
 */
function session(stage, pin = "automatic", offered = BOTH) {
  /** @type {string[]} */
  const said = [];
  let ring = { ...QUIET, turn: /** @type {Figures["turn"]} */ (stage) };
  let nowMs = 0;
  const steps = {
    change: (/** @type {string} */ wish) => said.push(`server: ${wish}`),
    turn: (/** @type {Figures["turn"]} */ turn) => {
      said.push(`ring: ${turn}`);
      ring = { ...ring, turn };
    },
  };
  const chooser = new Chooser({ stage, why: { cause: "good" } }, pin, offered, FORMAT, steps, 0);
  chooser.heard(0);
  return {
    chooser,
    said,
    /** @param {number} ms @param {(ring: Figures) => Partial<Figures>} [change] in a tenth of a second */
    run(ms, change = () => ({})) {
      let verdict = null;
      for (const end = nowMs + ms; nowMs < end && verdict === null; ) {
        nowMs += 100;
        const next = /** @type {Partial<Record<Figures["turn"], Figures["turn"]>>} */ ({ join: "joined", "to-light": "light", "to-exact": "exact" });
        const came = ring.turn === "trial" || ring.turn === "guard" ? 4_410 : 0;
        ring = { ...ring, payloads: ring.payloads + 30, besideCame: ring.besideCame + came, besideEnd: ring.besideEnd + came, turn: next[ring.turn] ?? ring.turn };
        ring = { ...ring, ...change(ring) };
        verdict = chooser.look(nowMs, ring, 2);
      }
      return verdict;
    },
    now: () => nowMs,
  };
}

test("to light: both come, then the ring changes, and only then the samples end", () => {
  const { chooser, said, run } = session("exact");
  run(12_000, ({ turn }) => (turn === "exact" ? { jitterMs: 20 } : {}));
  assert.deepEqual(said, ["server: both", "ring: join", "ring: to-light", "server: light", "ring: light"]);
  assert.equal(chooser.choice.stage, "light");
});

test("the ring grows first, for four seconds at most", () => {
  const { said, run } = session("exact");
  run(7_000, ({ turn }) => ({ jitterMs: 20, levelMs: turn === "joined" ? 9 : 14 }));
  assert.deepEqual(said, ["server: both", "ring: join"], "its level is below its target");
  run(4_000, () => ({ jitterMs: 20, levelMs: 9 }));
  assert.deepEqual(said.slice(2, 4), ["ring: to-light", "server: light"]);
});

test("back: a trial beside light, then the ring changes, and only then light ends", () => {
  const { said, run } = session("light");
  run(16_000, ({ turn }) => (turn === "light" || turn === "trial" ? { jitterMs: 3.9 } : {}));
  assert.deepEqual(said, ["server: both", "ring: trial", "ring: to-exact", "server: exact", "ring: exact"]);
});

test("a trial that lacks blocks ends as it began", () => {
  const { said, run } = session("light");
  run(14_000, ({ turn, besideCame, besideEnd }) => (turn === "trial" ? { besideCame: besideEnd * 0.9 } : { besideCame }));
  assert.deepEqual(said, ["server: both", "ring: trial", "server: light", "ring: light"]);
});

test("a server without a place for the samples leaves light playing", () => {
  const { chooser, said, run, now } = session("light");
  run(10_500);
  assert.deepEqual(said, ["server: both", "ring: trial"]);
  chooser.refused(now());
  assert.deepEqual(said.slice(2), ["ring: light"]);
  assert.equal(chooser.choice.why.cause, "full");
});

test("a server without a place for light leaves the samples playing, and is asked again a minute later", () => {
  const { chooser, said, run, now } = session("exact");
  const noisy = (/** @type {Figures} */ { turn }) => (turn === "exact" ? { jitterMs: 20 } : {});
  while (said.length === 0) run(100, noisy);
  assert.deepEqual(said.splice(0), ["server: both", "ring: join"]);
  chooser.refused(now());
  assert.deepEqual(said.splice(0), ["ring: exact"]);
  assert.deepEqual(chooser.choice, { stage: "exact", why: { cause: "full" } });
  run(59_000, noisy);
  assert.deepEqual(said, []);
  run(12_000, noisy);
  assert.deepEqual(said.slice(0, 2), ["server: both", "ring: join"]);
});

test("light that is pinned and has no place is asked for again a minute later", () => {
  const { chooser, said, run, now } = session("exact");
  chooser.pin("light", now());
  chooser.refused(now());
  said.length = 0;
  run(58_000);
  assert.deepEqual(said, []);
  run(12_000);
  assert.deepEqual(said, ["server: both", "ring: join", "ring: to-light", "server: light", "ring: light"]);
});

test("while there is no place for light, what exact cannot play ends Studio", () => {
  const { chooser, said, run, now } = session("exact");
  chooser.pin("light", now());
  assert.deepEqual(said.splice(0), ["server: both", "ring: join"]);
  chooser.refused(now());
  chooser.pin("automatic", now());
  assert.equal(run(20_000, (ring) => ({ lost: ring.lost + 5 })), "loss");
});

test("a pin goes the same ways, without waiting for the network", () => {
  const { chooser, said, run, now } = session("exact");
  run(1_000);
  chooser.pin("light", now());
  run(2_000);
  assert.deepEqual(said.splice(0), ["server: both", "ring: join", "ring: to-light", "server: light", "ring: light"]);
  chooser.pin("exact", now());
  run(2_000);
  assert.deepEqual(said, ["server: both", "ring: trial", "ring: to-exact", "server: exact", "ring: exact"]);
});

test("what exact cannot play is tried as light, and what light cannot play ends Studio", () => {
  const broken = session("exact");
  assert.equal(broken.run(9_000, (ring) => ({ lost: ring.lost + 5 })), null);
  assert.equal(broken.chooser.choice.stage, "light");
  const light = session("light");
  assert.equal(light.run(20_000, (ring) => ({ lost: ring.lost + 5 })), "loss");
  const pinned = session("exact", "exact");
  assert.equal(pinned.run(20_000, (ring) => ({ lost: ring.lost + 5 })), "loss");
  const alone = session("exact", "automatic", { exact: true, light: false });
  assert.equal(alone.run(20_000, (ring) => ({ lost: ring.lost + 5 })), "loss");
});

test("where light cannot be decoded the samples go on, if they are what is heard", () => {
  const exact = session("exact");
  exact.run(9_500, ({ turn }) => (turn === "exact" ? { jitterMs: 20 } : { turn: "join" }));
  assert.equal(exact.chooser.withoutLight(exact.now()), true);
  assert.deepEqual(exact.said.slice(-2), ["server: exact", "ring: exact"]);
  const light = session("light");
  assert.equal(light.chooser.withoutLight(0), false);
});

test("with the first gap of the samples light comes beside them, and goes when there was none for a while", () => {
  const { chooser, said, run } = session("exact");
  run(2_000);
  run(100, (ring) => ({ underruns: ring.underruns + 1 }));
  assert.deepEqual(said.splice(0), ["server: both", "ring: guard"], "at once");
  run(4_000);
  run(100, (ring) => ({ lost: ring.lost + 1 }));
  run(5_000);
  assert.deepEqual(said, [], "another gap, and it stays for as long again");
  run(2_000);
  assert.deepEqual(said, ["server: exact", "ring: exact"]);
  assert.deepEqual(chooser.choice, { stage: "exact", why: { cause: "good" } });
});

test("light on guard is what is played as soon as the samples lack too much, though nothing of that is heard", () => {
  const { chooser, said, run } = session("exact");
  run(3_000);
  run(100, (ring) => ({ lost: ring.lost + 1 }));
  // Light fills 2 % of the sound.
  run(6_000, ({ turn, besideCame, besideEnd }) => (turn === "guard" ? { besideCame: besideCame - 88, besideEnd } : {}));
  assert.deepEqual(said, ["server: both", "ring: guard", "ring: join", "ring: to-light", "server: light", "ring: light"]);
  assert.equal(chooser.choice.why.cause, "loss");
});

test("without a place for light, or with the samples pinned, nothing stands guard", () => {
  const gap = (/** @type {Figures} */ ring) => ({ underruns: ring.underruns + 1 });
  const refused = session("exact");
  refused.run(1_000);
  refused.run(100, gap);
  refused.chooser.refused(refused.now());
  assert.deepEqual(refused.said.splice(0), ["server: both", "ring: guard", "ring: exact"]);
  refused.run(1_000);
  refused.run(100, gap);
  assert.deepEqual(refused.said, []);
  const pinned = session("exact", "exact");
  pinned.run(1_000);
  pinned.run(100, gap);
  assert.deepEqual(pinned.said, []);
});
