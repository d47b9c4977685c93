// @ts-check
/**
 * Keeps the ring's level at its target although the instrument's clock and the loudspeaker's differ.
 *
 * While the level is within the tolerance and the clocks agree, the ratio is exactly 1 and samples are copied as they
 * are. Outside the tolerance a controller (proportional and integral) plays up to 0.3 % faster or slower, and returns to a
 * ratio of 1 when level and clocks agree again. Where the two clocks differ, it settles on their ratio: the measured one
 * (`Slope`) once there is a measurement, and before that the one that its integral finds. Pure; levels are in seconds.
 */

/** The largest deviation from 1: about 5 cents. */
export const MOST = 0.003;
/** Level errors that are left alone. The tolerance is smaller below the target, since an underrun lies there. */
export const TOO_LOW_S = 0.001;
const TOO_HIGH_S = 0.002;
/** Exact copying may return below this error of the level, and from a correction smaller than `SMALL`. */
const SETTLED_S = 0.0006;
const SMALL = 200e-6;
/** Measured clocks closer than this count as equal: exact copying then lasts at least half a minute before the level has left the tolerance. */
const AGREED = 60e-6;
/** The same limit for a difference that only the integral has found so far, which comes out too small at first. */
const SUPPOSED = 25e-6;
/** Share of the level's error that is worked off per second. It is small, since clocks are steady. */
const PROPORTIONAL = 0.3;
/** The same share for the part of the error that is more than `TOO_LOW_S` below the target: an underrun is near. */
const URGENT = 1;
const INTEGRAL = (PROPORTIONAL * PROPORTIONAL) / 16;
/** The integral learns only from errors smaller than this. */
const TELLING_S = 0.0015;
/** The correction changes by at most this per second: the pitch moves by half a cent in a tenth of a second. */
const SLEW_PER_S = 0.003;
/** The integral stays within this: clocks differ by far less than the controller may correct. */
const MOST_LEARNT = 0.001;

export class Drift {
  #learnt = 0;
  #correction = 0;
  #engaged = false;
  #outsideS = 0;

  /** Deviation of the ratio from 1; exactly 0 in exact copying. */
  get correction() {
    return this.#correction;
  }

  /**
   * @param {number} errorS mean level − target
   * @param {number} elapsedS since the last update
   * @param {number} [clocks] how much faster the instrument's clock is, as measured; NaN while not known
   * @returns {number} the correction
   */
  update(errorS, elapsedS, clocks = NaN) {
    if (!this.#engaged) {
      this.#outsideS = errorS < -TOO_LOW_S || errorS > TOO_HIGH_S ? this.#outsideS + elapsedS : 0;
      // Two windows in a row, so that one odd window does not end the exact copying.
      if (this.#outsideS <= elapsedS) return 0;
      this.#engaged = true;
      this.#learnt = 0;
    }
    const measured = !Number.isNaN(clocks);
    if (measured) this.#learnt = clamp(clocks, MOST_LEARNT);
    // A large error comes from a target that moved, and says nothing about the clocks.
    else if (Math.abs(errorS) < TELLING_S) this.#learnt = clamp(this.#learnt + INTEGRAL * errorS * elapsedS, MOST_LEARNT);
    const urgent = Math.min(0, errorS + TOO_LOW_S);
    const wanted = clamp(PROPORTIONAL * (errorS - urgent) + URGENT * urgent + this.#learnt, MOST);
    this.#correction += clamp(wanted - this.#correction, SLEW_PER_S * elapsedS);
    const agreed = Math.abs(this.#learnt) < (measured ? AGREED : SUPPOSED);
    if (agreed && Math.abs(errorS) < SETTLED_S && Math.abs(this.#correction) < SMALL) {
      this.#engaged = false;
      this.#outsideS = 0;
      this.#correction = 0;
    }
    return this.#correction;
  }

  /** The level has just been set by a jump. What is known of the clocks stays known. */
  jumped() {
    this.#outsideS = 0;
    if (!this.#engaged) this.#correction = 0;
  }
}

/**
 * The difference of two clocks, as the slope of a straight line through the last readings. A step between two readings means
 * that one of the clocks stood still, and the measurement begins anew. Pure.
 */
export class Slope {
  #x;
  #y;
  #step;
  #count = 0;
  #next = 0;

  /**
   * @param {number} readings
   * @param {number} step of y from one reading to the next
   */
  constructor(readings, step = Infinity) {
    this.#step = step;
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
    const last = this.#y[(this.#next + this.#y.length - 1) % this.#y.length] ?? 0;
    if (this.#count > 0 && Math.abs(y - last) > this.#step) this.clear();
    this.#x[this.#next] = x;
    this.#y[this.#next] = y;
    this.#next = (this.#next + 1) % this.#x.length;
    this.#count = Math.min(this.#count + 1, this.#x.length);
  }

  /** dy/dx; NaN until half of the readings are there. */
  get value() {
    const n = this.#count;
    if (n < this.#x.length / 2) return NaN;
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
    return xx > 0 ? xy / xx : NaN;
  }
}

/**
 * @param {number} value
 * @param {number} most
 */
function clamp(value, most) {
  return Math.max(-most, Math.min(most, value));
}
