// @ts-check
/** Knows which notes are heard at this moment, and whose they are, from events that come when they are heard. Pure. */

import { writeOf, isNote, owned } from "../channel/cells.js";

/** @typedef {{performer: number, message: readonly number[]}} PlayedEvent */
/** @typedef {{performer: number, note: number, velocity: number}} Change with velocity 0 the note is no longer held */

export class Sounding {
  /** performer → held cells and their values @type {Map<number, Map<number, number>>} */
  #held = new Map();
  /** note → performers who hold it, the latest last @type {Map<number, number[]>} */
  #notes = new Map();

  /**
   * @param {PlayedEvent} event
   * @returns {Change | null} null if it is no note
   */
  apply({ performer, message }) {
    const write = writeOf(performer, message);
    if (!write || !owned(write.cell)) return null;
    const cells = this.#held.get(performer) ?? new Map();
    if (write.value === 0) cells.delete(write.cell);
    else cells.set(write.cell, write.value);
    this.#held.set(performer, cells);
    if (cells.size === 0) this.#held.delete(performer);
    if (!isNote(write.cell)) return null;
    const note = write.cell & 0x7f;
    // The same key on another channel of this performer may still be down.
    const still = [...cells.keys()].some((cell) => isNote(cell) && (cell & 0x7f) === note);
    const others = (this.#notes.get(note) ?? []).filter((one) => one !== performer);
    const holders = still ? [...others, performer] : others;
    if (holders.length > 0) this.#notes.set(note, holders);
    else this.#notes.delete(note);
    return { performer, note, velocity: write.value };
  }

  /** @returns {number[]} ascending */
  get notes() {
    return [...this.#notes.keys()].sort((a, b) => a - b);
  }

  /** @param {number} note @returns {number | null} who struck it last, of those who hold it */
  performerOf(note) {
    return this.#notes.get(note)?.at(-1) ?? null;
  }

  /** @param {number} performer @returns {number[]} ascending */
  notesOf(performer) {
    const cells = [...(this.#held.get(performer)?.keys() ?? [])].filter(isNote);
    return [...new Set(cells.map((cell) => cell & 0x7f))].sort((a, b) => a - b);
  }

  /** Whether a performer holds a pedal. @param {number} performer */
  pedalOf(performer) {
    return [...(this.#held.get(performer)?.keys() ?? [])].some((cell) => !isNote(cell));
  }

  /** @returns {number[]} the notes that were lit */
  clear() {
    const notes = this.notes;
    this.#held.clear();
    this.#notes.clear();
    return notes;
  }
}
