// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { MAX_FILE, clockText, objection, positionAt, readPlayer } from "../../../static/midi/files.js";

test("a file is refused before it is sent if it cannot be one", () => {
  assert.equal(objection({ name: "Song.MID", size: 10 }), null);
  assert.equal(objection({ name: "a.mid", size: MAX_FILE }), null);
  assert.equal(objection({ name: "wrapped.rmi", size: 10 }), null);
  assert.match(objection({ name: "a.mp3", size: 10 }) ?? "", /MIDI file/);
  assert.match(objection({ name: "a.mid", size: 0 }) ?? "", /empty/);
  assert.match(objection({ name: "a.mid", size: 2 ** 31 }) ?? "", /too large/);
});

test("the player's place follows what is heard, at its tempo, and stops at the ends", () => {
  const at = { state: "playing", position_s: 10, duration_s: 60, tempo: 2, media_time: 480_000 };
  const player = readPlayer(at);
  assert.ok(player);
  assert.equal(positionAt(player, 480_000), 10);
  assert.equal(positionAt(player, 480_000 + 5 * 48_000), 20);
  assert.equal(positionAt(player, 480_000 - 48_000), 10);
  assert.equal(positionAt(player, 1e9), 60);
  assert.equal(positionAt(player, null), 10);
  assert.equal(positionAt({ ...player, state: "paused" }, 1e9), 10);
  assert.equal(readPlayer(null), null);
  assert.equal(readPlayer({ state: "rewinding" }), null);
  assert.deepEqual([0, 59.9, 187].map(clockText), ["0:00", "0:59", "3:07"]);
});
