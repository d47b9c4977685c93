// @ts-check
/** Measures how evenly a stream arrives: by how much later than the quickest of the last seconds. Pure. */

import { Histogram } from "./histogram.js";
import { RTP_RATE } from "./rtp.js";
import { Figure } from "./slots.js";

/** Lateness is measured against the quickest block of this span, in ms. */
const SPAN_MS = 4_000;

export class Arrivals {
  #ring;
  #jitter = new Histogram(0.25, 400);
  #turnedMs = -Infinity;
  #quickest = [Infinity, Infinity];
  #quickestSilence = Infinity;
  #slowestSilence = -Infinity;

  /** @param {import("./ring.js").Ring} ring whose figures are told */
  constructor(ring) {
    this.#ring = ring;
  }

  /**
   * A frame without sound has come.
   *
   * @param {number} nowMs
   * @param {number} rtp its timestamp
   */
  silence(nowMs, rtp) {
    const transit = nowMs - rtp / (RTP_RATE / 1000);
    this.#quickestSilence = Math.min(this.#quickestSilence, transit);
    this.#slowestSilence = Math.max(this.#slowestSilence, transit);
    const spread = this.#slowestSilence - this.#quickestSilence;
    // When the timestamp wraps, the spread jumps by 2³² samples (a day): such a value is left out.
    if (spread < 1_000) this.#ring.figures[Figure.jitterMs] = spread;
  }

  /**
   * @param {number} end position after the block's last frame, whose capture is the earliest time at which it can arrive
   * @param {number} rate
   * @param {number} nowMs
   */
  add(end, rate, nowMs) {
    if (nowMs - this.#turnedMs >= SPAN_MS) {
      this.#turnedMs = nowMs;
      this.#jitter.turn();
      this.#quickest.reverse();
      this.#quickest[0] = Infinity;
    }
    const transit = nowMs - (end / rate) * 1000;
    this.#quickest[0] = Math.min(this.#quickest[0] ?? Infinity, transit);
    this.#jitter.add(transit - Math.min(this.#quickest[0], this.#quickest[1] ?? Infinity));
    if (this.#jitter.count % 32 === 0) this.#ring.figures[Figure.jitterMs] = this.#jitter.percentile(0.95);
  }

  /** Begins anew with the next block. */
  forget() {
    this.#jitter.clear();
    this.#quickest = [Infinity, Infinity];
    this.#turnedMs = -Infinity;
  }
}
