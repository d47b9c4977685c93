import assert from "node:assert/strict";
import { test } from "node:test";

import { iceFailed, leaving, negotiationFailed, parseRetryAfter, refused, sentenceOf } from "../../../static/connection/problems.js";

test("only what may mend itself is tried again", () => {
  const retried = [400, 401, 403, 404, 406, 413, 415, 422, 429, 500, 502, 503].filter((status) => refused(status, "").retry);
  assert.deepEqual(retried, [429, 500, 502, 503]);
});

test("each refusal has a stable code and always a sentence", () => {
  assert.equal(refused(404, "").code, "room_unknown");
  assert.equal(refused(403, "").code, "not_allowed");
  assert.equal(refused(503, "").code, "server_busy");
  assert.equal(refused(500, "").code, "server_error");
  assert.equal(refused(422, "").code, "refused");
  for (const status of [400, 403, 404, 500, 503]) {
    assert.notEqual(refused(status, "").message, "");
    assert.equal(refused(status, "The server's own words.").message, "The server's own words.");
  }
  assert.equal(refused(503, "", 7000).retryAfterMs, 7000);
});

test("a failed path names the setting that mends it", () => {
  const problem = iceFailed(["192.0.2.7:8080"]);
  assert.match(problem.todo ?? "", /public_host/);
  assert.doesNotMatch(problem.message, /public_host/, "a listener has no configuration");
  assert.match(problem.message, /tell whoever runs this server .* \(below, over UDP\)\.$/);
  assert.deepEqual(problem.addresses, ["192.0.2.7:8080"]);
  assert.match(problem.todo ?? "", /tried over UDP\./);
  assert.match(problem.todo ?? "", /blocking its UDP port\.$/);
  assert.match(iceFailed([]).todo ?? "", /public_host/);
  const both = iceFailed(["192.0.2.7:8080", "192.0.2.7:8080 (TCP)"]).todo ?? "";
  assert.doesNotMatch(both, /over UDP/);
  assert.match(both, /UDP port, and .* TCP port\.$/);
});

test("what is wrong with the server is said to listeners without its settings", () => {
  const problem = refused(503, "This server has no address. Set public_host in its configuration.", 0, "no_address");
  assert.doesNotMatch(problem.message, /public_host/);
  assert.match(problem.todo ?? "", /public_host/);
});

test("a removed page does not come back by itself", () => {
  assert.equal(leaving("removed", "A performer removed you.").retry, false);
  assert.equal(leaving("by_admin", "An administrator ended this session.").retry, true);
});

test("Retry-After is read as seconds and as a date", () => {
  const now = Date.parse("Fri, 21 Nov 2025 10:00:00 GMT");
  assert.equal(parseRetryAfter("7", now), 7000);
  assert.equal(parseRetryAfter("Fri, 21 Nov 2025 10:00:30 GMT", now), 30_000);
  assert.equal(parseRetryAfter("Fri, 21 Nov 2025 09:00:00 GMT", now), 0);
  for (const nothing of [null, "", "soon"]) assert.equal(parseRetryAfter(nothing, now), undefined);
});

test("a sentence is taken only from a JSON body that has one, and never a long one", () => {
  assert.equal(sentenceOf('{"error":"busy","message":"The room is full."}'), "The room is full.");
  for (const body of ["", "<html>", "null", "3", '{"message":7}', "[]"]) assert.equal(sentenceOf(body), "");
  assert.equal(sentenceOf(JSON.stringify({ message: "x".repeat(9000) })).length, 400);
});

test("what the browser throws becomes a sentence", () => {
  assert.match(negotiationFailed(new Error("no codec")).message, /no codec/);
  assert.match(negotiationFailed("odd").message, /odd/);
});
