// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { ProtocolError } from "../../../static/channel/codec.js";
import * as telemetry from "../../../static/channel/telemetry.js";
import { vectors } from "./vectors.js";

const found = vectors("telemetry");

/** Messages of the protocol that the page does not send: it panics in bytes, and plays no SysEx. */
const UNSAID = ["panic", "sysex"];

for (const { build, arguments: given, text } of found.client) {
  if (UNSAID.includes(build)) continue;
  test(`builds ${text}`, () => {
    const builders = /** @type {Record<string, any>} */ (telemetry);
    assert.equal(builders[build](...given), text);
  });
}

test("knows the fields that Python knows", () => {
  assert.deepEqual([...telemetry.STATS_FIELDS], found.fields);
});

test("understands what a server says", () => {
  for (const text of found.server) assert.deepEqual(telemetry.parseServer(text), JSON.parse(text));
});

for (const { text, code } of found.refused_server) {
  test(`refuses ${text.slice(0, 60) || "nothing"}`, () => {
    assert.throws(
      () => telemetry.parseServer(text),
      (error) => error instanceof ProtocolError && error.code === code,
    );
  });
}

test("refuses bytes", () => {
  assert.throws(() => telemetry.parseServer(new Uint8Array(2)), ProtocolError);
});

test("leaves out of a report what is no number", () => {
  const report = { packets: NaN, lost: Infinity, rtt_ms: null, bytes: 5 };
  assert.equal(telemetry.stats(report), '{"type":"stats","bytes":5}');
});

test("does not send what is too large", () => {
  assert.throws(() => telemetry.auth("x".repeat(5000)), ProtocolError);
});
