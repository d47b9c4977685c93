// @ts-check
/** Measures how evenly a stream arrives: by how much later than the quickest of the last seconds. Pure. */

import { Histogram } from "./histogram.js";
import { RTP_RATE } from "./rtp.js";

/** Lateness is measured against the quickest part of this span, in ms. */
const SPAN_MS = 4_000;
/** The percentile is worked out again after so many parts. */
const EVERY = 32;

export class Arrivals {
  #late = new Histogram(0.25, 400);
  #turnedMs = -Infinity;
  #quickest = [Infinity, Infinity];
  #quickestSilence = Infinity;
  #slowestSilence = -Infinity;
  /** The 95th percentile, in ms; before there is one, what silence has shown. */
  ms = 0;

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
    if (spread < 1_000) this.ms = spread;
  }

  /**
   * @param {number} end position after the block's last frame, whose capture is the earliest time at which it can arrive
   * @param {number} rate
   * @param {number} nowMs
   */
  add(end, rate, nowMs) {
    if (nowMs - this.#turnedMs >= SPAN_MS) {
      this.#turnedMs = nowMs;
      this.#late.turn();
      this.#quickest.reverse();
      this.#quickest[0] = Infinity;
    }
    const transit = nowMs - (end / rate) * 1000;
    this.#quickest[0] = Math.min(this.#quickest[0] ?? Infinity, transit);
    this.#late.add(transit - Math.min(this.#quickest[0], this.#quickest[1] ?? Infinity));
    if (this.#late.count % EVERY === 0) this.ms = this.#late.percentile(0.95);
  }

  /** Begins anew with the next block. */
  forget() {
    this.#late.clear();
    this.#quickest = [Infinity, Infinity];
    this.#turnedMs = -Infinity;
  }
}
