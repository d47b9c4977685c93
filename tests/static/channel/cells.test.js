// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { messageOf, normalForm, owned, valid, writeOf } from "../../../static/channel/cells.js";
import { hex, message, vectors } from "./vectors.js";

test("cells, normal form and messages are as in Python", () => {
  for (const { message: text, held, normal, writes } of vectors("cells")) {
    const found = normalForm(message(text), new Map(held));
    assert.deepEqual(found.map(hex), normal, text);
    const written = found.map((event) => writeOf(9, event));
    assert.deepEqual(
      written.map((write) => write && [write.performer, write.cell, write.value]),
      writes,
      text,
    );
    for (const write of written) {
      if (!write) continue;
      assert.deepEqual(writeOf(9, messageOf(write.cell, write.value)), write);
      assert.ok(valid(write.performer, write.cell, write.value) || (owned(write.cell) && write.value === 0));
    }
  }
});
