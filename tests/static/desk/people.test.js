import assert from "node:assert/strict";
import { test } from "node:test";

import { loadBetween, readPeople, sorted, tiersOf } from "../../../static/desk/people.js";

const INSTRUMENT = { state: "live", rate: 44_100, blocksize: 64, frame_ms: 10, bitrate_bps: 160_000, encode_ns: 0, at_ns: 0 };
const SOUND = { buffer_ms: 43, rtt_ms: 2, latency_ms: 79, output_ms: 20 };
const ADA = { id: "a", name: "Ada", page: true, role: "listener", mode: "listen", quality: "middle", state: "connected", since_s: 3, report_age_s: 0.5, sound: SOUND, totals: { lost: 3, packets: 297 } };
/** @param {object} [changes] */
const row = (changes) => ({ ...ADA, ...changes });
/** @param {object[]} people */
const read = (people) => readPeople({ total: people.length, people, instrument: INSTRUMENT, keep_out_s: 600 });

test("a row has the listener's own total, in hops that add up to it", () => {
  const { strip, lostPercent, connected } = read([row()]).people[0] ?? assert.fail();
  assert.equal(strip?.totalMs, 79);
  assert.equal(strip?.hops.reduce((sum, { ms }) => sum + ms, 0), 79);
  assert.equal(strip?.hops.find(({ name }) => name === "network")?.ms, 1);
  assert.deepEqual([lostPercent, connected], [1, true]);
});

test("in Studio the ring is the buffer", () => {
  const [person] = read([row({ mode: "studio", quality: "exact", sound: { latency_ms: 30, output_ms: 15, studio_level_ms: 8 } })]).people;
  assert.equal(person?.strip?.totalMs, 30);
  assert.equal(person?.strip?.hops.find(({ name }) => name === "encoder")?.ms, 0);
});

test("an old report says nothing of now", () => {
  assert.equal(read([row({ report_age_s: 11 })]).people[0]?.strip, null);
  assert.equal(read([row({ report_age_s: null })]).people[0]?.strip, null);
});

test("whatever comes is harmless", () => {
  for (const odd of [null, 3, {}, { people: [null, 3, { name: "x".repeat(10_000), sound: 7, totals: "x" }], instrument: [] }]) {
    for (const { name, strip } of readPeople(odd).people) assert.ok(name.length <= 256 && strip === null);
  }
});

test("each column sorts either way, and what is not known comes last", () => {
  const { people } = read([row({ id: "a", name: "", since_s: 9 }), row({ id: "b", name: "Zoe", sound: {}, since_s: 1 }), row({ id: "c", since_s: 5, totals: {} })]);
  const ids = (/** @type {any} */ column, down = false) => sorted(people, { column, down }).map(({ id }) => id).join("");
  assert.equal(ids("name"), "cba");
  assert.equal(ids("name", true), "bca");
  assert.equal(ids("since"), "bca");
  assert.equal(ids("delay", true).at(-1), "b");
  assert.equal(ids("lost").at(-1), "c");
});

test("tiers are counted of Listen alone", () => {
  const { people } = read([row(), row({ quality: "low" }), row({ mode: "studio", quality: "exact" })]);
  assert.deepEqual(tiersOf(people), { high: 0, middle: 1, low: 1 });
});

test("the encoder's load is what its time grew by", () => {
  const { instrument } = read([]);
  assert.equal(loadBetween(null, instrument), null);
  assert.equal(loadBetween(instrument, { ...instrument, encodeNs: 8e6, atNs: 1e9 }), 0.8);
  assert.equal(loadBetween({ ...instrument, encodeNs: 5 }, { ...instrument, atNs: 1e9 }), null, "the process was started again");
});
