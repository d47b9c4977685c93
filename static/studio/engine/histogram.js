// @ts-check
/** Percentiles of the last seconds, without keeping the values and without allocating after the start. Pure. */

export class Histogram {
  #width;
  /** Two halves. `turn` drops the older one, so a percentile covers the time since the turn before the last. */
  #halves;
  #current = 0;
  #counts = [0, 0];

  /**
   * @param {number} width of a bin
   * @param {number} bins values beyond the last one count as in it, values below 0 as 0
   */
  constructor(width, bins) {
    this.#width = width;
    this.#halves = [new Uint32Array(bins), new Uint32Array(bins)];
  }

  /** Values since the last `turn`. */
  get count() {
    return this.#counts[this.#current] ?? 0;
  }

  /** @param {number} value */
  add(value) {
    const half = /** @type {Uint32Array} */ (this.#halves[this.#current]);
    const bin = Math.min(half.length - 1, Math.max(0, Math.floor(value / this.#width)));
    half[bin] = (half[bin] ?? 0) + 1;
    this.#counts[this.#current] = (this.#counts[this.#current] ?? 0) + 1;
  }

  /** Forgets the older half. */
  turn() {
    this.#current = 1 - this.#current;
    this.#halves[this.#current]?.fill(0);
    this.#counts[this.#current] = 0;
  }

  clear() {
    this.turn();
    this.turn();
  }

  /**
   * @param {number} share 0 to 1
   * @returns {number} the middle of the bin below which this share of the values lies; 0 without values
   */
  percentile(share) {
    const [one, two] = this.#halves;
    if (!one || !two) return 0;
    const all = (this.#counts[0] ?? 0) + (this.#counts[1] ?? 0);
    if (all === 0) return 0;
    let left = share * all;
    for (let bin = 0; bin < one.length; bin += 1) {
      left -= (one[bin] ?? 0) + (two[bin] ?? 0);
      if (left <= 0) return (bin + 0.5) * this.#width;
    }
    return one.length * this.#width;
  }
}
