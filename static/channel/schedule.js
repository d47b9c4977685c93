// @ts-check
/** Keeps events until they are heard. Pure; bounded. */

import { writeOf } from "./cells.js";

/** @typedef {import("./down.js").Heard} Heard */

const MAX_WAITING = 2048;

/** Hands out what a `DownReceiver` learned once its media time is heard, and never an older event of a cell after a newer one. */
export class Schedule {
  /** overflowed: handed out before their time because too many waited. superseded: dropped as older than what is shown. */
  counters = { overflowed: 0, superseded: 0 };
  /** @type {Heard[]} ascending by media time, then number */
  #waiting = [];
  /** @type {Map<number, number>} key → number of the last event handed out */
  #shown = new Map();

  /** @param {readonly Heard[]} heard */
  push(heard) {
    for (const event of heard) {
      let at = this.#waiting.length;
      while (at > 0 && later(/** @type {Heard} */ (this.#waiting[at - 1]), event)) at -= 1;
      this.#waiting.splice(at, 0, event);
    }
  }

  /**
   * @param {number | null} heardMedia what is heard now; null if nothing is known to be playing: then all are due
   * @returns {Heard[]} in order
   */
  due(heardMedia) {
    const overflow = Math.max(0, this.#waiting.length - MAX_WAITING);
    const now = heardMedia ?? Infinity;
    let count = overflow;
    while ((this.#waiting[count]?.mediaTime ?? Infinity) <= now && count < this.#waiting.length) count += 1;
    const found = this.#waiting.splice(0, count).filter((event) => this.#isNews(event));
    if (heardMedia !== null) this.counters.overflowed += overflow;
    return found;
  }

  /** Media time at which the next note begins; Infinity if none waits. */
  get nextOnset() {
    return this.#waiting.find(({ message: [status = 0, , velocity = 0] }) => (status & 0xf0) === 0x90 && velocity > 0)?.mediaTime ?? Infinity;
  }

  /** Forgets everything, when the connection is another one. */
  clear() {
    this.#waiting = [];
    this.#shown.clear();
  }

  /** @param {Heard} event */
  #isNews({ performer, message, sequence }) {
    const write = writeOf(performer, message);
    if (!write) return true;
    const key = (write.performer << 16) | write.cell;
    if (sequence < (this.#shown.get(key) ?? -1)) {
      this.counters.superseded += 1;
      return false;
    }
    this.#shown.set(key, sequence);
    return true;
  }
}

/** @param {Heard} a @param {Heard} b */
function later(a, b) {
  return a.mediaTime > b.mediaTime || (a.mediaTime === b.mediaTime && a.sequence > b.sequence);
}
