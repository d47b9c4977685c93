// @ts-check
/**
 * Brings decoded sound, which has 48 kHz, to the rate of the ring: frame n of the output is the sound n / rate seconds after
 * the time 0. Where the rates are the same, every sample stays as it is. Pure; the memory is allocated at the start.
 */

import { AHEAD, Sinc, TAPS } from "./sinc.js";

export const DECODED_RATE = 48_000;
/** Samples of the longest packet, 120 ms. */
const MOST = 5_760;
/** Output rates from which on nothing has to be taken out: Opus ends at 20 kHz. */
const WHOLE_BAND = 42_000;
/** To make one takes milliseconds. @type {Map<number, Sinc>} by cutoff */
const SINCS = new Map();

/** @param {number} cutoff */
function sincFor(cutoff) {
  const sinc = SINCS.get(cutoff) ?? new Sinc(cutoff);
  SINCS.set(cutoff, sinc);
  return sinc;
}

export class Resampler {
  #rate;
  #phase;
  #sinc;
  /** The last samples of what came before, then the new ones. */
  #left = new Float32Array(TAPS + MOST);
  #right = new Float32Array(TAPS + MOST);
  #out;
  /** Time after the last sample that came. */
  #end = NaN;
  /** Frame of the output that comes next. */
  #next = 0;

  /**
   * @param {number} rate Hz
   * @param {number} [phase] how much later than its time frame 0 lies, in samples at 48 kHz: part of a frame
   */
  constructor(rate, phase = 0) {
    this.#rate = rate;
    this.#phase = phase;
    this.#sinc = rate === DECODED_RATE ? null : sincFor(rate >= WHOLE_BAND ? 1 : rate / DECODED_RATE);
    const most = Math.ceil(((MOST + TAPS) * rate) / DECODED_RATE) + 1;
    this.#out = { first: 0, frames: 0, left: new Float32Array(most), right: new Float32Array(most) };
  }

  /** How much earlier than what came the output ends (samples at 48 kHz). */
  get lag() {
    return this.#sinc === null ? 0 : AHEAD;
  }

  /**
   * @param {number} at time of the first sample
   * @param {Float32Array} left
   * @param {Float32Array} right
   * @param {number} samples at most 120 ms
   * @returns {{first: number, frames: number, left: Float32Array, right: Float32Array}} the output that these complete, from
   *   frame `first` on; valid until the next call
   */
  push(at, left, right, samples) {
    const out = this.#out;
    if (this.#sinc === null) return { first: at, frames: samples, left, right };
    if (at !== this.#end) this.#begin(at);
    this.#left.set(samples < left.length ? left.subarray(0, samples) : left, TAPS);
    this.#right.set(samples < right.length ? right.subarray(0, samples) : right, TAPS);
    // Index 0 of the line is the sample at `zero`.
    const zero = at - TAPS;
    const step = DECODED_RATE / this.#rate;
    out.first = this.#next;
    out.frames = 0;
    for (;;) {
      const place = this.#next * step + this.#phase - zero;
      const whole = Math.floor(place);
      if (whole + AHEAD >= TAPS + samples) break;
      this.#interpolate(whole - (AHEAD - 1), place - whole, out.frames);
      out.frames += 1;
      this.#next += 1;
    }
    this.#left.copyWithin(0, samples, samples + TAPS);
    this.#right.copyWithin(0, samples, samples + TAPS);
    this.#end = at + samples;
    return out;
  }

  /** @param {number} at */
  #begin(at) {
    this.#left.fill(0, 0, TAPS);
    this.#right.fill(0, 0, TAPS);
    this.#next = Math.ceil(((at - this.#phase) * this.#rate) / DECODED_RATE);
  }

  /**
   * @param {number} from index of the first of the samples around the place
   * @param {number} fraction
   * @param {number} frame of the output
   */
  #interpolate(from, fraction, frame) {
    const weights = /** @type {Sinc} */ (this.#sinc).weights(fraction);
    let left = 0;
    let right = 0;
    for (let tap = 0; tap < TAPS; tap += 1) {
      const weight = weights[tap] ?? 0;
      left += weight * (this.#left[from + tap] ?? 0);
      right += weight * (this.#right[from + tap] ?? 0);
    }
    this.#out.left[frame] = left;
    this.#out.right[frame] = right;
  }
}
