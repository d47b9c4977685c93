// @ts-check
/**
 * The room's notes as this client knows them, in whatever order messages arrive. Twin of `DownReceiver` in
 * `rtcserver/channel/down/receiver.py`; PROTOCOL.md, "Receiving". Pure.
 */

import { messageOf, owned, writeOf } from "./cells.js";
import { unwrap } from "./codec.js";

/** Event numbers that are told apart behind the newest; older ones are ignored. */
const WINDOW = 1024;

/**
 * @typedef {object} Heard what a receiver learned
 * @property {number} performer 1 local keys, 2 file player, 3–254 others, 255 the demo piece; 0 for a room value that a state repaired
 * @property {number[]} message
 * @property {number} mediaTime 48 kHz samples of the room; of a repair, when its state was sent
 * @property {number} sequence
 * @property {boolean} repaired whether a state says so and not an event
 */

export class DownReceiver {
  /** All count events, except `messages`. missed: numbers that never came. superseded: events that came after newer ones of their cell. */
  counters = { messages: 0, events: 0, repeated: 0, superseded: 0, repaired: 0, missed: 0 };
  /** @type {number | null} */
  #newest = null;
  #first = 0;
  /** @type {Set<number>} */
  #seen = new Set();
  /** key → its value and the number of the event that wrote it; value 0 stays until a state covers it
   * @type {Map<number, {value: number, written: number}>} */
  #cells = new Map();
  /** Disjoint ranges of keys that a state covered: an event below `number` in such a range says nothing new.
   * @type {{first: number, last: number, number: number}[]} */
  #floors = [];

  /** All that exists: key (`performer << 16 | cell`) → value. @returns {Map<number, number>} */
  cells() {
    const found = new Map();
    for (const [key, { value }] of this.#cells) {
      if (value || !owned(key & 0xffff)) found.set(key, value);
    }
    return found;
  }

  /**
   * Take one message.
   *
   * @param {import("./codec.js").Notes} notes
   * @returns {Heard[]} what it changed, in order of event number
   */
  receive(notes) {
    this.counters.messages += 1;
    let newest = notes.newest;
    if (this.#newest === null) {
      this.#first = newest - notes.events.length + 1;
      this.#newest = newest;
    } else {
      newest = unwrap(newest, this.#newest);
      this.#newest = Math.max(this.#newest, newest);
    }
    /** @type {Heard[]} */
    const found = [];
    notes.events.forEach((event, index) => {
      const heard = this.#event(newest - notes.events.length + 1 + index, event, this.#newest ?? newest);
      if (heard) found.push(heard);
    });
    if (notes.state) found.push(...this.#state(notes.state, newest, notes.mediaTime));
    this.counters.missed = Math.max(0, this.#newest - this.#first + 1 - this.counters.events);
    if (this.#seen.size > 2 * WINDOW) {
      const oldest = this.#newest - WINDOW;
      for (const number of this.#seen) if (number <= oldest) this.#seen.delete(number);
    }
    return found;
  }

  /**
   * @param {number} number
   * @param {import("./codec.js").NoteEvent} event
   * @param {number} newest
   * @returns {Heard | null}
   */
  #event(number, { performer, message, mediaTime }, newest) {
    if (this.#seen.has(number) || number < this.#first || number <= newest - WINDOW) {
      this.counters.repeated += 1;
      return null;
    }
    this.#seen.add(number);
    this.counters.events += 1;
    const write = writeOf(performer, message);
    if (write) {
      const key = (write.performer << 16) | write.cell;
      if (number <= Math.max(this.#floor(key), this.#cells.get(key)?.written ?? -1)) {
        this.counters.superseded += 1;
        return null;
      }
      this.#cells.set(key, { value: write.value, written: number });
    }
    return { performer, message, mediaTime, sequence: number, repaired: false };
  }

  /**
   * @param {import("./codec.js").StatePart} part
   * @param {number} number
   * @param {number} mediaTime
   * @returns {Heard[]}
   */
  #state(part, number, mediaTime) {
    const stated = new Map(part.cells.map(({ performer, cell, value }) => [(performer << 16) | cell, value]));
    /** @type {[key: number, value: number][]} */
    const changes = [];
    for (const [key, { value, written }] of this.#cells) {
      if (key < part.first || key > part.last || stated.has(key) || written > number) continue;
      this.#cells.delete(key);
      if (value && owned(key & 0xffff)) changes.push([key, 0]);
    }
    for (const [key, value] of stated) {
      const before = this.#cells.get(key);
      if ((before?.written ?? -1) > number || this.#floor(key) > number) continue;
      this.#cells.set(key, { value, written: number });
      if (value !== before?.value) changes.push([key, value]);
    }
    this.#raiseFloor(part.first, part.last, number);
    this.counters.repaired += changes.length;
    return changes
      .sort((a, b) => a[0] - b[0])
      .map(([key, value]) => ({
        performer: key >> 16,
        message: messageOf(key & 0xffff, value),
        mediaTime,
        sequence: number,
        repaired: true,
      }));
  }

  /** @param {number} key */
  #floor(key) {
    return this.#floors.find(({ first, last }) => first <= key && key <= last)?.number ?? -1;
  }

  /** @param {number} first @param {number} last @param {number} number */
  #raiseFloor(first, last, number) {
    const floors = [];
    let at = first;
    for (const floor of this.#floors.sort((a, b) => a.first - b.first)) {
      if (floor.last < first || floor.first > last) {
        floors.push(floor);
        continue;
      }
      if (floor.first < first) floors.push({ ...floor, last: first - 1 });
      if (floor.last > last) floors.push({ ...floor, first: last + 1 });
      if (floor.number > number) {
        const from = Math.max(floor.first, first);
        const to = Math.min(floor.last, last);
        if (at < from) floors.push({ first: at, last: from - 1, number });
        floors.push({ first: from, last: to, number: floor.number });
        at = to + 1;
      }
    }
    if (at <= last) floors.push({ first: at, last, number });
    this.#floors = floors;
  }
}
