// @ts-check
/**
 * The demo piece as events that are due when they are heard. Its notes are known beforehand, so the server sends only when it began:
 * PROTOCOL.md, `demo`. Pure.
 */

import { DEMO } from "../channel/performers.js";

/** @typedef {import("../channel/down.js").Heard} Heard */
/** @typedef {{since: number, round: number}} Played media time of the first round's beginning, and the length of a round in samples */
/** @typedef {readonly [start: number, end: number, channel: number, note: number, velocity: number]} Note times in samples from a round's beginning */

/** What is heard may jump by so much, in samples, before the piece begins anew at the other place: 2 s. */
const JUMP = 96_000;
const MOST_NOTES = 4096;
const RELEASE_VELOCITY = 64;

/**
 * @param {unknown} demo of a server's message
 * @returns {Played | null} null if the piece does not play
 */
export function readPlayed(demo) {
  const { since, round } = /** @type {Record<string, unknown>} */ (demo ?? {});
  return typeof since === "number" && Number.isSafeInteger(since) && typeof round === "number" && round >= 48_000 ? { since, round } : null;
}

/**
 * @param {unknown} json the server's answer
 * @returns {Note[]} without those that cannot be
 */
export function readNotes(json) {
  const { notes } = /** @type {Record<string, unknown>} */ (json ?? {});
  if (!Array.isArray(notes)) return [];
  return notes.slice(0, MOST_NOTES).filter(isNote);
}

/** @param {unknown} note @returns {note is Note} */
function isNote(note) {
  if (!Array.isArray(note) || note.length !== 5 || !note.every((value) => Number.isInteger(value) && value >= 0)) return false;
  const [start, end, channel, key, velocity] = note;
  return start < end && channel < 16 && key < 128 && velocity >= 1 && velocity < 128;
}

/** @typedef {{at: number, message: number[]}} Event at: samples from a round's beginning */

export class DemoPiece {
  /** @type {Event[]} ascending; a note ends before it begins again */
  #events;
  #notes;
  /** @type {Played | null} */
  #played = null;
  /** @type {number | null} media time up to which events were handed out */
  #heard = null;
  /** Keys that are down, as channel << 7 | note. @type {Set<number>} */
  #held = new Set();

  /** @param {readonly Note[]} notes */
  constructor(notes) {
    this.#notes = notes;
    this.#events = notes
      .flatMap(([start, end, channel, note, velocity]) => [
        { at: start, message: [0x90 | channel, note, velocity] },
        { at: end, message: [0x80 | channel, note, RELEASE_VELOCITY] },
      ])
      .sort((a, b) => a.at - b.at || (a.message[0] ?? 0) - (b.message[0] ?? 0));
  }

  /** @param {Played | null} played */
  play(played) {
    this.#played = played;
    this.#heard = null;
  }

  /**
   * @param {number | null} heardMedia what is heard now; null while nothing plays
   * @returns {Heard[]} what has come since the last call, in order; first the end of what is not heard any more. After a jump, and at the beginning, also
   *   what sounds already, as if a state had told of it
   */
  due(heardMedia) {
    const played = this.#played;
    if (played === null || heardMedia === null) {
      this.#heard = null;
      return this.#release(heardMedia ?? 0);
    }
    const before = this.#heard;
    this.#heard = heardMedia;
    if (before === null || heardMedia < before || heardMedia - before > JUMP) {
      return [...this.#release(heardMedia), ...this.#begin(heardMedia, played)];
    }
    /** @type {Heard[]} */
    const found = [];
    for (let at = this.#after(before, played); at !== null && at.media <= heardMedia; at = this.#next(at, played)) {
      found.push(this.#hear(at.event, at.media));
    }
    return found;
  }

  /** Media time of the next event; Infinity if none is known. */
  get nextMedia() {
    if (this.#played === null || this.#heard === null) return Infinity;
    return this.#after(this.#heard, this.#played)?.media ?? Infinity;
  }

  /** @typedef {{round: number, index: number, event: Event, media: number}} Place */

  /** @param {number} media @param {Played} played @returns {Place | null} the first event later than that */
  #after(media, { since, round }) {
    const into = media - since;
    const rounds = Math.max(0, Math.floor(into / round));
    const rest = into - rounds * round;
    let index = this.#events.findIndex(({ at }) => at > rest);
    if (index < 0) index = this.#events.length;
    return this.#place(rounds, index, { since, round });
  }

  /** @param {Place} place @param {Played} played */
  #next(place, played) {
    return this.#place(place.round, place.index + 1, played);
  }

  /** @param {number} number of the round @param {number} index @param {Played} played @returns {Place | null} */
  #place(number, index, { since, round }) {
    const [first] = this.#events;
    if (!first) return null;
    const event = this.#events[index];
    if (event) return { round: number, index, event, media: since + number * round + event.at };
    return { round: number + 1, index: 0, event: first, media: since + (number + 1) * round + first.at };
  }

  /** @param {Event} event @param {number} mediaTime @returns {Heard} */
  #hear({ message }, mediaTime) {
    const [status = 0, note = 0] = message;
    const key = ((status & 0x0f) << 7) | note;
    if ((status & 0xf0) === 0x90) this.#held.add(key);
    else this.#held.delete(key);
    return { performer: DEMO, message, mediaTime, sequence: 0, repaired: false };
  }

  /** @param {number} mediaTime @param {Played} played @returns {Heard[]} the notes that began before and sound at that time */
  #begin(mediaTime, { since, round }) {
    const into = mediaTime - since;
    const rest = into - Math.max(0, Math.floor(into / round)) * round;
    return this.#notes
      .filter(([start, end]) => start <= rest && rest < end)
      .map(([, , channel, note, velocity]) => ({ ...this.#hear({ at: 0, message: [0x90 | channel, note, velocity] }, mediaTime), repaired: true }));
  }

  /** @param {number} mediaTime @returns {Heard[]} */
  #release(mediaTime) {
    const ends = [...this.#held].map((key) => [0x80 | (key >> 7), key & 0x7f, RELEASE_VELOCITY]);
    return ends.map((message) => this.#hear({ at: 0, message }, mediaTime));
  }
}
