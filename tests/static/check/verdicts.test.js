import assert from "node:assert/strict";
import { test } from "node:test";

import { SERVER_UNREACHABLE, refused } from "../../../static/connection/problems.js";
import * as say from "../../../static/check/verdicts.js";

/** @typedef {import("../../../static/check/verdicts.js").Features} Features */

/** @type {Features} */
const ALL = { webrtc: true, opus: true, secure: true, worklet: true, transform: true, midi: true, midiPermission: "prompt" };
/** @type {Features} */
const NONE = { webrtc: false, opus: null, secure: false, worklet: false, transform: false, midi: false, midiPermission: null };
const BY_FEATURES = [say.webrtcLine, say.workletLine, say.transformLine, say.midiLine, (/** @type {Features} */ one) => say.secureLine(one, "http://10.0.0.1")];

test("a browser that has all is good at all, and one that lacks something is told what helps or what it needs", () => {
  for (const line of BY_FEATURES) {
    assert.equal(line(ALL).state, "good");
    const { state, todo, found } = line(NONE);
    assert.notEqual(state, "good");
    assert.ok(state === "none" ? /needs a secure page/.test(found) : todo, found);
  }
});

test("what only an insecure page lacks is not blamed on the browser", () => {
  for (const line of [say.workletLine, say.transformLine, say.midiLine]) assert.equal(line({ ...NONE, webrtc: true }).state, "none");
  assert.equal(say.workletLine({ ...ALL, worklet: false }).state, "bad");
  assert.equal(say.transformLine({ ...ALL, transform: false }).state, "warn");
  assert.equal(say.midiLine({ ...ALL, midi: false }).state, "warn");
});

test("a denied permission says where it is given back", () => {
  const { state, todo } = say.midiLine({ ...ALL, midiPermission: "denied" });
  assert.equal(state, "bad");
  assert.match(todo ?? "", /site’s settings/);
});

test("what was refused is not called broken, and says the server's sentence", () => {
  const full = refused(503, "The only place of this room is taken.", 5000, "full");
  const line = say.wayLine("udp", { kind: "refused", problem: full }, false);
  assert.deepEqual(line, { state: "none", found: "The room is full at this moment.", todo: "The only place of this room is taken." });
  const door = say.wayLine("udp", { kind: "refused", problem: refused(403, "This link has expired.", undefined, "bad_token") }, false);
  assert.equal(door.state, "none");
  assert.match(say.wayLine("tcp", { kind: "refused", problem: SERVER_UNREACHABLE }, false).found, /does not answer/);
});

test("a blocked way is bad only if no other one is left, and says what to do", () => {
  for (const name of /** @type {const} */ (["udp", "tcp", "turn"])) {
    assert.equal(say.wayLine(name, { kind: "blocked" }, false).state, "bad");
    const { state, todo } = say.wayLine(name, { kind: "blocked" }, true);
    assert.equal(state, "warn");
    assert.ok(todo);
    for (const kind of /** @type {const} */ (["missing", "no_room", "no_webrtc"])) assert.equal(say.wayLine(name, { kind }, true).state, "none");
  }
});

test("a line is judged by its worst second and by what it loses", () => {
  const fine = { seconds: 10, packets: 1000, lost: 0, jitterMs: 1, rttMs: 2 };
  assert.equal(say.jitterLine(fine).state, "good");
  assert.match(say.jitterLine(fine).found, /1\.0 ms, 0 % lost, round trip 2\.0 ms/);
  assert.equal(say.jitterLine({ ...fine, jitterMs: 12 }).state, "warn");
  assert.equal(say.jitterLine({ ...fine, lost: 20 }).state, "warn");
  assert.equal(say.jitterLine({ ...fine, lost: 80, rttMs: null }).state, "bad");
  assert.equal(say.jitterLine({ ...fine, lost: -3 }).state, "good");
  assert.equal(say.jitterLine({ ...fine, packets: 0 }).state, "bad");
  assert.equal(say.jitterLine(null).state, "none");
});

test("rights are told as they are, with what to do about a link that is over", () => {
  const yes = { allowed: true };
  const no = { allowed: false, error: "bad_token", message: "This link has been revoked." };
  assert.equal(say.accessLine({ listen: yes, perform: yes }, true, true).found, "You may listen and play.");
  assert.deepEqual(say.accessLine({ listen: yes, perform: no }, true, false), { state: "good", found: "You may listen." });
  const over = say.accessLine({ listen: yes, perform: no }, true, true);
  assert.equal(over.state, "warn");
  assert.match(over.todo ?? "", /^This link has been revoked\. Ask whoever gave it/);
  assert.equal(say.accessLine({ listen: no, perform: no }, true, true).state, "bad");
  assert.equal(say.accessLine({ listen: { allowed: null }, perform: { allowed: null } }, true, true).state, "none");
  assert.equal(say.accessLine({ listen: yes, perform: { allowed: null } }, true, true).state, "good");
  for (const odd of [null, {}, { listen: 3 }]) assert.notEqual(say.accessLine(odd, true, true).state, "good");
  assert.equal(say.accessLine(null, false, false).state, "none");
});

test("a clock is wrong by seconds, not by what the question took", () => {
  assert.equal(say.clockLine({ offsetMs: 3, errorMs: 5 }).found, "They agree.");
  assert.equal(say.clockLine({ offsetMs: 900, errorMs: 5 }).state, "good");
  assert.match(say.clockLine({ offsetMs: 900, errorMs: 5 }).found, /900 ms behind the server/);
  const wrong = say.clockLine({ offsetMs: -3_600_000, errorMs: 5 });
  assert.equal(wrong.state, "warn");
  assert.match(wrong.found, /3600 s ahead of/);
  assert.equal(say.clockLine(null).state, "none");
  assert.equal(say.serverLine(null).state, "bad");
});

test("Opus that was heard needs no word of the browser", () => {
  assert.equal(say.opusLine(NONE, true).state, "good");
  assert.equal(say.opusLine({ ...ALL, opus: false }, false).state, "bad");
  assert.equal(say.opusLine({ ...ALL, opus: null }, false).state, "none");
});
