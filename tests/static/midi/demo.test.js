// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { DEMO } from "../../../static/channel/performers.js";
import { DemoPiece, readNotes, readPlayed } from "../../../static/midi/demo.js";
import { Sounding } from "../../../static/midi/sounding.js";

/** @type {import("../../../static/midi/demo.js").Note[]} */
const NOTES = [
  [0, 1000, 0, 60, 90],
  [1000, 1500, 0, 60, 70],
  [500, 90_000, 1, 64, 50],
];
const ROUND = 100_000;

/** @param {DemoPiece} piece @param {number} from @param {number} to @param {number} step */
function play(piece, from, to, step) {
  const found = [];
  for (let heard = from; heard <= to; heard += step) found.push(...piece.due(heard));
  return found;
}

test("every note of every round is due once, at its media time, ends before beginnings", () => {
  const piece = new DemoPiece(NOTES);
  piece.play({ since: 7000, round: ROUND });
  const found = play(piece, 6000, 7000 + 2 * ROUND - 1, 333);
  const expected = [0, 1].flatMap((round) =>
    [
      [0, 0x90, 60], [500, 0x91, 64], [1000, 0x80, 60], [1000, 0x90, 60], [1500, 0x80, 60], [90_000, 0x81, 64],
    ].map(([at = 0, status, note]) => [7000 + round * ROUND + at, status, note]),
  );
  assert.deepEqual(found.map(({ mediaTime, message }) => [mediaTime, message[0], message[1]]), expected);
  assert.ok(found.every(({ performer, repaired }) => performer === DEMO && !repaired));
});

test("nothing hangs when the piece ends, what is heard stops, or jumps", () => {
  for (const end of [
    (/** @type {DemoPiece} */ piece) => {
      piece.play(null);
      return piece.due(60_000);
    },
    (/** @type {DemoPiece} */ piece) => piece.due(null),
    (/** @type {DemoPiece} */ piece) => piece.due(10),
    (/** @type {DemoPiece} */ piece) => piece.due(60_000 + 3 * ROUND),
  ]) {
    const piece = new DemoPiece(NOTES);
    const sounding = new Sounding();
    piece.play({ since: 0, round: ROUND });
    for (const event of play(piece, -100, 600, 100)) sounding.apply(event);
    assert.deepEqual(sounding.notes, [60, 64]);
    for (const event of end(piece)) sounding.apply(event);
    for (const event of piece.due(null)) sounding.apply(event);
    assert.deepEqual(sounding.notes, []);
    assert.deepEqual(piece.due(null), []);
  }
});

test("whoever comes in the middle of a round hears the rest of it, and knows when the next note is due", () => {
  const piece = new DemoPiece(NOTES);
  assert.equal(piece.nextMedia, Infinity);
  piece.play({ since: 0, round: ROUND });
  const sounds = piece.due(3 * ROUND + 900);
  assert.deepEqual(sounds.map(({ message, repaired }) => [...message, repaired]), [[0x90, 60, 90, true], [0x91, 64, 50, true]]);
  assert.equal(piece.nextMedia, 3 * ROUND + 1000);
  assert.deepEqual(piece.due(3 * ROUND + 95_000).map(({ message }) => message[0]), [0x80, 0x90, 0x80, 0x81]);
  assert.equal(piece.nextMedia, 4 * ROUND);
});

test("a round that is no whole number of samples does not drift", () => {
  const piece = new DemoPiece([[0, 10, 0, 60, 90]]);
  piece.play({ since: 0, round: ROUND + 0.25 });
  piece.due(4000 * (ROUND + 0.25) - 1);
  assert.equal(piece.nextMedia, 4000 * ROUND + 1000);
});

test("what a server says is read, and what cannot be is left out", () => {
  assert.deepEqual(readPlayed({ since: 5, round: 50_000.5 }), { since: 5, round: 50_000.5 });
  for (const wrong of [null, undefined, "x", [], {}, { since: 1.5, round: 50_000 }, { since: 1, round: 0 }, { since: 1, round: NaN }, { since: "1", round: 50_000 }]) {
    assert.equal(readPlayed(wrong), null);
  }
  const good = [0, 10, 3, 60, 90];
  const wrong = [[10, 10, 0, 60, 90], [0, 10, 16, 60, 90], [0, 10, 0, 128, 90], [0, 10, 0, 60, 0], [0, 10, 0, 60], [0, "10", 0, 60, 90], [-1, 10, 0, 60, 90], null];
  assert.deepEqual(readNotes({ notes: [...wrong, good] }), [good]);
  for (const json of [null, 3, {}, { notes: "x" }]) assert.deepEqual(readNotes(json), []);
  assert.equal(readNotes({ notes: Array(10_000).fill(good) }).length, 4096);
  assert.deepEqual(new DemoPiece([]).due(5), []);
});
