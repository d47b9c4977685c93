import assert from "node:assert/strict";
import { test } from "node:test";

import { midiNote } from "../../../static/ui/midi-words.js";

const PLAYS = { supported: true, secure: true, asked: true, refused: false, present: 1, chosen: "1", wanted: "MONTAGE" };

test("nothing is said of a device that plays, or before one is asked for", () => {
  assert.equal(midiNote(PLAYS), "");
  assert.equal(midiNote({ ...PLAYS, asked: false, present: 0, chosen: null }), "");
});

test("whatever is missing is named, with what to do", () => {
  assert.match(midiNote({ ...PLAYS, supported: false, secure: false }), /https/);
  assert.match(midiNote({ ...PLAYS, supported: false }), /Chrome, Edge and Firefox/);
  assert.match(midiNote({ ...PLAYS, asked: false, refused: true, chosen: null }), /settings for this site.*press again/);
  assert.match(midiNote({ ...PLAYS, present: 0, chosen: null, wanted: null }), /plug in appears here/);
  assert.match(midiNote({ ...PLAYS, present: 0, chosen: null }), /^MONTAGE is not plugged in/);
});
