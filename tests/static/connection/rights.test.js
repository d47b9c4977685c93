import assert from "node:assert/strict";
import { test } from "node:test";

import { readRight } from "../../../static/connection/rights.js";

test("only a link that is refused as such takes the panel away", () => {
  assert.deepEqual(readRight({ perform: { allowed: true } }, "perform"), { kind: "allowed" });
  const refused = { allowed: false, error: "bad_token", message: "This link has expired." };
  assert.deepEqual(readRight({ perform: refused }, "perform"), { kind: "refused", message: "This link has expired.", listens: false });
  assert.equal(/** @type {any} */ (readRight({ listen: { allowed: true }, perform: refused }, "perform")).listens, true);
  assert.deepEqual(readRight({ perform: { ...refused, error: "wrong_network" } }, "perform"), { kind: "unknown" });
  for (const odd of [null, 3, {}, { perform: null }, { perform: { allowed: "yes" } }]) assert.deepEqual(readRight(odd, "perform"), { kind: "unknown" });
  const long = readRight({ perform: { ...refused, message: "x".repeat(9000) } }, "perform");
  assert.equal(long.kind === "refused" && long.message.length, 400);
});
