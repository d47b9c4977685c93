// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { currentSound } from "../../../static/midi/current-sound.js";
import { readOffer } from "../../../static/midi/sound-list.js";

const GRID = { id: "live-set", title: "Live Set", layout: "grid", bank_msb: 62, banks: [0, 15], programs: [0, 15], bank_title: "Page", program_title: "Slot" };
const BANKS = { id: "performance", title: "Performances", layout: "numbers", bank_msb: 63, banks: [0, 2], programs: [0, 127], bank_title: "Bank", program_title: "Program", bank_names: ["Preset 1", "", "User 1"] };
const LIST = { id: "program", title: "Sounds", layout: "list", bank_msb: null, banks: [0, 0], programs: [0, 3], program_title: "Sound", program_names: ["Piano", "Organ", "Violin", "Flute"], groups: ["Keys", "Others"] };

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
