// @ts-check
/**
 * Finds how far playing may go back when the ring has run empty, so that the sound before the hole is heard once more in its
 * place: by the distance at which it is most alike (waveform similarity; W. Verhelst and M. Roelands, ICASSP 1993). What comes
 * then goes on where it should, and the ring is deeper by that distance. Pure, and without allocation after the start.
 */

/** @typedef {import("./ring.js").Ring} Ring */

/** So many frames before the hole are compared: 5.8 ms at 44.1 kHz. */
const COMPARED = 256;
/** Frames that are heard again: 4.4 to 15 ms at 44.1 kHz. What is shorter would hum. */
const LEAST = 192;
const MOST = 661;
/** Every third distance is tried, with every other frame; around the best of these all are. */
const STEP = 3;
/** The longest distance has to be better by this share: it costs more delay. */
const COST = 0.1;

export class Echo {
  #mono = new Float32Array(COMPARED + MOST);

  /**
   * @param {Ring} ring
   * @param {number} position after the last frame that is there
   * @param {number} least frames
   * @returns {number} how many frames to go back; 0 where too little is there
   */
  distance(ring, position, least) {
    const from = Math.max(LEAST, least);
    const most = this.#gather(ring, position) - COMPARED;
    let best = 0;
    let bestScore = -Infinity;
    for (let distance = from; distance <= most; distance += STEP) {
      const score = this.#alike(distance, 2);
      if (score > bestScore) [best, bestScore] = [distance, score];
    }
    if (best === 0) return 0;
    const middle = best;
    bestScore = -Infinity;
    for (let distance = Math.max(from, middle - STEP + 1); distance <= Math.min(most, middle + STEP - 1); distance += 1) {
      const score = this.#alike(distance, 1);
      if (score > bestScore) [best, bestScore] = [distance, score];
    }
    return best;
  }

  /**
   * @param {Ring} ring
   * @param {number} position
   * @returns {number} frames without a hole before it
   */
  #gather(ring, position) {
    const mono = this.#mono;
    for (let back = 1; back <= mono.length; back += 1) {
      const slot = ring.slotOf(position - back);
      if (slot < 0) return back - 1;
      mono[mono.length - back] = (ring.left[slot] ?? 0) + (ring.right[slot] ?? 0);
    }
    return mono.length;
  }

  /**
   * @param {number} distance
   * @param {number} step
   */
  #alike(distance, step) {
    const mono = this.#mono;
    const first = mono.length - COMPARED;
    let product = 0;
    let power = 1e-12;
    for (let i = first; i < mono.length; i += step) {
      const earlier = mono[i - distance] ?? 0;
      product += (mono[i] ?? 0) * earlier;
      power += earlier * earlier;
    }
    const score = product / Math.sqrt(power);
    return score * (score > 0 ? 1 - (COST * distance) / MOST : 1);
  }
}
