// @ts-check
/**
 * How the sound arrives, in one word: what the page says at its top, and the colour of its lamp. The last ten seconds decide, so that
 * one gap is no alarm and a bad network is not forgotten at the first good second. Pure.
 */

/**
 * @typedef {"good" | "late" | "drops" | "uneven" | "gaps" | "busy"} VerdictKind
 *   good: no gaps to speak of. late: no gaps, but far behind. drops: sound is missing, and packets are lost. uneven: sound is missing,
 *   and packets come too unevenly. gaps: sound is missing though the network loses nothing and delivers evenly. busy: sound is missing
 *   since this computer is busy
 */

/**
 * @typedef {object} Verdict
 * @property {VerdictKind} kind
 * @property {boolean} bad whether more than `BAD_SHARE` of the sound is missing
 * @property {number | null} behindMs how far behind the instrument one hears; null while it is not known
 */

/**
 * @typedef {object} Arrived what came in one interval
 * @property {number} elapsedMs its length
 * @property {number} missingMs sound in it that could have been heard and was not
 * @property {number} lostShare of what was sent, 0 to 1
 * @property {number} jitterMs
 * @property {number | null} behindMs
 * @property {number} [chosenMs] how much of it the listener wants
 * @property {boolean} busy whether this computer is too busy
 */

/** The intervals that are looked at, in ms, and how much of them a verdict needs. */
export const SPAN_MS = 10_000;
export const LEAST_MS = 2_500;
/** A larger share of missing sound than this is heard as gaps. */
export const GAPS_SHARE = 0.005;
/** With more than this it is no pleasure to listen. */
export const BAD_SHARE = 0.05;
/** Above this share of lost packets the network is what drops the sound. */
const LOST_SHARE = 0.002;
/** Above this the network is uneven, in ms: packets of Opus come every 5 to 20 ms. */
const UNEVEN_MS = 12;
/** From here on one is far behind, in ms. */
export const LATE_MS = 400;
export class Arrival {
  /** @type {Arrived[]} of the last `SPAN_MS` */
  #arrived = [];
  /** @type {number | null} */
  #behindMs = null;
  #chosenMs = 0;

  /** Forgets what was: another connection begins. */
  reset() {
    this.#arrived = [];
    this.#behindMs = null;
  }

  /**
   * @param {Arrived} arrived
   * @returns {Verdict | null} null while too little is known
   */
  take(arrived) {
    this.#arrived.push(arrived);
    const spans = this.#arrived;
    let sumMs = spans.reduce((sum, { elapsedMs }) => sum + elapsedMs, 0);
    while (spans.length > 1 && sumMs - (spans[0]?.elapsedMs ?? 0) >= SPAN_MS) sumMs -= spans.shift()?.elapsedMs ?? 0;
    this.#behindMs = arrived.behindMs ?? this.#behindMs;
    this.#chosenMs = arrived.chosenMs ?? 0;
    if (sumMs < LEAST_MS) return null;
    // The first click of a session is no larger a share of it than one that comes later.
    const missing = spans.reduce((sum, { missingMs }) => sum + missingMs, 0) / Math.max(sumMs, SPAN_MS);
    return { kind: this.#kind(missing), bad: missing > BAD_SHARE, behindMs: this.#behindMs };
  }

  /**
   * @param {number} missing share of the sound
   * @returns {VerdictKind}
   */
  #kind(missing) {
    if (missing <= GAPS_SHARE) return (this.#behindMs ?? 0) - this.#chosenMs >= LATE_MS ? "late" : "good";
    if (weighed(this.#arrived, ({ lostShare }) => lostShare) > LOST_SHARE) return "drops";
    if (this.#arrived.some(({ busy }) => busy)) return "busy";
    return this.#arrived.some(({ jitterMs }) => jitterMs > UNEVEN_MS) ? "uneven" : "gaps";
  }
}

/**
 * @param {Arrived[]} spans
 * @param {(arrived: Arrived) => number} value
 * @returns {number} its mean over the time
 */
function weighed(spans, value) {
  let sum = 0;
  let allMs = 0;
  for (const arrived of spans) {
    if (arrived.elapsedMs <= 0) continue;
    sum += value(arrived) * arrived.elapsedMs;
    allMs += arrived.elapsedMs;
  }
  return allMs > 0 ? sum / allMs : 0;
}
