// @ts-check
/**
 * This client's idea of the server's media clock, from the replies to its pings. Twin of
 * `rtcserver/channel/media_clock.py`; PROTOCOL.md, "Clock". Pure.
 */

import { packPing } from "./codec.js";

/** Samples of media time per millisecond. */
export const PER_MS = 48;
/** The estimate is made from this many replies: those of a minute. */
const WINDOW = 32;
const MAX_RTT_MS = 5000;
/** A correction beyond this is a step; a smaller one is spread over `SPREAD_MS`. */
const STEP_MS = 20;
const SPREAD_MS = 1000;
const MAX_DRIFT = 500e-6;
/** 1/σ² of the expected drift, with σ = 100 ppm: the estimate of the drift leaves 0 after some ten seconds of replies. */
const DRIFT_PRIOR = 1e8;
const NOISE_MS = 0.5;
const FAST_PINGS = 8;
const FAST_MS = 100;
const SLOW_MS = 2000;

/** @typedef {{atMs: number, offsetMs: number, rttMs: number}} Sample */

/**
 * Converts performance.now() to media time. A reply counts for more, the less it was delayed. It is taken to lie in the middle of
 * its round trip, so an asymmetric path shifts the estimate by half the asymmetry.
 */
export class MediaClock {
  /** How often the media clock was found elsewhere than expected, and the estimate began anew. */
  steps = 0;
  /** @type {Sample[]} */
  #samples = [];
  /** @type {Sample[]} */
  #odd = [];
  #meanAt = 0;
  #meanOffset = 0;
  #drift = 0;
  #residue = 0;
  #residueAt = 0;
  #pings = 0;
  #nextPingMs = -Infinity;

  /** Whether there is an estimate. */
  get ready() {
    return this.#samples.length > 0;
  }

  /** The least round trip of the window; half of it bounds the error. @returns {number | null} */
  get rttMs() {
    return this.ready ? Math.min(...this.#samples.map(({ rttMs }) => rttMs)) : null;
  }

  /** How much faster the media clock runs than the page's: 1e-6 is one part per million. */
  get drift() {
    return this.#drift;
  }

  /** When `ping` should be sent; −∞ at first. */
  get nextPingMs() {
    return this.#nextPingMs;
  }

  /** A ping to send now. @param {number} nowMs */
  ping(nowMs) {
    this.#pings += 1;
    this.#nextPingMs = nowMs + (this.#pings < FAST_PINGS ? FAST_MS : SLOW_MS);
    return packPing(Math.floor(nowMs * 1000));
  }

  /**
   * Takes in a reply; one that comes from the future or is seconds old is ignored.
   *
   * @param {Pick<import("./codec.js").Reply, "clientUs" | "mediaTime" | "heldUs">} reply
   * @param {number} arrivedMs
   */
  add(reply, arrivedMs) {
    const rttMs = arrivedMs - reply.clientUs / 1000 - reply.heldUs / 1000;
    if (!(rttMs >= 0 && rttMs <= MAX_RTT_MS)) return;
    const atMs = arrivedMs - rttMs / 2;
    const sample = { atMs, offsetMs: reply.mediaTime / PER_MS - atMs, rttMs };
    if (this.ready && Math.abs(sample.offsetMs - this.#estimate(atMs)) > rttMs / 2 + STEP_MS) {
      // No delay explains this offset. After three such replies in a row the media clock has moved.
      this.#odd.push(sample);
      if (this.#odd.length < 3) return;
      this.#samples = this.#odd;
      this.steps += 1;
    } else {
      this.#samples.push(sample);
      if (this.#samples.length > WINDOW) this.#samples.shift();
    }
    this.#odd = [];
    const before = this.#samples.length > 1 ? this.#shown(arrivedMs) : null;
    this.#fit();
    const residue = before === null ? 0 : before - this.#estimate(arrivedMs);
    this.#residue = Math.abs(residue) <= STEP_MS ? residue : 0;
    this.#residueAt = arrivedMs;
  }

  /**
   * The room's media time, or null without an estimate. It jumps only at a step of the media clock.
   *
   * @param {number} nowMs
   * @returns {number | null} samples, not rounded
   */
  mediaAt(nowMs) {
    return this.ready ? (nowMs + this.#shown(nowMs)) * PER_MS : null;
  }

  /** Weighted least squares of the offset over time, the slope held towards 0 (ridge). */
  #fit() {
    const least = Math.min(...this.#samples.map(({ rttMs }) => rttMs));
    const weights = this.#samples.map(({ rttMs }) => (1 / (rttMs - least + NOISE_MS)) ** 2);
    let total = 0;
    let at = 0;
    let offset = 0;
    this.#samples.forEach((sample, index) => {
      const weight = weights[index] ?? 0;
      total += weight;
      at += weight * sample.atMs;
      offset += weight * sample.offsetMs;
    });
    this.#meanAt = at / total;
    this.#meanOffset = offset / total;
    let above = 0;
    let below = DRIFT_PRIOR;
    this.#samples.forEach((sample, index) => {
      const weight = weights[index] ?? 0;
      const away = sample.atMs - this.#meanAt;
      above += weight * away * (sample.offsetMs - this.#meanOffset);
      below += weight * away * away;
    });
    this.#drift = Math.max(-MAX_DRIFT, Math.min(MAX_DRIFT, above / below));
  }

  /** @param {number} atMs */
  #estimate(atMs) {
    return this.#meanOffset + this.#drift * (atMs - this.#meanAt);
  }

  /** @param {number} atMs */
  #shown(atMs) {
    const left = Math.max(0, Math.min(1, 1 - (atMs - this.#residueAt) / SPREAD_MS));
    return this.#estimate(atMs) + this.#residue * left;
  }
}
