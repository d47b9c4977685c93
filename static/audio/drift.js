// @ts-check
/**
 * Keeps the ring's level at its target although the instrument's clock and the loudspeaker's differ.
 *
 * While the level is within the tolerance and the clocks agree, the ratio is exactly 1 and samples are copied as they
 * are. Beyond, a PI controller plays up to 0.3 % faster or slower, and returns to 1 when level and clocks
 * agree again; between clocks that differ it settles at their ratio. Pure; levels are seconds.
 */

/** The largest deviation from 1: about 5 cents. */
export const MOST = 0.003;
/** Level errors that are left alone: too low is nearer to harm than too high. */
export const TOO_LOW_S = 0.001;
export const TOO_HIGH_S = 0.002;
/** Error and clock difference below which exact copying may return, and the deviation that may end at once. */
const SETTLED_S = 0.0006;
const AGREED = 25e-6;
const SMALL = 200e-6;
/** Shares of the error worked off per second, and of its sum; slow, since clocks are steady. */
const PROPORTIONAL = 0.3;
const INTEGRAL = (PROPORTIONAL * PROPORTIONAL) / 16;
/** Up to this error the integral learns. */
const TELLING_S = 0.0015;
/** The pitch moves no faster than this per second: half a cent in a tenth of a second. */
const SLEW_PER_S = 0.003;
/** The integral learns clocks, which differ by far less than what the controller may do. */
const MOST_LEARNT = 0.001;

export class Drift {
  #learnt = 0;
  #correction = 0;
  #engaged = false;
  #outsideS = 0;

  /** What is to be added to the ratio of 1; exactly 0 in exact copying. */
  get correction() {
    return this.#correction;
  }

  /** Whether the controller is at work. */
  get engaged() {
    return this.#engaged;
  }

  /**
   * @param {number} errorS mean level − target
   * @param {number} elapsedS since the last update
   * @returns {number} the correction
   */
  update(errorS, elapsedS) {
    if (!this.#engaged) {
      this.#outsideS = errorS < -TOO_LOW_S || errorS > TOO_HIGH_S ? this.#outsideS + elapsedS : 0;
      // Twice, so that one odd window does not end the exact copying.
      if (this.#outsideS <= elapsedS) return 0;
      this.#engaged = true;
      this.#learnt = 0;
    }
    // A large error is a target that moved and says nothing about the clocks.
    if (Math.abs(errorS) < TELLING_S) this.#learnt = clamp(this.#learnt + INTEGRAL * errorS * elapsedS, MOST_LEARNT);
    const wanted = clamp(PROPORTIONAL * errorS + this.#learnt, MOST);
    this.#correction += clamp(wanted - this.#correction, SLEW_PER_S * elapsedS);
    if (Math.abs(errorS) < SETTLED_S && Math.abs(this.#learnt) < AGREED && Math.abs(this.#correction) < SMALL) {
      this.#engaged = false;
      this.#outsideS = 0;
      this.#correction = 0;
    }
    return this.#correction;
  }

  /** The level was set by a jump. What is known of the clocks stays. */
  jumped() {
    this.#outsideS = 0;
    if (!this.#engaged) this.#correction = 0;
  }
}

/**
 * The difference of two clocks from the slope of a straight line through the last readings. Pure.
 */
export class Slope {
  #x;
  #y;
  #count = 0;
  #next = 0;

  /** @param {number} readings */
  constructor(readings) {
    this.#x = new Float64Array(readings);
    this.#y = new Float64Array(readings);
  }

  clear() {
    this.#count = this.#next = 0;
  }

  /**
   * @param {number} x
   * @param {number} y
   */
  add(x, y) {
    this.#x[this.#next] = x;
    this.#y[this.#next] = y;
    this.#next = (this.#next + 1) % this.#x.length;
    this.#count = Math.min(this.#count + 1, this.#x.length);
  }

  /** dy/dx; 0 until half of the readings are there. */
  get value() {
    const n = this.#count;
    if (n < this.#x.length / 2) return 0;
    let meanX = 0;
    let meanY = 0;
    for (let i = 0; i < n; i += 1) {
      meanX += (this.#x[i] ?? 0) / n;
      meanY += (this.#y[i] ?? 0) / n;
    }
    let xy = 0;
    let xx = 0;
    for (let i = 0; i < n; i += 1) {
      const dx = (this.#x[i] ?? 0) - meanX;
      xy += dx * ((this.#y[i] ?? 0) - meanY);
      xx += dx * dx;
    }
    return xx > 0 ? xy / xx : 0;
  }
}

/**
 * @param {number} value
 * @param {number} most
 */
function clamp(value, most) {
  return Math.max(-most, Math.min(most, value));
}
