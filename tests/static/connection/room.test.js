// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { readRoom, readRooms, roomFromPath } from "../../../static/connection/room.js";

test("the room is in the path", () => {
  assert.equal(roomFromPath("/r/main"), "main");
  assert.equal(roomFromPath("/r/concert%20hall/"), "concert hall");
  assert.equal(roomFromPath("/montage/r/main"), "main");
  assert.equal(roomFromPath("/r/r/main"), "main");
  for (const other of ["/", "/r/", "/montage/", "/r/a/b", "/r/%E0%A4%A"]) assert.equal(roomFromPath(other), null);
});

test("a room of the server is read as it is", () => {
  const room = readRoom({
    name: "main",
    url: "../r/main",
    title: "Studio",
    instrument: { kind: "fluidsynth", title: "Built-in synthesizer", name: "FluidSynth", state: "silent", error: "No soundfont.", note: null, rate: 44100, channels: 2 },
    audio: { frame_ms: 2.5, bitrate_bps: 160000 },
    listeners: 3,
  });
  assert.deepEqual(room, {
    name: "main",
    title: "Studio",
    instrument: { title: "Built-in synthesizer", name: "FluidSynth", state: "silent", starting: false, error: "No soundfont.", note: null, rate: 44100, channels: 2 },
    frameMs: 2.5,
    bitrateBps: 160000,
    listeners: 3,
    owner: false,
    liveOpus: false,
    studio: true,
    blockMs: 0,
  });
});

test("odd answers become harmless values", () => {
  for (const odd of [null, 3, "x", {}, { instrument: null, audio: 7, listeners: -1 }]) {
    assert.equal(readRoom(odd).listeners, 0);
    assert.equal(readRoom(odd).instrument.state, "live");
  }
  assert.deepEqual(readRooms({ rooms: 7 }), []);
  assert.equal(readRooms({ rooms: [{ name: "a" }, {}] }).length, 2);
});

test("a room says whether Studio is to be had, and how long a block of its instrument is", () => {
  assert.equal(readRoom({ studio: null }).studio, false);
  const full = readRoom({ studio: { listeners: 1, limit: 1, rate: 44_100, frames: 128 } });
  assert.equal(full.studio, true);
  assert.ok(Math.abs(full.blockMs - 2.9) < 0.01);
  for (const studio of [{}, { rate: 0, frames: 128 }, { rate: "x", frames: 1 }, { rate: 1, frames: 1e9 }]) assert.equal(readRoom({ studio }).blockMs, 0);
});
