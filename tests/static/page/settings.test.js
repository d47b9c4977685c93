// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { DEFAULTS, parseSettings } from "../../../static/page/settings.js";

test("settings survive whatever the storage holds", () => {
  const chosen = { volume: 0.25, muted: true, awake: false, quality: "low", studio: "light", output: { id: "a", label: "Headphones" }, delayMs: 700, safety: 4 };
  assert.deepEqual(parseSettings(JSON.stringify(chosen)), chosen);
  for (const odd of ['{"quality":"best"}', '{"quality":1}', '{"studio":"best"}', '{"delayMs":-1}', '{"output":"a"}', '{"output":{"id":1}}', '{"delayMs":"700"}', '{"safety":5}', '{"safety":"1"}', null, "", "{", "null", "7", '{"volume":7,"muted":"yes"}']) assert.deepEqual(parseSettings(odd), DEFAULTS);
});
