// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { DEFAULTS, parseSettings } from "../../../static/page/settings.js";

test("settings survive whatever the storage holds", () => {
  assert.deepEqual(parseSettings('{"volume":0.25,"muted":true,"awake":false}'), { volume: 0.25, muted: true, awake: false });
  for (const odd of [null, "", "{", "null", "7", '{"volume":7,"muted":"yes"}']) assert.deepEqual(parseSettings(odd), DEFAULTS);
});
