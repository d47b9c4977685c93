// @ts-check
/**
 * How a device takes its samples: in calls of several quanta at once, of which nobody tells the worklet. Quanta that
 * are asked for within 2 ms belong to one call. Pure.
 */

/** In ms; the clock at hand has whole ones. */
const GAP_MS = 2;
/** It follows the larger calls: what lies in the ring has to last for them. */
const GROWING = 0.5;
const SHRINKING = 0.02;

export class Bursts {
  #calledMs = -Infinity;
  /** Quanta of the call at hand, this one included. */
  calls = 0;
  /** Usual quanta of a call. */
  size = 1;
  /** Calls that are over. */
  count = 0;

  /**
   * A quantum is asked for.
   *
   * @param {number} nowMs
   * @returns {boolean} whether it is the first of its call
   */
  note(nowMs) {
    if (nowMs - this.#calledMs < GAP_MS) {
      this.calls += 1;
      return false;
    }
    if (this.calls > 0) {
      this.count += 1;
      this.size += (this.calls - this.size) * (this.calls > this.size ? GROWING : SHRINKING);
    }
    this.#calledMs = nowMs;
    this.calls = 1;
    return true;
  }
}
