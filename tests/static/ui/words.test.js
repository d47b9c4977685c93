import assert from "node:assert/strict";
import { test } from "node:test";

import { CONNECTION_LOST, iceFailed, leaving, refused } from "../../../static/connection/problems.js";
import { readRoom } from "../../../static/connection/room.js";
import { INITIAL } from "../../../static/listen/session.js";
import { describe, instrumentLine, secondsLeft } from "../../../static/ui/words.js";

/** @typedef {import("../../../static/listen/session.js").Session} Session */
/** @typedef {import("../../../static/ui/words.js").AskedRoom} AskedRoom */

const instrument = { title: "Audio device", name: "MONTAGE", state: "live", starting: false, error: null, note: null, rate: 44_100, channels: 8 };
/** @param {object} [changes] @returns {AskedRoom} */
const known = (changes = {}) => ({
  kind: "known",
  value: readRoom({ name: "main", title: "Studio", instrument: { ...instrument, ...changes } }),
});
/** @param {Partial<Session>} changes @param {AskedRoom} [asked] */
const said = (changes, asked = known()) => describe({ ...INITIAL, ...changes }, asked, "main");

test("every phase has a headline, a tone and one action", () => {
  const shown = /** @type {const} */ (["idle", "connecting", "buffering", "live", "reconnecting", "failed"]).map((phase) => {
    const { headline, tone, action } = said({ phase, problem: iceFailed([]) });
    assert.notEqual(headline, "");
    return [phase, tone, action];
  });
  assert.deepEqual(shown, [
    ["idle", "rest", "Listen"],
    ["connecting", "busy", "Stop"],
    ["buffering", "busy", "Stop"],
    ["live", "good", "Stop"],
    ["reconnecting", "warn", "Stop"],
    ["failed", "bad", "Try again"],
  ]);
});

test("a missing device is told in the server's words, live or not", () => {
  const silent = known({ state: "silent", error: "The device MONTAGE is not there" });
  for (const phase of /** @type {const} */ (["idle", "live"])) {
    const { headline, detail, tone } = said({ phase }, silent);
    assert.equal(headline, "The instrument is silent");
    assert.match(detail, /^The device MONTAGE is not there\. /);
    assert.equal(tone, "warn");
  }
  assert.equal(said({ phase: "live" }, silent).state, "silent");
  assert.notEqual(said({ phase: "live" }, known({ state: "silent" })).detail, "");
  assert.equal(said({ phase: "live" }, known({ note: "1 packet could not be decoded." })).detail, "1 packet could not be decoded.");
});

test("a page says what a starting instrument loads, live or not", () => {
  const asked = known({ state: "silent", starting: true, error: "The instrument is starting: loading grand.sf2, 40 %." });
  for (const phase of /** @type {const} */ (["idle", "live"])) {
    const { headline, detail, tone } = said({ phase }, asked);
    assert.equal(headline, "The instrument is starting");
    assert.match(detail, /loading grand\.sf2, 40 %\. You will hear it/);
    assert.equal(tone, "busy");
  }
  assert.notEqual(said({}, known({ state: "silent", starting: true })).detail, "");
});

test("a blocked browser asks for a tap", () => {
  const { state, action } = said({ phase: "live", blocked: true });
  assert.equal(state, "blocked");
  assert.equal(action, "Tap to hear");
});

test("an idle page tells that the room or the server is missing", () => {
  assert.match(said({}, { kind: "missing" }).detail, /“main”/);
  assert.equal(said({}, { kind: "unreachable" }).state, "unreachable");
  const refused = said({}, { kind: "refused", message: "This link has expired; ask for a new one.", why: "bad_token" });
  assert.equal(refused.state, "refused");
  assert.match(refused.detail, /^This link has expired; ask for a new one\. Press Listen/);
});

test("what went wrong stays readable while the next attempt runs", () => {
  const problem = iceFailed(["192.0.2.7:8080"]);
  const waiting = said({ phase: "reconnecting", problem });
  const trying = said({ phase: "connecting", attempt: 1, problem });
  assert.equal(trying.detail, waiting.detail);
  assert.deepEqual(trying.addresses, ["192.0.2.7:8080"]);
  assert.equal(waiting.canHurry, true);
  assert.equal(trying.canHurry, false);
  const full = said({ phase: "reconnecting", problem: refused(429, "These are too many offers.", 5000) });
  assert.equal(full.canHurry, false, "the server has said when to come again");
});

test("a refusal is shown with the server's sentence", () => {
  const problem = refused(404, "This server has no room called nope.");
  const { headline, detail, canLeave } = said({ phase: "failed", problem }, { kind: "missing" });
  assert.equal(headline, "No such room");
  assert.equal(detail, "This server has no room called nope.");
  assert.equal(canLeave, true);
});

test("a room that was there and is not any more has ended, and the other rooms are the way on", () => {
  const problem = refused(404, "There is no room of this name.");
  for (const asked of /** @type {AskedRoom[]} */ ([known(), { kind: "missing", ended: true }])) {
    const { headline, canLeave, action } = said({ phase: "failed", problem }, asked);
    assert.deepEqual([headline, canLeave, action], ["This room has ended", true, "Try again"]);
  }
  assert.equal(said({}, { kind: "missing", ended: true }).headline, "This room has ended");
});

test("who was removed is told so, and listens again only by a press", () => {
  const problem = leaving("removed", "A performer removed you from this room.");
  const { headline, detail, action, canHurry } = said({ phase: "failed", problem });
  assert.deepEqual([headline, action, canHurry], ["You were removed", "Listen again", false]);
  assert.match(detail, /^A performer removed you from this room\. .*press Listen again/);
  const again = said({ phase: "failed", problem: refused(403, "A performer removed you from this room. It is open to you again in 4 s.", 0, "removed") });
  assert.equal(again.headline, "You were removed");
  assert.match(again.detail, /in 4 s\. Then press Listen again\.$/);
  assert.equal(again.action, "Listen again");
});

test("what only the owner can mend is told to the owner", () => {
  const problem = iceFailed(["192.0.2.7:8080"]);
  const owners = /** @type {AskedRoom} */ ({ kind: "known", value: readRoom({ name: "main", owner: true, instrument }) });
  for (const phase of /** @type {const} */ (["reconnecting", "connecting"])) {
    assert.match(said({ phase, problem }, owners).detail, /public_host/);
    assert.doesNotMatch(said({ phase, problem }).detail, /public_host/);
  }
});

test("seconds are counted down to zero, and only while waiting", () => {
  const waiting = { ...INITIAL, phase: /** @type {const} */ ("reconnecting"), wakeAtMs: 10_000 };
  assert.deepEqual([7000, 9100, 9999, 10_000, 12_000].map((nowMs) => secondsLeft(waiting, nowMs)), [3, 1, 1, 0, 0]);
  assert.equal(secondsLeft({ ...waiting, phase: "connecting" }, 0), null);
  const soon = { ...waiting, problem: CONNECTION_LOST };
  assert.deepEqual([7000, 9000, 9001].map((nowMs) => secondsLeft(soon, nowMs)), [3, 1, null]);
});

test("a server that stops is back in a moment, in the same words through all attempts", () => {
  const problem = leaving("server_stops", "The server stops.");
  const said = /** @type {const} */ (["reconnecting", "connecting"]).map((phase) => describe({ ...INITIAL, phase, problem }, known(), "main"));
  for (const { headline, detail, tone } of said) assert.deepEqual([headline, detail, tone], ["Back in a moment", "The server stops.", "warn"]);
});

test("an instrument is named with what is known of it", () => {
  const line = (/** @type {object} */ changes) => instrumentLine(readRoom({ instrument: { ...instrument, ...changes } }));
  assert.equal(line({}), "MONTAGE, 8 channels, 44.1 kHz");
  assert.equal(line({ name: "", title: "Built-in synthesizer", channels: 1, rate: 0 }), "Built-in synthesizer, 1 channel");
  assert.equal(line({ name: "", title: "", channels: null, rate: null }), "");
});
