// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { groupsOf, readOffer, soundName } from "../../../static/midi/sound-list.js";

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
