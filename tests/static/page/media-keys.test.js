// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { readRoom } from "../../../static/connection/room.js";
import { counts, named } from "../../../static/page/media-keys.js";

test("a page that connects again counts as playing, one that waits for a tap does not", () => {
  const states = /** @type {const} */ (["idle", "connecting", "buffering", "live", "blocked", "reconnecting", "failed"]);
  assert.deepEqual(states.filter(counts), ["connecting", "buffering", "live", "reconnecting"]);
});

test("the instrument is the title and the room the artist", () => {
  const room = (/** @type {object} */ instrument) => readRoom({ name: "main", title: "Hall", instrument });
  const host = "music.example";
  assert.deepEqual(named(room({ title: "Device", name: "MONTAGE" }), host), { title: "MONTAGE", artist: "Hall", album: host });
  assert.deepEqual(named(room({ title: "Test tone" }), host).title, "Test tone");
  assert.deepEqual(named(room({}), host).title, "Hall");
});
