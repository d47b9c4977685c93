// @ts-check
/**
 * Whether this computer is too busy to play evenly. Studio's ring runs empty when packets come late and when the threads that hand
 * them on have to wait for a processor; both look the same in the ring. But a processor that is short also lets packets wait that
 * have been received (the worker tells of those, where the browser says when it was), and makes the page's own timers late. No
 * network does either. Pure.
 */

/** A timer that is late by more than this has waited for its thread, in ms. */
export const LATE_MS = 15;
/** So many signs within `SPAN_MS`, and the computer is busy. */
export const MOST_LATE = 3;
export const SPAN_MS = 10_000;

export class Busy {
  #periodMs;
  #lastMs = -Infinity;
  /** @type {number[]} when a timer was late, or packets had to wait */
  #late = [];

  /** @type {unknown} */
  #decision;
  #was = false;

  /** @param {number} periodMs of the timer whose turns it is told */
  constructor(periodMs) {
    this.#periodMs = periodMs;
  }

  /**
   * Takes in one turn of the timer.
   *
   * @param {number} nowMs monotonic
   * @param {boolean} hidden whether the page is hidden: browsers then let timers wait on purpose
   */
  turn(nowMs, hidden) {
    const lateMs = nowMs - this.#lastMs - this.#periodMs;
    this.#lastMs = hidden ? -Infinity : nowMs;
    if (!hidden && Number.isFinite(lateMs) && lateMs > LATE_MS) this.#late.push(nowMs);
    while (this.#late.length > 0 && nowMs - (this.#late[0] ?? nowMs) > SPAN_MS) this.#late.shift();
  }

  /** Takes in that received packets had to wait. @param {number} nowMs monotonic */
  held(nowMs) {
    this.#late.push(nowMs);
  }

  /** Whether it is. */
  get now() {
    return this.#late.length >= MOST_LATE;
  }

  /**
   * Whether it was when something was decided, as seen at the first turn after that.
   *
   * @param {unknown} decision another object for each
   */
  when(decision) {
    if (decision !== this.#decision) [this.#decision, this.#was] = [decision, this.now];
    return this.#was;
  }
}
