// @ts-check
/** Shows everybody the notes from the moment each is heard: lit keys, the roll, and who holds what. */

import { Bars } from "../midi/bars.js";
import { Sounding } from "../midi/sounding.js";
import { SPAN } from "../ui/roll.js";

/** @typedef {import("../channel/down.js").Heard} Heard */

/** Who holds what is written anew this often, in milliseconds: each change is laid out, and nobody reads faster. */
const WRITTEN_MS = 200;

export class Shown {
  #keyboard;
  #roll;
  #performers;
  #sounding = new Sounding();
  #bars = new Bars(SPAN);
  /** note → performer @type {Map<number, number>} */
  #lit = new Map();
  /** Performers whose notes or pedal have changed since they were written. @type {Set<number>} */
  #unwritten = new Set();
  #writtenMs = -Infinity;

  /**
   * @param {import("../ui/keyboard.js").Keyboard} keyboard
   * @param {import("../ui/roll.js").Roll} roll
   * @param {import("../ui/performers.js").PerformersList} performers
   */
  constructor(keyboard, roll, performers) {
    this.#keyboard = keyboard;
    this.#roll = roll;
    this.#performers = performers;
  }

  /** Notes that are lit. @returns {number[]} ascending */
  get notes() {
    return this.#sounding.notes;
  }

  /**
   * @param {Heard} event whose time has come
   * @param {number | null} heardMedia media time that is heard; null while nothing plays
   * @returns {number | null} the note, if one begins; else null
   */
  take(event, heardMedia) {
    const { performer, mediaTime, repaired } = event;
    const change = this.#sounding.apply(event);
    this.#unwritten.add(performer);
    if (!change) return null;
    const { note, velocity } = change;
    const holder = this.#sounding.performerOf(note);
    this.#keyboard.light(note, holder);
    if (holder === null) this.#lit.delete(note);
    else this.#lit.set(note, holder);
    // A note that a state tells of began at an unknown time; its bar begins now.
    this.#bars.add(change, repaired ? (heardMedia ?? mediaTime) : mediaTime);
    return velocity > 0 ? note : null;
  }

  /**
   * @param {number} media media time at the foot of the roll, from now on
   * @param {number} nowMs
   */
  paint(media, nowMs) {
    if (this.#unwritten.size > 0 && nowMs - this.#writtenMs >= WRITTEN_MS) this.#write(nowMs);
    this.#roll.show(this.#bars.seen(media), media, this.#keyboard.view, this.#lit);
  }

  /** @param {number} nowMs */
  #write(nowMs) {
    this.#writtenMs = nowMs;
    const changed = [...this.#unwritten];
    this.#unwritten.clear();
    for (const one of changed) this.#performers.playing(one, this.#sounding.notesOf(one), this.#sounding.pedalOf(one));
  }

  /** Shows nothing any more: the connection is another one, or gone. @param {number} media */
  clear(media) {
    for (const note of this.#sounding.clear()) this.#keyboard.light(note, null);
    this.#lit.clear();
    this.#unwritten.clear();
    this.#bars.endAll(media);
    this.#performers.clear();
  }
}
