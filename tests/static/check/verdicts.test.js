import assert from "node:assert/strict";
import { test } from "node:test";

import { SERVER_UNREACHABLE, refused } from "../../../static/connection/problems.js";
import * as judge from "../../../static/check/verdicts.js";
import { inEnglish } from "../../../static/words/check.js";

/** @typedef {import("../../../static/check/verdicts.js").Features} Features */
/** @param {import("../../../static/check/verdicts.js").Line} line */
const found = ({ found: phrase }) => (phrase === null ? "" : inEnglish(phrase));

/** @type {Features} */
const ALL = { webrtc: true, opus: true, secure: true, worklet: true, transform: true, midi: true, midiPermission: "prompt" };
/** @type {Features} */
const NONE = { webrtc: false, opus: null, secure: false, worklet: false, transform: false, midi: false, midiPermission: null };
const BY_FEATURES = [judge.webrtcLine, judge.workletLine, judge.transformLine, judge.midiLine, (/** @type {Features} */ one) => judge.secureLine(one, "http://10.0.0.1")];

test("a browser that has all is good at all, and one that lacks something is told what helps or what it needs", () => {
  for (const line of BY_FEATURES) {
    assert.equal(line(ALL).state, "good");
    const lacking = line(NONE);
    assert.notEqual(lacking.state, "good");
    assert.ok(lacking.state === "none" ? /needs a secure page/.test(found(lacking)) : lacking.todo, found(lacking));
  }
});

test("what only an insecure page lacks is not blamed on the browser", () => {
  for (const line of [judge.workletLine, judge.transformLine, judge.midiLine]) assert.equal(line({ ...NONE, webrtc: true }).state, "none");
  assert.equal(judge.workletLine({ ...ALL, worklet: false }).state, "bad");
  assert.equal(judge.transformLine({ ...ALL, transform: false }).state, "warn");
  assert.equal(judge.midiLine({ ...ALL, midi: false }).state, "warn");
});

test("a denied permission says where it is given back", () => {
  const { state, todo } = judge.midiLine({ ...ALL, midiPermission: "denied" });
  assert.equal(state, "bad");
  assert.match(todo ?? "", /site’s settings/);
});

test("what was refused is not called broken, and says the server's sentence", () => {
  const full = refused(503, "The only place of this room is taken.", 5000, "full");
  const line = judge.wayLine("udp", { kind: "refused", problem: full }, false);
  assert.deepEqual([line.state, found(line), line.todo], ["none", "The room is full at this moment.", "The only place of this room is taken."]);
  const door = judge.wayLine("udp", { kind: "refused", problem: refused(403, "This link has expired.", undefined, "bad_token") }, false);
  assert.equal(door.state, "none");
  assert.match(found(judge.wayLine("tcp", { kind: "refused", problem: SERVER_UNREACHABLE }, false)), /does not answer/);
});

test("a blocked way is bad only if no other one is left, and says what to do", () => {
  for (const name of /** @type {const} */ (["udp", "tcp", "turn"])) {
    assert.equal(judge.wayLine(name, { kind: "blocked" }, false).state, "bad");
    const { state, todo } = judge.wayLine(name, { kind: "blocked" }, true);
    assert.equal(state, "warn");
    assert.ok(todo);
    for (const kind of /** @type {const} */ (["missing", "no_room", "no_webrtc"])) assert.equal(judge.wayLine(name, { kind }, true).state, "none");
  }
});

test("a line is judged by its worst second and by what it loses", () => {
  const fine = { seconds: 10, packets: 1000, lost: 0, jitterMs: 1, rttMs: 2 };
  assert.equal(judge.jitterLine(fine).state, "good");
  assert.equal(found(judge.jitterLine(fine)), "Varies by up to 1 ms, 0 % lost, round trip 2 ms.");
  assert.equal(judge.jitterLine({ ...fine, jitterMs: 12 }).state, "warn");
  assert.equal(judge.jitterLine({ ...fine, lost: 20 }).state, "warn");
  assert.equal(judge.jitterLine({ ...fine, lost: 80, rttMs: null }).state, "bad");
  assert.equal(judge.jitterLine({ ...fine, lost: -3 }).state, "good");
  assert.equal(judge.jitterLine({ ...fine, packets: 0 }).state, "bad");
  assert.equal(judge.jitterLine(null).state, "none");
});

test("rights are told as they are, with what to do about a link that is over", () => {
  const yes = { allowed: true };
  const no = { allowed: false, error: "bad_token", message: "This link has been revoked." };
  assert.equal(found(judge.accessLine({ listen: yes, perform: yes }, true, true)), "You may listen and play.");
  assert.equal(found(judge.accessLine({ listen: yes, perform: no }, true, false)), "You may listen.");
  const over = judge.accessLine({ listen: yes, perform: no }, true, true);
  assert.equal(over.state, "warn");
  assert.match(over.todo ?? "", /^This link has been revoked\. Ask whoever gave it/);
  assert.equal(judge.accessLine({ listen: no, perform: no }, true, true).state, "bad");
  assert.equal(judge.accessLine({ listen: { allowed: null }, perform: { allowed: null } }, true, true).state, "none");
  assert.equal(judge.accessLine({ listen: yes, perform: { allowed: null } }, true, true).state, "good");
  for (const odd of [null, {}, { listen: 3 }]) assert.notEqual(judge.accessLine(odd, true, true).state, "good");
  assert.equal(judge.accessLine(null, false, false).state, "none");
});

test("a clock is wrong by seconds, not by what the question took", () => {
  assert.equal(found(judge.clockLine({ offsetMs: 3, errorMs: 5 })), "They agree.");
  assert.equal(judge.clockLine({ offsetMs: 900, errorMs: 5 }).state, "good");
  assert.match(found(judge.clockLine({ offsetMs: 900, errorMs: 5 })), /0\.9 s behind the server/);
  const wrong = judge.clockLine({ offsetMs: -3_600_000, errorMs: 5 });
  assert.equal(wrong.state, "warn");
  assert.match(found(wrong), /3,600 s ahead of/);
  assert.equal(judge.clockLine(null).state, "none");
  assert.equal(judge.serverLine(null).state, "bad");
});

test("Opus that was heard needs no word of the browser", () => {
  assert.equal(judge.opusLine(NONE, true).state, "good");
  assert.equal(judge.opusLine({ ...ALL, opus: false }, false).state, "bad");
  assert.equal(judge.opusLine({ ...ALL, opus: null }, false).state, "none");
});
