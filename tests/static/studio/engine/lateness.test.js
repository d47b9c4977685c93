// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { Lateness } from "../../../../static/studio/engine/lateness.js";
import { BALANCED, PLACES, placeOf } from "../../../../static/studio/engine/safety.js";
import { random } from "./traces.js";

/** @param {(window: number) => number} depthMs of each window @param {number} minutes */
function seen(depthMs, minutes) {
  const lateness = new Lateness(0.25);
  for (let window = 0; window < minutes * 240; window += 1) {
    lateness.pass();
    lateness.add(depthMs(window));
  }
  return lateness;
}

test("counts stalls a minute, by depth", () => {
  // Every 20 s one of 20 ms, every 60 s one of 30 ms; 5 ms are always needed.
  const lateness = seen((window) => (window % 240 === 0 ? 30 : window % 80 === 0 ? 20 : 5), 20);
  // The memory of two minutes is divided by a quarter of a minute more, which a stall that has just come asks for.
  const cautious = 2 / 2.25;
  assert.ok(Math.abs(lateness.gapsAt(12) - 3 * cautious) < 0.5, `${lateness.gapsAt(12)}`);
  assert.ok(Math.abs(lateness.gapsAt(25) - cautious) < 0.3, `${lateness.gapsAt(25)}`);
  assert.ok(lateness.gapsAt(30) < 0.001);
  assert.ok(lateness.gapsAt(4) > 50);
  assert.equal(lateness.depthFor(10), 5);
  assert.equal(lateness.depthFor(2), 20);
  assert.equal(lateness.depthFor(0.5), 30);
  assert.equal(lateness.depthFor(0), 30);
});

test("windows that follow one another are one stall; jitter that is always there is no single one", () => {
  const [one, once] = [new Lateness(0.25), new Lateness(0.25)];
  for (let window = 0; window < 3; window += 1) {
    one.pass();
    one.add(20);
    once.pass();
    if (window === 0) once.add(20);
  }
  assert.equal(one.gapsAt(10), once.gapsAt(10));
  assert.ok(seen(() => 20, 2).gapsAt(10) > 40, "it would be a gap again and again");
});

test("what was long ago counts for less, and is forgotten", () => {
  const lateness = seen(() => 5, 20);
  lateness.add(40);
  const first = lateness.gapsAt(39);
  assert.ok(first > 0.4);
  for (let window = 0; window < 2 * 240; window += 1) lateness.pass();
  assert.ok(Math.abs(lateness.gapsAt(39) - first / Math.E) < 0.01);
  for (let window = 0; window < 6 * 240; window += 1) lateness.pass();
  assert.ok(lateness.depthFor(0) <= 5);
});

test("a stall within the first seconds is no single one yet: the time that it was seen in counts", () => {
  const early = seen((window) => (window === 40 ? 20 : 5), 0.33);
  const late = seen((window) => (window === 20 * 240 - 40 ? 20 : 5), 20);
  assert.ok(early.gapsAt(19) > 1.5 && early.depthFor(0.5) >= 20, `${early.gapsAt(19)}, ${early.depthFor(0.5)}`);
  assert.ok(late.gapsAt(19) < 0.5 && late.depthFor(0.5) < 10, `${late.gapsAt(19)}, ${late.depthFor(0.5)}`);
});

test("one stall of another kind is not bridged where that costs much, the second one of its kind is, and for no gap at all the first", () => {
  const usual = (/** @type {number} */ window) => (window % 8 === 0 ? 15 + (window % 5) : 6);
  const [none, one, two] = [[], [100], [60, 100]].map((deep) => seen((window) => (deep.includes(window) ? 60 : usual(window)), 0.5));
  const depths = [none, one, two].map((lateness) => lateness?.depthFor(0.5) ?? NaN);
  assert.ok((depths[0] ?? 0) < 24 && (depths[1] ?? 99) < 45 && (depths[2] ?? 0) >= 60, `${depths}`);
  assert.ok((one?.depthFor(0) ?? 0) >= 60);
});

/** @type {Record<string, (share: number) => number>} how deep a stall is, for a number from 0 to 1 */
const LAWS = {
  "exponential, as threads that wait for a core": (share) => 3 - 3 * Math.log(share),
  "in steps of a scheduler's tick": (share) => 4 * Math.ceil(-Math.log(share) / 1.1),
  "heavy-tailed, as a network": (share) => 3 * share ** (-1 / 3),
  "usual ones, and one in 25 of another kind": (share) => (share < 0.04 ? 18 + 200 * share : 3 + 10 * share),
};

for (const [name, depthMs] of Object.entries(LAWS)) {
  test(`stalls by chance, ${name}: as many gaps come as it expects, from the first minute on`, () => {
    const any = random(5);
    // In the minute that begins 20 s after a start, and in the two after that; of many runs, with 30 stalls a minute and with 120.
    const found = [0, 1].map(() => ({ expected: 0, gaps: 0, minutes: 0 }));
    for (let run = 0; run < 160; run += 1) {
      const lateness = new Lateness(0.25);
      const share = (run % 2 === 0 ? 30 : 120) / 240 / 8;
      for (let window = 0; window < 800; window += 1) {
        lateness.pass();
        const depth = lateness.depthFor(0.5);
        let deepest = 1 + 0.7 * any();
        for (let chance = 0; chance < 8; chance += 1) if (any() < share) deepest = Math.max(deepest, depthMs(any() + 1e-9));
        const at = found[window < 320 ? 0 : 1];
        if (window >= 80 && at) {
          at.minutes += 1 / 240;
          at.expected += lateness.gapsAt(depth) / 240;
          at.gaps += deepest > depth ? 1 : 0;
        }
        lateness.add(deepest);
      }
    }
    const [first, then] = found.map(({ expected, gaps, minutes }) => ({ expected: expected / minutes, gaps: gaps / minutes }));
    if (!first || !then) assert.fail();
    assert.ok(first.gaps <= 1 && first.gaps < 2.5 * first.expected, `${first.gaps} a minute at first, ${first.expected} expected`);
    assert.ok(then.gaps <= 0.65 && then.gaps < 1.6 * then.expected, `${then.gaps} a minute then, ${then.expected} expected`);
    assert.ok(then.gaps > 0.05, "and no deeper than that");
  });
}

test("takes depths beyond its bins and below 0", () => {
  const lateness = new Lateness(0.25);
  lateness.add(-3);
  assert.equal(lateness.depthFor(0), 0);
  lateness.add(1e9);
  assert.equal(lateness.depthFor(0), 100);
  assert.equal(lateness.gapsAt(1e9), 0);
  lateness.clear();
  assert.deepEqual([lateness.depthFor(0), lateness.windows], [0, 0]);
});

test("places go from tight to safe; a stored choice that is none is the balanced one", () => {
  const gaps = PLACES.map((place) => place.gaps);
  assert.deepEqual(gaps, [...gaps].sort((one, other) => other - one));
  assert.ok((gaps[BALANCED] ?? 9) < 1, "at most one gap a minute");
  assert.deepEqual([0, 4, 5, -1, 1.5, "2", null, NaN].map(placeOf), [0, 4, 2, 2, 2, 2, 2, 2]);
});
