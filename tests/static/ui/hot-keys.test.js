// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { commandOf } from "../../../static/ui/hot-keys.js";

test("keys act where nothing else wants them", () => {
  const keys = [" ", "m", "M", "ArrowUp", "ArrowDown", "x"];
  const commands = (/** @type {"page" | "player" | "other"} */ on) => keys.map((key) => commandOf({ key, held: false, on }));
  assert.deepEqual(commands("page"), ["toggle", "mute", "mute", null, null, null]);
  assert.deepEqual(commands("player"), [null, "mute", "mute", "louder", "softer", null]);
  assert.deepEqual(commands("other"), keys.map(() => null));
});

test("a key that is held changes the volume only", () => {
  const held = [" ", "m", "ArrowUp"].map((key) => [commandOf({ key, held: true, on: "page" }), commandOf({ key, held: true, on: "player" })]);
  assert.deepEqual(held, [[null, null], [null, null], [null, "louder"]]);
});
