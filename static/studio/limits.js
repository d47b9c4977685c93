// @ts-check
/** Decides when a network cannot carry Studio, and what the page says then. Pure. */

import { say } from "../words/studio-parts.js";

/** Studio is left when a larger share of all blocks than this was lost during `OVER_MS`. */
export const MOST_LOST = 0.03;
/** Studio is left after this many underruns within `UNDERRUNS_MS`; those of the first `SETTLING_MS` do not count. */
export const MOST_UNDERRUNS = 5;
/** Studio is left when the target is above this, in ms, for `OVER_MS`: such a ring is no faster than Listen. */
export const MOST_TARGET_MS = 60;
export const OVER_MS = 5_000;
const UNDERRUNS_MS = 10_000;
const SETTLING_MS = 4_000;
/** Studio is left after this long without a single block, in ms. */
export const QUIET_MS = 4_000;

/**
 * @typedef {object} Reading
 * @property {number} atMs
 * @property {number} payloads received so far
 * @property {number} lost blocks that had not come when they were due, so far
 * @property {number} underruns so far
 * @property {number} targetMs
 */

/** @typedef {"loss" | "jitter" | "quiet"} Verdict */

/** @type {Record<Verdict, string>} */
const REASONS = {
  loss: say("limit.loss"),
  jitter: say("limit.uneven"),
  quiet: say("limit.silent"),
};

const BUSY = say("limit.busy");

/**
 * @param {Verdict} verdict
 * @param {boolean} busy whether this computer is
 * @returns {string} what is said; the network is not blamed for what the computer does
 */
export const reasonOf = (verdict, busy) => (verdict === "jitter" && busy ? BUSY : REASONS[verdict]);

export class Limits {
  /** @type {Reading[]} of the last seconds */
  #readings = [];
  #startedMs;
  #movedMs;
  /** @type {number | null} since when the target is too high */
  #deepMs = null;

  /** @param {number} nowMs when playing began */
  constructor(nowMs) {
    this.#startedMs = this.#movedMs = nowMs;
  }

  /** How long no block has come. @param {number} nowMs */
  quietMs(nowMs) {
    return nowMs - this.#movedMs;
  }

  /**
   * @param {Reading} reading about ten a second
   * @returns {Verdict | null} why Studio should be left
   */
  judge(reading) {
    const { atMs } = reading;
    const last = this.#readings.at(-1);
    if (!last || reading.payloads > last.payloads) this.#movedMs = atMs;
    this.#readings.push(reading);
    while (atMs - (this.#readings[0]?.atMs ?? atMs) > UNDERRUNS_MS) this.#readings.shift();
    if (atMs - this.#movedMs >= QUIET_MS) return "quiet";
    if (atMs - this.#startedMs < SETTLING_MS) return null;
    this.#deepMs = reading.targetMs > MOST_TARGET_MS ? (this.#deepMs ?? atMs) : null;
    if (this.#deepMs !== null && atMs - this.#deepMs >= OVER_MS) return "jitter";
    if (this.#since(UNDERRUNS_MS, reading, "underruns") >= MOST_UNDERRUNS) return "jitter";
    const lost = this.#since(OVER_MS, reading, "lost");
    const came = this.#since(OVER_MS, reading, "payloads");
    const long = atMs - (this.#from(OVER_MS, atMs)?.atMs ?? atMs) > OVER_MS / 2;
    return long && lost > MOST_LOST * (lost + came) ? "loss" : null;
  }

  /**
   * @param {number} spanMs
   * @param {number} atMs
   */
  #from(spanMs, atMs) {
    return this.#readings.find((one) => atMs - one.atMs <= spanMs && one.atMs - this.#startedMs >= SETTLING_MS);
  }

  /**
   * @param {number} spanMs
   * @param {Reading} now
   * @param {"lost" | "underruns" | "payloads"} what
   */
  #since(spanMs, now, what) {
    return now[what] - (this.#from(spanMs, now.atMs)?.[what] ?? now[what]);
  }
}
