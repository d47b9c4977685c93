// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { authorization, fallBack, tokenIn } from "../../../static/connection/token.js";

test("the performer's token comes from the fragment, and only a token does", () => {
  assert.equal(tokenIn("#perform=abc.DEF-1_2"), "abc.DEF-1_2");
  assert.equal(tokenIn("#x=1&perform=abc"), "abc");
  for (const hash of ["", "#", "#perform=", "#perform=a b", "#perform=<x>", `#perform=${"a".repeat(1025)}`]) {
    assert.equal(tokenIn(hash), null, hash.slice(0, 20));
  }
});

test("a room's token is shown with each request about it, the performer's before the listener's", () => {
  const page = authorization.length && new URL("../../../static/", import.meta.url).pathname;
  const kept = new Map([[`rtcserver.listen.${page}r/main`.replace("static/", ""), "l"]]);
  Object.defineProperty(globalThis, "sessionStorage", {
    value: { getItem: (/** @type {string} */ key) => kept.get(key) ?? null },
    configurable: true,
    writable: true,
  });
  assert.deepEqual(authorization("/r/main/whep"), { Authorization: "Bearer l" });
  assert.deepEqual(authorization("/api/rooms/main/sounds"), { Authorization: "Bearer l" });
  assert.deepEqual(authorization("/api/rooms/side"), {});
  assert.deepEqual(authorization("/api/rooms"), {});
  kept.set(`rtcserver.perform.${page}r/main`.replace("static/", ""), "p");
  assert.deepEqual(authorization("/r/main/whep"), { Authorization: "Bearer p" });
  assert.equal(tokenIn("#listen=abc", "listen"), "abc");
});

test("a performer's token that lets nobody in gives way to the listener's, and only to one", () => {
  const page = new URL("../../../static/", import.meta.url).pathname.replace("static/", "");
  const kept = new Map([[`rtcserver.perform.${page}r/main`, "p"]]);
  Object.defineProperty(globalThis, "sessionStorage", {
    value: {
      getItem: (/** @type {string} */ key) => kept.get(key) ?? null,
      removeItem: (/** @type {string} */ key) => kept.delete(key),
    },
    configurable: true,
    writable: true,
  });
  assert.equal(fallBack("/r/main/whep"), false);
  assert.deepEqual(authorization("/r/main/whep"), { Authorization: "Bearer p" });
  kept.set(`rtcserver.listen.${page}r/main`, "l");
  assert.equal(fallBack("/r/side/whep"), false);
  assert.equal(fallBack("/r/main/whep"), true);
  assert.deepEqual(authorization("/r/main/whep"), { Authorization: "Bearer l" });
  assert.equal(fallBack("/r/main/whep"), false);
  assert.equal(fallBack("/healthz"), false);
  assert.equal(fallBack("/r/main/whep", "Bearer p"), true);
  assert.equal(fallBack("/r/main/whep", "Bearer l"), false);
});
