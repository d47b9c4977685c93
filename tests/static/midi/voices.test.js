// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { VOICES, nameOfPerformer, voiceOf } from "../../../static/midi/voices.js";

test("each performer has a colour, the same everywhere; keys and files have their own", () => {
  for (let performer = 1; performer <= 254; performer += 1) {
    assert.ok(voiceOf(performer) >= 0 && voiceOf(performer) < VOICES);
    if (performer > 2) assert.ok(voiceOf(performer) > 1);
  }
  assert.notEqual(voiceOf(3), voiceOf(4));
  assert.equal(nameOfPerformer(3, [{ id: 3, name: "Anna" }]), "Anna");
  assert.equal(nameOfPerformer(2, []), "MIDI file");
  assert.equal(nameOfPerformer(4, []), "Performer 2");
});
