// @ts-check
/**
 * What the ring had to hold in the last minutes, and from that for each depth how many gaps a minute a ring of that depth is to
 * expect. This tells a stall that comes a few times a minute, which costs as many gaps, from jitter that is always there.
 *
 * Counting alone promises too much: the deepest of all stalls seen was not the deepest possible, and a stall that was seen once
 * within 20 s comes three times a minute as far as anybody knows. So what was counted is divided by the time that it was counted
 * over, and beyond the depth that some stalls have exceeded, their mean excess says how quickly deeper ones become rare: it is the
 * scale of an exponential tail (the peaks-over-threshold method with shape 0: Coles, An Introduction to Statistical Modeling of
 * Extreme Values, chapter 4). A scale that n stalls have shown is uncertain itself. With that counted in, a share r of them is
 * beyond n (r^(-1/n) - 1) scales, where it would be ln(1/r) if the scale were known. Pure, and without allocation after the start.
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
/** The tail begins at the depth that so many stalls exceeded, by their present weight, and no more than half of all. */
const COUNTED = 12;
const MOST_COUNTED = 0.5;
/** However many have shown the scale, no more is taken for known than so many would: stalls of networks have heavier tails than that. */
const LIGHTEST = 6;
/** Of the deepest stall no more than this beyond the second one is taken for the law that all follow. */
const ALONE_MS = 5;
/** A stall that came only once is bridged if that costs no more than this: it may have been the only one of its kind. Who wants no gap pays. */
const DEAR_MS = 15;
/** What so many stalls have shown of a depth is told as it was, without the tail. */
const TELLING = 3;
/** The tail goes on for at most so many times the distance from there to the deepest stall. */
const BEYOND = 1.5;
/** Rates are cautious by so many minutes without a stall: one that has just come is no rate yet. */
const SUPPOSED_MINUTES = 0.25;
/** Gaps a minute that a depth for none stays below by the tail, which never ends. */
const LEAST_GAPS = 0.1;

export class Lateness {
  #decay;
  #windowMinutes;
  #window = 0;
  /** The minutes that have been counted over, each by its age. */
  #minutes = 0;
  /** Of each bin: stalls that only a deeper ring bridges, each by its age. */
  #stalls = new Float64Array(BINS);
  #shape = { fromMs: 0, mostMs: 0, stalls: 0, scaleMs: 0 };
  /** Of each bin: the window of the last one. */
  #last = new Int32Array(BINS).fill(-ONE_STALL - 1);

  /** @param {number} windowS seconds between two calls of `pass` */
  constructor(windowS) {
    this.#windowMinutes = windowS / 60;
    this.#decay = Math.exp(-this.#windowMinutes / MEMORY_MINUTES);
  }

  /** Windows since the start, or since all was forgotten. */
  get windows() {
    return this.#window;
  }

  /** A window is over. */
  pass() {
    this.#window += 1;
    this.#minutes = this.#minutes * this.#decay + this.#windowMinutes;
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
   * @returns {number} gaps a minute that it is to expect
   */
  gapsAt(depthMs) {
    const bin = Math.max(0, Math.floor(depthMs / BIN_MS));
    if (bin >= BINS) return 0;
    const counted = (this.#stalls[bin] ?? 0) / this.#over;
    const { fromMs, stalls, scaleMs } = this.#tail();
    if (depthMs <= fromMs || scaleMs === 0 || (this.#stalls[bin] ?? 0) >= TELLING) return counted;
    const known = Math.min(stalls, LIGHTEST);
    const beyond = (stalls / this.#over) * (1 + (depthMs - fromMs) / scaleMs / known) ** -known;
    return Math.max(counted, beyond);
  }

  /**
   * @param {number} gaps a minute
   * @returns {number} the least depth in ms that has no more to expect
   */
  depthFor(gaps) {
    const { fromMs, mostMs, stalls, scaleMs } = this.#tail();
    let depthMs = this.#countedFor(Math.max(gaps, 1 / this.#over));
    // Where so many stalls are put up with, counting is enough.
    if (stalls > 0 && gaps * this.#over < COUNTED) {
      const rarer = Math.max(1, stalls / this.#over / Math.max(gaps, LEAST_GAPS));
      const known = Math.min(stalls, LIGHTEST);
      depthMs = Math.max(depthMs, Math.min(mostMs, fromMs + known * (rarer ** (1 / known) - 1) * scaleMs));
    }
    const onceMs = this.#countedFor(gaps);
    return gaps === 0 || onceMs <= depthMs + DEAR_MS ? Math.max(depthMs, onceMs) : depthMs;
  }

  /** The least depth that no stall has exceeded, in ms. */
  get deepestMs() {
    return this.#countedFor(0);
  }

  /** Minutes to divide by. */
  get #over() {
    return this.#minutes + SUPPOSED_MINUTES;
  }

  /** @param {number} gaps a minute @returns {number} the least depth in ms that would not have had more */
  #countedFor(gaps) {
    for (let bin = BINS - 1; bin >= 0; bin -= 1) {
      if ((this.#stalls[bin] ?? 0) / this.#over > gaps) return (bin + 1) * BIN_MS;
    }
    return 0;
  }

  /**
   * The tail: the depth at which it begins, the stalls that exceeded that, their mean excess, and the depth at which it is cut off.
   */
  #tail() {
    const tail = this.#shape;
    const counted = Math.min(COUNTED, (this.#stalls[0] ?? 0) * MOST_COUNTED);
    let bin = BINS - 1;
    while (bin > 0 && (this.#stalls[bin] ?? 0) === 0) bin -= 1;
    let second = bin;
    while (second > 0 && (this.#stalls[second] ?? 0) <= 1) second -= 1;
    const deepest = (bin = Math.min(bin, second + ALONE_MS / BIN_MS));
    let excess = 0;
    for (; bin > 0 && (this.#stalls[bin] ?? 0) < counted; bin -= 1) excess += this.#stalls[bin] ?? 0;
    tail.stalls = this.#stalls[bin] ?? 0;
    tail.fromMs = (bin + 1) * BIN_MS;
    tail.mostMs = Math.min(BINS, bin + 1 + BEYOND * (deepest - bin)) * BIN_MS;
    tail.scaleMs = tail.stalls === 0 ? 0 : (excess * BIN_MS) / tail.stalls;
    return tail;
  }

  clear() {
    this.#window = this.#minutes = 0;
    this.#stalls.fill(0);
    this.#last.fill(-ONE_STALL - 1);
  }
}
