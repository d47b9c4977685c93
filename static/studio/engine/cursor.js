// @ts-check
/**
 * The place in a source's line from which the next quantum is taken, to a fraction of a frame. Whole frames at the stream's
 * own rate are copied as they are; at any other place or rate the quantum is interpolated. Pure, and without allocation once it runs.
 */

import { AHEAD, Sinc, TAPS } from "./sinc.js";
import { LINE_MASK } from "./source.js";

/** @typedef {import("./source.js").Source} Source */

/** How far the step may deviate from 1 while the cursor moves to the nearest whole frame. */
const LANDING = 0.0005;

export class Cursor {
  #source;
  #sinc = new Sinc();
  #index = 0;
  #fraction = 0;
  /** Whether the last quantum held the very frames of the line, one for one, and all of them had come. */
  exact = false;

  /** @param {Source} source */
  constructor(source) {
    this.#source = source;
  }

  /** Position in the stream of the frame that is played next; it has a fraction while the cursor interpolates. */
  get position() {
    return this.#source.position - (this.#source.end - this.#index) + this.#fraction;
  }

  /** @param {number} cutoff share of the stream's band that is kept, 0 to 1 */
  tune(cutoff) {
    this.#sinc.tune(cutoff);
  }

  /**
   * Frames of the stream for each one played. On the way back to exact copying the cursor steers to a whole frame: the last
   * fraction is worked off within a quantum, at a twentieth of a percent.
   *
   * @param {number} nominal the ratio of the two rates
   * @param {number} correction what the drift control adds to it
   * @param {number} frames of a quantum
   */
  stepOf(nominal, correction, frames) {
    if (correction !== 0 || nominal !== 1 || this.#fraction === 0) return nominal * (1 + correction);
    const left = this.#fraction < 0.5 ? -this.#fraction : 1 - this.#fraction;
    const most = LANDING * frames;
    return 1 + Math.max(-most, Math.min(most, left)) / frames;
  }

  /** Whether a quantum of this step is copied and not interpolated. @param {number} step */
  copies(step) {
    return step === 1 && this.#fraction === 0;
  }

  /**
   * Frames by which the line has to grow before a quantum of this step can be taken.
   *
   * @param {number} frames
   * @param {number} step
   */
  lacking(frames, step) {
    const needed = this.copies(step) ? frames : Math.ceil(this.#fraction + step * frames) + AHEAD;
    return this.#index + needed - this.#source.end;
  }

  /**
   * Copies whole frames; only where `copies(step)`.
   *
   * @param {Float32Array} left
   * @param {Float32Array} right
   * @param {number} frames
   */
  copy(left, right, frames) {
    const source = this.#source;
    for (let i = 0; i < frames; i += 1) {
      const at = (this.#index + i) & LINE_MASK;
      left[i] = source.left[at] ?? 0;
      right[i] = source.right[at] ?? 0;
    }
    this.exact = source.alteredEnd <= this.#index;
    this.#index += frames;
  }

  /**
   * @param {Float32Array} left
   * @param {Float32Array} right
   * @param {number} frames
   * @param {number} step
   * @param {boolean} landing whether a quantum that ends on a whole frame, up to rounding, is to be followed by copying
   */
  interpolate(left, right, frames, step, landing) {
    const source = this.#source;
    for (let i = 0; i < frames; i += 1) {
      const weights = this.#sinc.weights(this.#fraction);
      let sumLeft = 0;
      let sumRight = 0;
      const first = this.#index - AHEAD + 1;
      for (let tap = 0; tap < TAPS; tap += 1) {
        const weight = weights[tap] ?? 0;
        const at = (first + tap) & LINE_MASK;
        sumLeft += weight * (source.left[at] ?? 0);
        sumRight += weight * (source.right[at] ?? 0);
      }
      left[i] = sumLeft;
      right[i] = sumRight;
      this.#fraction += step;
      const whole = Math.floor(this.#fraction);
      this.#index += whole;
      this.#fraction -= whole;
    }
    const rest = Math.abs(this.#fraction - Math.round(this.#fraction));
    if (landing && rest < 1e-6) {
      this.#index += Math.round(this.#fraction);
      this.#fraction = 0;
    }
    this.exact = false;
  }
}
