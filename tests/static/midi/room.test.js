// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { currentSound } from "../../../static/midi/current-sound.js";
import { MAX_FILE, clockText, objection, positionAt, readPlayer } from "../../../static/midi/files.js";
import { cleanName, parseMemory } from "../../../static/stage/memory.js";
import { MidiReport, soundReport } from "../../../static/stage/report.js";
import { groupsOf, readOffer, soundName } from "../../../static/midi/sound-list.js";
import { tokenIn } from "../../../static/stage/token.js";
import { STATS_FIELDS } from "../../../static/channel/telemetry.js";
import { readCounters } from "../../../static/listen/stats.js";

const GRID = { id: "live-set", title: "Live Set", layout: "grid", bank_msb: 62, banks: [0, 15], programs: [0, 15], bank_title: "Page", program_title: "Slot" };
const BANKS = { id: "performance", title: "Performances", layout: "numbers", bank_msb: 63, banks: [0, 2], programs: [0, 127], bank_title: "Bank", program_title: "Program", bank_names: ["Preset 1", "", "User 1"] };
const LIST = { id: "program", title: "Sounds", layout: "list", bank_msb: null, banks: [0, 0], programs: [0, 3], program_title: "Sound", program_names: ["Piano", "Organ", "Violin", "Flute"], groups: ["Keys", "Others"] };

test("sounds are called by their names, else by numbers as people count", () => {
  const { schemes } = readOffer({ sounds: [GRID, BANKS, LIST] });
  assert.equal(soundName(schemes, "live-set/0/4"), "Live Set, Page 1, slot 5");
  assert.equal(soundName(schemes, "performance/2/0"), "User 1, program 1");
  assert.equal(soundName(schemes, "program/0/2"), "Violin");
  assert.equal(soundName(schemes, "unknown/0/2"), "unknown/0/2");
  assert.equal(soundName(schemes, "nonsense"), "nonsense");
});

test("a list of programs in its groups", () => {
  const [scheme] = readOffer({ schemes: [LIST] }).schemes;
  assert.ok(scheme);
  assert.deepEqual(groupsOf(scheme), [
    { title: "Keys", sounds: [{ id: "program/0/0", name: "Piano" }, { id: "program/0/1", name: "Organ" }] },
    { title: "Others", sounds: [{ id: "program/0/2", name: "Violin" }, { id: "program/0/3", name: "Flute" }] },
  ]);
});

test("whatever a server sends as a list of sounds, something harmless comes out", () => {
  for (const body of [null, {}, { sounds: 5 }, { sounds: [null, 7, { id: "x", layout: "new" }] }, { schemes: [{}], checklist: [null] }]) {
    const offer = readOffer(body);
    assert.deepEqual(offer.schemes, []);
    assert.ok(Array.isArray(offer.checklist));
  }
  assert.deepEqual(readOffer({ sounds: [{ ...GRID, banks: [3, -1] }] }).schemes[0]?.banks, [0, 0]);
});

test("the room's bank and program cells tell the sound", () => {
  const { schemes } = readOffer({ sounds: [GRID, BANKS] });
  const cells = (/** @type {number} */ msb, /** @type {number} */ lsb, /** @type {number} */ program) =>
    new Map([[0x3080, msb], [0x30a0, lsb], [0x3100, program]]);
  assert.equal(currentSound(cells(62, 1, 7), 3, schemes), "live-set/1/7");
  assert.equal(currentSound(cells(63, 2, 100), 3, schemes), "performance/2/100");
  assert.equal(currentSound(cells(62, 1, 77), 3, schemes), null);
  assert.equal(currentSound(cells(62, 1, 7), 0, schemes), null);
  assert.equal(currentSound(new Map([[0x100, 3]]), 0, readOffer({ sounds: [LIST] }).schemes), "program/0/3");
});

test("the performer's token comes from the fragment, and only a token does", () => {
  assert.equal(tokenIn("#perform=abc.DEF-1_2"), "abc.DEF-1_2");
  assert.equal(tokenIn("#x=1&perform=abc"), "abc");
  for (const hash of ["", "#", "#perform=", "#perform=a b", "#perform=<x>", `#perform=${"a".repeat(1025)}`]) {
    assert.equal(tokenIn(hash), null, hash.slice(0, 20));
  }
});

test("names are what a server takes: printable, 32 characters", () => {
  assert.equal(cleanName("  Anna \n Bell\u0007 "), "Anna Bell");
  assert.equal(cleanName("é".repeat(40)).length, 32);
  assert.equal(cleanName(7), "");
});

test("what is remembered of a performer survives nonsense", () => {
  const fresh = parseMemory(null);
  assert.equal(fresh.typing, true);
  for (const stored of ["", "null", "[]", "{]", '{"device":7,"step":99,"name":{}}']) assert.deepEqual(parseMemory(stored), fresh);
  const kept = { name: "Anna", device: { id: "1", name: "Keys" }, typing: false, step: 2 };
  assert.deepEqual(parseMemory(JSON.stringify(kept)), kept);
});

test("a file is refused before it is sent if it cannot be one", () => {
  assert.equal(objection({ name: "Song.MID", size: 10 }), null);
  assert.equal(objection({ name: "a.mid", size: MAX_FILE }), null);
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

const INBOUND = {
  type: "inbound-rtp", kind: "audio", id: "i", codecId: "c", packetsReceived: 200, packetsLost: 4, packetsDiscarded: 1, bytesReceived: 40_000, nackCount: 2,
  totalSamplesReceived: 96_000, concealedSamples: 960, silentConcealedSamples: 480, concealmentEvents: 3,
  insertedSamplesForDeceleration: 100, removedSamplesForAcceleration: 50,
  jitterBufferDelay: 3840, jitterBufferTargetDelay: 1920, jitterBufferEmittedCount: 96_000, jitter: 0.002,
};
const PLAYOUT = { type: "media-playout", id: "p", kind: "audio", totalPlayoutDelay: 2880, totalSamplesCount: 96_000 };

test("reports say what has grown since the last one, in the protocol's fields", () => {
  const first = readCounters([INBOUND, PLAYOUT], 1000);
  const second = readCounters(
    [
      { ...INBOUND, packetsReceived: 300, packetsLost: 3, jitterBufferDelay: 3840 + 48_000 * 0.03, jitterBufferEmittedCount: 144_000, totalSamplesReceived: 144_000 },
      { ...PLAYOUT, totalPlayoutDelay: 2880 + 48_000 * 0.02, totalSamplesCount: 144_000 },
    ],
    2010,
  );
  assert.ok(first && second);
  const report = soundReport(first, second);
  assert.equal(report.interval_ms, 1010);
  assert.equal(report.packets, 100);
  assert.equal(report.lost, 0, "late packets make the browser's counter shrink");
  assert.equal(report.played, 48_000);
  assert.equal(report.concealed, 0);
  assert.ok(Math.abs((report.buffer_ms ?? 0) - 30) < 1e-6);
  assert.ok(Math.abs((report.playout_ms ?? 0) - 20) < 1e-6);
  assert.equal(report.jitter_ms, 2);
  assert.equal(report.rtt_ms, null);
  assert.equal(soundReport(null, first).packets, 200);
  for (const field of Object.keys(report)) assert.ok(STATS_FIELDS.some((name) => name === field), field);
});

test("a browser that does not say something is not taken to have said zero", () => {
  const counters = readCounters([{ type: "inbound-rtp", kind: "audio", packetsReceived: 5 }], 0);
  assert.ok(counters);
  const report = soundReport(null, counters);
  assert.equal("discarded" in report, false);
  assert.equal(report.playout_ms, null);
});

test("notes are reported as growth, and the skew as the mean of the interval", () => {
  const told = new MidiReport();
  for (const ms of [-4, 8]) told.skew(ms);
  assert.deepEqual(told.take({ events: 5, missed: 1, repaired: 2 }), { midi_events: 5, midi_missed: 1, midi_repaired: 2, midi_skew_ms: 2 });
  assert.deepEqual(told.take({ events: 9, missed: 0, repaired: 2 }), { midi_events: 4, midi_missed: 0, midi_repaired: 0, midi_skew_ms: null });
});
