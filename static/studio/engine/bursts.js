// @ts-check
/**
 * Finds out in what bursts an audio device takes its samples. Each call of the device asks for several quanta (128 frames
 * each), and the worklet is not told where a call begins: quanta asked for within 2 ms are taken for one call. Pure.
 */

/** Quanta this close together, in ms, belong to one call. The worklet's clock has whole milliseconds. */
const GAP_MS = 2;
/** The usual size follows large calls quickly and small ones slowly: the ring has to last through the largest. */
const GROWING = 0.5;
const SHRINKING = 0.02;

export class Bursts {
  #calledMs = -Infinity;
  /** Quanta of the present call so far. */
  calls = 0;
  /** Quanta that a call usually has. */
  size = 1;
  /** Calls that are over. */
  count = 0;

  /**
   * The device has asked for a quantum.
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
