// @ts-check
/**
 * What the ring had to hold in the last minutes: for each depth, how many gaps a minute a ring of that depth would have had.
 * This tells a stall that comes a few times a minute, which costs as many gaps, from jitter that is always there. Pure, and
 * without allocation after the start.
 */

const BIN_MS = 0.25;
/** 100 ms. What is later counts as that. */
const BINS = 400;
/** Depths closer than this many windows in time are one stall, and would have been one gap. */
const ONE_STALL = 2;
/** A stall counts for less and less as time goes by: after these minutes for a third. */
const MEMORY_MINUTES = 2;
/** A stall that counts for less is forgotten: after eight minutes. */
const FORGOTTEN = 0.02;

export class Lateness {
  #decay;
  #window = 0;
  /** Of each bin: stalls that only a deeper ring bridges, each by its age. */
  #stalls = new Float64Array(BINS);
  /** Of each bin: the window of the last one. */
  #last = new Int32Array(BINS).fill(-ONE_STALL - 1);

  /** @param {number} windowS seconds between two calls of `pass` */
  constructor(windowS) {
    this.#decay = Math.exp(-windowS / 60 / MEMORY_MINUTES);
  }

  /** Windows since the start, or since all was forgotten. */
  get windows() {
    return this.#window;
  }

  /** A window is over. */
  pass() {
    this.#window += 1;
    for (let bin = 0; bin < BINS; bin += 1) {
      const left = (this.#stalls[bin] ?? 0) * this.#decay;
      this.#stalls[bin] = left < FORGOTTEN ? 0 : left;
    }
  }

  /**
   * At this moment the ring had to hold so much on average.
   *
   * @param {number} depthMs
   */
  add(depthMs) {
    const most = Math.min(BINS - 1, Math.ceil(depthMs / BIN_MS) - 1);
    for (let bin = 0; bin <= most; bin += 1) {
      if (this.#window - (this.#last[bin] ?? 0) > ONE_STALL) {
        this.#stalls[bin] = (this.#stalls[bin] ?? 0) + 1;
        this.#last[bin] = this.#window;
      }
    }
  }

  /**
   * @param {number} depthMs of a ring
   * @returns {number} gaps a minute that it would have had
   */
  gapsAt(depthMs) {
    const bin = Math.max(0, Math.floor(depthMs / BIN_MS));
    return bin >= BINS ? 0 : (this.#stalls[bin] ?? 0) / MEMORY_MINUTES;
  }

  /**
   * @param {number} gaps a minute
   * @returns {number} the least depth in ms that would not have had more
   */
  depthFor(gaps) {
    for (let bin = BINS - 1; bin >= 0; bin -= 1) {
      if ((this.#stalls[bin] ?? 0) / MEMORY_MINUTES > gaps) return (bin + 1) * BIN_MS;
    }
    return 0;
  }

  clear() {
    this.#window = 0;
    this.#stalls.fill(0);
    this.#last.fill(-ONE_STALL - 1);
  }
}
