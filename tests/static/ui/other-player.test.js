import assert from "node:assert/strict";
import { test } from "node:test";

import { CONNECTION_LOST, SERVER_UNREACHABLE, WEBRTC_MISSING, iceFailed, refused } from "../../../static/connection/problems.js";
import { readRoom } from "../../../static/connection/room.js";
import { roomLive } from "../../../static/connection/server.js";
import { helps, sentence } from "../../../static/ui/other-player.js";

const room = readRoom({ name: "main", live_opus: true });

test("the sound by HTTP is offered where WebRTC finds no way, and nowhere else", () => {
  for (const problem of [iceFailed([]), iceFailed(["192.0.2.7:8080", "192.0.2.7:8080 (TCP)"]), WEBRTC_MISSING]) {
    assert.equal(helps(problem, room), true);
  }
  for (const problem of [null, SERVER_UNREACHABLE, CONNECTION_LOST, refused(503, "full"), refused(404, ""), refused(401, "")]) {
    assert.equal(helps(problem, room), false);
  }
});

test("it is not offered where the server has none, or has told nothing of the room", () => {
  assert.equal(helps(WEBRTC_MISSING, readRoom({ name: "main" })), false);
  assert.equal(helps(WEBRTC_MISSING, null), false);
});

test("a browser that cannot play it says who can", () => {
  assert.match(sentence(false), /cannot play it; VLC/);
  assert.doesNotMatch(sentence(true), /VLC/);
});

test("the addresses are below the room's page, whatever its name", () => {
  const { stream, playlist } = roomLive('a"b<c');
  assert.match(stream, /\/r\/a%22b%3Cc\/live\.opus$/);
  assert.match(playlist, /\/r\/a%22b%3Cc\/live\.m3u$/);
});
