// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { velocityAt } from "../../../static/midi/velocity.js";

test("velocity grows towards the front and stays within MIDI", () => {
  const velocities = [0, 0.25, 0.5, 0.75, 1].map(velocityAt);
  assert.deepEqual(velocities, [24, 48, 72, 96, 120]);
  for (const odd of [-5, 7, NaN]) assert.ok(velocityAt(odd) >= 1 && velocityAt(odd) <= 127);
});
