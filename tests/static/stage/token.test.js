// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { tokenIn } from "../../../static/stage/token.js";

test("the performer's token comes from the fragment, and only a token does", () => {
  assert.equal(tokenIn("#perform=abc.DEF-1_2"), "abc.DEF-1_2");
  assert.equal(tokenIn("#x=1&perform=abc"), "abc");
  for (const hash of ["", "#", "#perform=", "#perform=a b", "#perform=<x>", `#perform=${"a".repeat(1025)}`]) {
    assert.equal(tokenIn(hash), null, hash.slice(0, 20));
  }
});
