// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { ROOT, rootOf, roomApi, roomPage, roomWhep } from "../../../static/connection/server.js";

const REPOSITORY = new URL("../../../", import.meta.url).pathname;

test("the root is where the folder of the page's scripts lies", () => {
  // Node loads the module from the repository; a browser from the server's address, with its prefix.
  assert.equal(ROOT, REPOSITORY);
});

test("a version in the address of the scripts, and a proxy's prefix, change nothing", () => {
  assert.equal(rootOf("https://host/static/connection/server.js"), "/");
  assert.equal(rootOf("https://host/static/@0123456789ab/connection/server.js"), "/");
  assert.equal(rootOf("https://host/static/montage/static/@0123456789ab/connection/server.js"), "/static/montage/");
});

test("a room's addresses lie below the root, its name escaped", () => {
  assert.equal(roomPage("concert hall"), `${REPOSITORY}r/concert%20hall`);
  assert.equal(roomWhep("main"), `${REPOSITORY}r/main/whep`);
  assert.equal(roomApi("a/b"), `${REPOSITORY}api/rooms/a%2Fb`);
  assert.equal(roomApi(), `${REPOSITORY}api/rooms`);
});
