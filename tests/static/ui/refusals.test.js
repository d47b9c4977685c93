import assert from "node:assert/strict";
import { test } from "node:test";

import { refused } from "../../../static/connection/problems.js";
import { INITIAL } from "../../../static/listen/session.js";
import { countdown, doorWords, oldLink } from "../../../static/ui/refusals.js";
import { describe } from "../../../static/ui/words.js";

const full = refused(503, "The only place of this room is taken.", 5000, "full");

test("a full room is no lost connection: it says what happens next", () => {
  for (const phase of /** @type {const} */ (["reconnecting", "connecting"])) {
    const { headline, detail, canHurry } = describe({ ...INITIAL, phase, attempt: 1, problem: full }, { kind: "asking" }, "main");
    assert.equal(headline, "The room is full");
    assert.match(detail, /^The only place of this room is taken\. You hear it as soon as somebody leaves/);
    assert.equal(canHurry, false);
  }
  assert.equal(countdown(full, 4), "asks again in 4 s");
  assert.equal(countdown(refused(502, ""), 4), "in 4 s");
});

test("other refusals that pass have a headline of their own", () => {
  const headline = (/** @type {string} */ why) => describe({ ...INITIAL, phase: "reconnecting", problem: refused(503, "So.", 1000, why) }, { kind: "asking" }, "main").headline;
  assert.equal(headline("busy"), "Many are joining at this moment");
  assert.equal(headline("too_often"), "Too many attempts");
  assert.equal(headline("starting"), "The sound is starting");
  assert.equal(headline("of another server"), "Reconnecting");
});

test("whoever is not let in is told why and what to do, once", () => {
  const failed = (/** @type {number} */ status, /** @type {string} */ why, /** @type {string} */ said) =>
    describe({ ...INITIAL, phase: "failed", problem: refused(status, said, undefined, why) }, { kind: "asking" }, "main");
  const revoked = failed(403, "bad_token", "This link has been revoked.");
  assert.equal(revoked.headline, "This link does not let you in");
  assert.match(revoked.detail, /^This link has been revoked\. Ask whoever gave it to you for a new one/);
  assert.equal(failed(403, "bad_token", "This link has expired; ask for a new one.").detail, "This link has expired; ask for a new one.");
  assert.equal(failed(401, "no_token", "From your network, listening needs a link with a token.").headline, "You need a link");
  assert.match(failed(403, "wrong_network", "").detail, /Wi-Fi/);
  assert.match(failed(403, "something else", "No.").detail, /^No\. Ask whoever runs this room\.$/);
  assert.equal(doorWords("", "").detail, "Ask whoever runs this room.");
});

test("a performer's link that is over leaves the sound", () => {
  assert.match(oldLink("This link has expired; ask for a new one.", true), /for a new one\. You can listen, but not play\.$/);
  assert.equal(oldLink("This link has expired; ask for a new one.", false), "This link has expired; ask for a new one.");
});
