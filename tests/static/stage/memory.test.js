// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { cleanName, parseMemory } from "../../../static/stage/memory.js";

test("names are what a server takes: printable, 32 characters", () => {
  assert.equal(cleanName("  Anna \n Bell\u0007 "), "Anna Bell");
  assert.equal(cleanName("é".repeat(40)).length, 32);
  assert.equal(cleanName(7), "");
});

test("what is remembered of a performer survives nonsense", () => {
  const fresh = parseMemory(null);
  assert.equal(fresh.typing, true);
  for (const stored of ["", "null", "[]", "{]", '{"device":7,"step":99,"name":{}}']) assert.deepEqual(parseMemory(stored), fresh);
  const kept = { name: "Anna", device: { id: "1", name: "Keys" }, typing: false, step: 2 };
  assert.deepEqual(parseMemory(JSON.stringify(kept)), kept);
});
