// @ts-check
/**
 * Where the ring's positions lie on the RTP timeline. Timestamps of exact blocks are rounded to whole samples: each says within
 * one where the line lies, and all of them together where exactly. Pure.
 */

import { Figure } from "./slots.js";

export const RTP_RATE = 48_000;
const RTP_MODULUS = 2 ** 32;

export class RtpLine {
  #figures;
  /** How far the line may still be off, in samples. */
  #low = -0.5;
  #high = 0.5;

  /** @param {import("./ring.js").Ring} ring whose `Figure.rtpAtZero` this keeps */
  constructor(ring) {
    this.#figures = ring.figures;
    this.forget();
  }

  /** Nothing is known any more. */
  forget() {
    this.#figures[Figure.rtpAtZero] = NaN;
  }

  /**
   * A position that has exactly this timestamp.
   *
   * @param {number} position
   * @param {number} rate
   * @param {number} rtp
   */
  begin(position, rate, rtp) {
    this.#figures[Figure.rtpAtZero] = modulo(rtp - (position * RTP_RATE) / rate);
    this.#low = -0.5;
    this.#high = 0.5;
  }

  /**
   * A position whose timestamp is rounded.
   *
   * @param {number} position
   * @param {number} rate
   * @param {number} rtp
   */
  stamp(position, rate, rtp) {
    const known = this.#figures[Figure.rtpAtZero] ?? NaN;
    const moved = centred(rtp - (position * RTP_RATE) / rate - known);
    if (!(moved > this.#low - 1 && moved < this.#high + 1)) {
      // The stream was placed anew.
      this.begin(position, rate, rtp);
      return;
    }
    const low = Math.max(this.#low, moved - 0.5);
    const high = Math.min(this.#high, moved + 0.5);
    const middle = (low + high) / 2;
    this.#figures[Figure.rtpAtZero] = modulo(known + middle);
    this.#low = low - middle;
    this.#high = high - middle;
  }

  /**
   * @param {number} rtp
   * @param {number} rate
   * @param {number} near a position
   * @returns {number} the position nearest to it that has this timestamp, with a fraction; NaN while that is not known
   */
  positionOf(rtp, rate, near) {
    const atZero = this.#figures[Figure.rtpAtZero] ?? NaN;
    return near + (centred(rtp - atZero - (near * RTP_RATE) / rate) * rate) / RTP_RATE;
  }
}

/** @param {number} value @returns {number} the same modulo 2^32, from −2^31 to just below 2^31 */
function centred(value) {
  return modulo(value + RTP_MODULUS / 2) - RTP_MODULUS / 2;
}

/** @param {number} value @returns {number} the same modulo 2^32, from 0 on */
function modulo(value) {
  return ((value % RTP_MODULUS) + RTP_MODULUS) % RTP_MODULUS;
}
