// @ts-check
/**
 * When the stage looks at what is heard: in the frames that the page draws in, of which each note that begins brings one at its
 * moment, and rarely while nobody sees the page or nothing is open.
 */

import { frames } from "../ui/frames.js";

/** Nobody sees a hidden page's keys; that not too many of its notes pile up, they are followed this often, in milliseconds. */
const HIDDEN_MS = 10_000;
/** The same while nothing is open. */
const IDLE_MS = 500;
/**
 * A note that begins within this time, in milliseconds, brings a frame of its own. Later ones wait for the next, 50 ms after the last:
 * looked at half a frame of the screen before its time, a note is lit within 12 ms of its sound.
 */
const SOON_MS = 30;

export class Turns {
  #look;
  #busy;
  #closed = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {() => number} look at what is heard; says in how many ms the next note begins, Infinity if none waits
   * @param {() => boolean} busy whether there is anything to look at in every frame
   */
  constructor(look, busy) {
    this.#look = look;
    this.#busy = busy;
  }

  /** Looks now, and goes on. */
  begin = () => {
    if (this.#closed) return;
    clearTimeout(this.#timer);
    const dueMs = this.#look();
    if (document.hidden || !this.#busy()) {
      this.#timer = setTimeout(this.begin, document.hidden ? HIDDEN_MS : IDLE_MS);
      return;
    }
    frames.request(this.begin);
    if (dueMs < SOON_MS) this.#timer = setTimeout(() => frames.hurry(), Math.max(0, dueMs));
  };

  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    frames.cancel(this.begin);
  }
}
