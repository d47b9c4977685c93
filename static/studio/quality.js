// @ts-check
/**
 * Which of Studio's two qualities a session plays: exact, the instrument's own samples, or light, compressed and with earlier
 * frames in each packet. Pure: readings go in once a second, and a stage and its reason come out.
 *
 *            lost, late or uneven for seconds (a fifth of a second lost: at once)
 *     exact ─────────────────────────────────────────────────────────────────────► light ──► Listen, when `Limits` says so
 *       ▲                                                                          ▲   │
 *       │  came whole and evenly beside it for `TRIAL_READINGS`    did not: the    │   │ calm for the wait
 *       └────────────────────────────────────────────────── trial ─────────────────┘ ◄─┘
 *                                                                 wait doubles
 *
 * In a trial light goes on playing, and the samples come beside it: one that fails is not heard. Each return to exact that does
 * not hold for `HELD_MS` doubles the wait, too, up to `MOST_WAIT_MS`, so that a network that is good and bad by turns ends in light.
 */

/** @typedef {"exact" | "light"} Quality */
/** @typedef {"automatic" | Quality} Pin */
/** @typedef {"exact" | "trial" | "light"} Stage trial: light is played, and the samples come beside it */

/**
 * @typedef {object} Reading how the stream that is played arrives; counts are since the session began
 * @property {number} atMs monotonic
 * @property {number} lostMs sound that had not come when it was due, while later sound had
 * @property {number} repairedMs sound that came in time only by a repeat
 * @property {number} underruns
 * @property {number} jitterMs by how much later than the quickest packets the late ones come: 95th percentile of some seconds
 * @property {number} targetMs of the ring
 * @property {number | null} rttMs round trip
 * @property {{share: number, jitterMs: number} | null} beside of the samples that come beside light since the last reading: the
 *   share that came, and how evenly; null while none are awaited
 */

/**
 * @typedef {{cause: "good" | "pinned" | "uneven" | "full" | "only"} | {cause: "jitter", ms: number} | {cause: "loss", percent: number}
 *   | {cause: "line", mbps: number}} Why
 *   good: the network carries exact. uneven: the ring ran empty again and again. full: all places for the other quality are taken.
 *   only: the server offers no other quality. line: the line is too narrow for exact, and carries about so much
 */

/** @typedef {{stage: Stage, why: Why}} Choice */

/** Exact is left when the late packets come later than this for most of `TELLING` readings. */
export const MOST_JITTER_MS = 8;
/** Light tries exact only below this. */
export const CALM_JITTER_MS = 4;
/** Exact is left when this share of `SPAN_MS` was not heard, or this one would not have been heard without repeats. */
export const MOST_LOST = 0.01;
export const MOST_REPAIRED = 0.005;
/** Exact is left at once when a reading lacks this share. */
export const HEAVY = 0.2;
/** Light tries exact only below this share of lost and repaired sound. */
export const CALM_LOST = 0.002;
/** Exact is left after this many underruns within `SPAN_MS`. */
export const MOST_UNDERRUNS = 4;
/** Exact is left when the ring has to be deeper than this for most of `TELLING` readings. */
export const MOST_TARGET_MS = 60;
export const SPAN_MS = 10_000;
/** Readings after a change that are those of the change. */
const SETTLING_MS = 3_000;
const TELLING = 5;
/** So many readings in a row a trial has to come whole and evenly. */
export const TRIAL_READINGS = 3;
/** A trial ends here whatever came. */
const TRIAL_MS = 8_000;
const TRIAL_SHARE = 0.995;
const TRIAL_JITTER_MS = 6;
/** What a trial may lack at most in a reading before it ends at once. */
const TRIAL_LEAST = 0.95;
export const FIRST_WAIT_MS = 10_000;
export const MOST_WAIT_MS = 640_000;
/** Exact that holds for so long makes the wait `FIRST_WAIT_MS` again. */
export const HELD_MS = 120_000;
/** When places are taken, they are asked for again after this. */
const FULL_WAIT_MS = 60_000;
/** A round trip that has grown by this, with losses, is a queue before a line that is too narrow. */
const QUEUE_MS = 60;
const NARROW = 0.9;
/** A narrow line stays narrow for longer than weather lasts. */
const NARROW_WAITS = 4;

/** Limits for the start, when only the first packets and Listen's figures are known. */
export const START_SPREAD_MS = 8;
const START_JITTER_MS = 3;
const START_LOST_PERCENT = 0.5;

/**
 * The quality to begin with.
 *
 * @param {object} known
 * @param {number} known.spreadMs between the quickest and the slowest of the packets that came so far
 * @param {number | null} known.jitterMs Listen's, as RFC 3550 (section 6.4.1) counts it; null while not known
 * @param {number | null} known.lostPercent of Listen's packets
 * @param {Pin} pin
 * @param {{exact: boolean, light: boolean}} offered
 * @returns {Choice}
 */
export function beginWith({ spreadMs, jitterMs, lostPercent }, pin, offered) {
  if (!offered.light) return { stage: "exact", why: { cause: "only" } };
  if (!offered.exact) return { stage: "light", why: { cause: "only" } };
  if (pin !== "automatic") return { stage: pin, why: { cause: "pinned" } };
  if ((lostPercent ?? 0) > START_LOST_PERCENT) return { stage: "light", why: { cause: "loss", percent: lostPercent ?? 0 } };
  // Of evenly spread delays RFC 3550's mean difference is a third of their range.
  const ms = Math.max(spreadMs, 3 * (jitterMs ?? 0));
  if (spreadMs > START_SPREAD_MS || (jitterMs ?? 0) > START_JITTER_MS) return { stage: "light", why: { cause: "jitter", ms } };
  return { stage: "exact", why: { cause: "good" } };
}

export class QualityLoop {
  #offered;
  #pin;
  /** @type {Stage} */
  #stage;
  /** @type {Why} */
  #why;
  #needMbps;
  /** @type {Reading[]} of the last `SPAN_MS` in this stage */
  #readings = [];
  #changedMs;
  /** When exact was last begun after a trial; null if it was never. @type {number | null} */
  #returnedMs = null;
  #calmSinceMs;
  #waitMs = FIRST_WAIT_MS;
  #passed = 0;
  /** @type {number} */
  #shortestRttMs = Infinity;
  /** Until when the server is not asked for light again, as it had no place for it; null while it may have one. @type {number | null} */
  #lightFullMs = null;
  /** The same of exact, where that is pinned. @type {number | null} */
  #exactFullMs = null;

  /**
   * @param {Choice} begun
   * @param {Pin} pin
   * @param {{exact: boolean, light: boolean}} offered by the server
   * @param {number} needMbps that exact takes
   * @param {number} nowMs monotonic
   */
  constructor(begun, pin, offered, needMbps, nowMs) {
    this.#stage = begun.stage;
    this.#why = begun.why;
    this.#pin = pin;
    this.#offered = offered;
    this.#needMbps = needMbps;
    this.#changedMs = this.#calmSinceMs = nowMs;
    if (begun.why.cause === "full") {
      this.#waitMs = FULL_WAIT_MS;
      this.#exactFullMs = nowMs + FULL_WAIT_MS;
    }
  }

  /** @returns {Choice} */
  get choice() {
    return { stage: this.#stage, why: this.#why };
  }

  /** How long light has to be calm before exact is tried. */
  get waitMs() {
    return this.#waitMs;
  }

  /** Whether the quality can still give way: only then does the network decide about Studio as a whole. */
  get lightIsLeft() {
    return this.#stage === "exact" && this.#pin === "automatic" && this.#offered.light && this.#lightFullMs === null;
  }

  /**
   * Holds one quality, or lets the network decide again.
   *
   * @param {Pin} pin
   * @param {number} nowMs
   * @returns {Choice}
   */
  pin(pin, nowMs) {
    if (pin === this.#pin) return this.choice;
    this.#pin = pin;
    if (pin !== "automatic" && this.#offered[pin]) this.#enter(pin, { cause: "pinned" }, nowMs);
    else if (this.#stage === "exact") this.#why = { cause: "good" };
    else {
      // Light was pinned and not imposed: exact may be tried as soon as the network has been calm for the shortest time.
      this.#waitMs = FIRST_WAIT_MS;
      this.#why = this.#worst() ?? { cause: "good" };
    }
    return this.choice;
  }

  /** This browser cannot decode light: the samples are all that there is. @param {number} nowMs */
  withoutLight(nowMs) {
    this.#offered = { ...this.#offered, light: false };
    this.#enter("exact", { cause: "only" }, nowMs);
  }

  /**
   * The server has no place for the exact samples.
   *
   * @param {number} nowMs
   * @returns {Choice}
   */
  refused(nowMs) {
    if (!this.#offered.light) return this.choice;
    this.#enter("light", { cause: "full" }, nowMs);
    this.#waitMs = Math.max(this.#waitMs, FULL_WAIT_MS);
    this.#exactFullMs = nowMs + FULL_WAIT_MS;
    return this.choice;
  }

  /**
   * The server has no place for light: the samples go on.
   *
   * @param {number} nowMs
   * @returns {Choice}
   */
  lightRefused(nowMs) {
    this.#enter("exact", { cause: "full" }, nowMs);
    this.#lightFullMs = nowMs + FULL_WAIT_MS;
    return this.choice;
  }

  /**
   * `Limits` has judged that exact cannot go on; light is tried before Studio is left.
   *
   * @param {number} nowMs
   * @returns {Choice}
   */
  giveWay(nowMs) {
    this.#leaveExact(this.#worst() ?? { cause: "uneven" }, nowMs);
    return this.choice;
  }

  /**
   * @param {Reading} reading about one a second
   * @returns {Choice}
   */
  judge(reading) {
    const { atMs, rttMs } = reading;
    if (this.#lightFullMs !== null && atMs >= this.#lightFullMs) {
      this.#lightFullMs = null;
      if (this.#stage === "exact" && this.#why.cause === "full") this.#why = { cause: "good" };
    }
    if (this.#exactFullMs !== null && atMs >= this.#exactFullMs) this.#exactFullMs = null;
    this.#readings.push(reading);
    while (atMs - (this.#readings[0]?.atMs ?? atMs) > SPAN_MS) this.#readings.shift();
    if (rttMs !== null && rttMs > 0) this.#shortestRttMs = Math.min(this.#shortestRttMs, rttMs);
    if (!this.#offered.light || !this.#offered.exact) return this.choice;
    if (this.#pin !== "automatic") {
      const full = this.#pin === "light" ? this.#lightFullMs : this.#exactFullMs;
      // A place may have become free for what was pinned and refused.
      if (full === null) this.#enter(this.#pin, { cause: "pinned" }, atMs);
    } else if (this.#stage === "exact") {
      if (this.#lightFullMs === null) this.#judgeExact(atMs);
    } else if (this.#stage === "light") this.#judgeLight(atMs);
    else this.#judgeTrial(reading);
    return this.choice;
  }

  /** @param {number} atMs */
  #judgeExact(atMs) {
    if (this.#returnedMs !== null && atMs - this.#returnedMs >= HELD_MS) {
      this.#waitMs = FIRST_WAIT_MS;
      this.#returnedMs = null;
    }
    const before = this.#readings.at(-2);
    const now = /** @type {Reading} */ (this.#readings.at(-1));
    if (before && share(before, now, "lostMs") >= HEAVY) {
      const percent = 100 * share(before, now, "lostMs");
      const grown = this.#grownMs(now) >= QUEUE_MS;
      this.#leaveExact(grown ? { cause: "line", mbps: this.#needMbps * (1 - percent / 100) } : { cause: "loss", percent }, atMs);
      return;
    }
    if (atMs - this.#changedMs < SETTLING_MS) {
      // The commotion of a change must not count against what it changed to.
      this.#readings = this.#readings.slice(-1);
      return;
    }
    const why = this.#worst();
    if (why) this.#leaveExact(why, atMs);
  }

  /** @param {number} atMs */
  #judgeLight(atMs) {
    const before = this.#readings.at(-2);
    const now = /** @type {Reading} */ (this.#readings.at(-1));
    const troubled = before && share(before, now, "lostMs") + share(before, now, "repairedMs") > CALM_LOST;
    if (now.jitterMs > CALM_JITTER_MS || troubled) this.#calmSinceMs = atMs;
    // The reason is said in the figures of now, as long as they are one.
    const usual = this.#usualJitterMs();
    if (this.#why.cause === "jitter" && usual > CALM_JITTER_MS) this.#why = { cause: "jitter", ms: usual };
    if (atMs - Math.max(this.#calmSinceMs, this.#changedMs) < this.#waitMs) return;
    this.#passed = 0;
    this.#stage = "trial";
    this.#changedMs = atMs;
  }

  /** @param {Reading} reading */
  #judgeTrial({ atMs, beside, jitterMs, rttMs }) {
    if (beside) {
      const grown = rttMs !== null && rttMs - this.#shortestRttMs >= QUEUE_MS;
      if (beside.share < NARROW && grown) {
        this.#fail({ cause: "line", mbps: this.#needMbps * beside.share }, NARROW_WAITS, atMs);
        return;
      }
      if (beside.share < TRIAL_LEAST) {
        this.#fail({ cause: "loss", percent: 100 * (1 - beside.share) }, 1, atMs);
        return;
      }
      const good = beside.share >= TRIAL_SHARE && beside.jitterMs <= TRIAL_JITTER_MS && jitterMs <= MOST_JITTER_MS;
      this.#passed = good ? this.#passed + 1 : 0;
      if (this.#passed >= TRIAL_READINGS) {
        this.#enter("exact", { cause: "good" }, atMs);
        this.#returnedMs = atMs;
        return;
      }
    }
    if (atMs - this.#changedMs < TRIAL_MS) return;
    const ms = Math.max(jitterMs, beside?.jitterMs ?? 0);
    const lacking = 1 - (beside?.share ?? 0);
    this.#fail(lacking > 1 - TRIAL_SHARE ? { cause: "loss", percent: 100 * lacking } : { cause: "jitter", ms }, 1, atMs);
  }

  /**
   * What speaks against exact in the readings of the last seconds.
   *
   * @returns {Why | null}
   */
  #worst() {
    const first = this.#readings[0];
    const now = this.#readings.at(-1);
    if (!first || !now || first === now) return null;
    const lost = share(first, now, "lostMs");
    const repaired = share(first, now, "repairedMs");
    // Of a short time one lost block would be a large share.
    const long = now.atMs - first.atMs >= SPAN_MS / 4;
    if (long && (lost >= MOST_LOST || lost + repaired >= MOST_REPAIRED)) return { cause: "loss", percent: 100 * (lost + repaired) };
    const last = this.#readings.slice(-TELLING);
    if (last.length < TELLING) return null;
    const usual = this.#usualJitterMs();
    if (usual > MOST_JITTER_MS) return { cause: "jitter", ms: usual };
    if (median(last.map(({ targetMs }) => targetMs)) > MOST_TARGET_MS) return { cause: "uneven" };
    if (now.underruns - first.underruns >= MOST_UNDERRUNS) return { cause: "uneven" };
    return null;
  }

  #usualJitterMs() {
    return median(this.#readings.slice(-TELLING).map(({ jitterMs }) => jitterMs));
  }

  /** @param {Reading} reading */
  #grownMs({ rttMs }) {
    return rttMs === null ? 0 : rttMs - this.#shortestRttMs;
  }

  /**
   * @param {Why} why
   * @param {number} atMs
   */
  #leaveExact(why, atMs) {
    // A return that did not hold was a mistake that must not be made again soon.
    if (this.#returnedMs !== null) this.#lengthen(why.cause === "line" ? NARROW_WAITS : 1);
    this.#enter("light", why, atMs);
  }

  /**
   * @param {Why} why
   * @param {number} times
   * @param {number} atMs
   */
  #fail(why, times, atMs) {
    this.#lengthen(times);
    this.#enter("light", why, atMs);
  }

  /** @param {number} times */
  #lengthen(times) {
    this.#waitMs = Math.min(MOST_WAIT_MS, 2 * times * this.#waitMs);
  }

  /**
   * @param {Quality} stage
   * @param {Why} why
   * @param {number} nowMs
   */
  #enter(stage, why, nowMs) {
    this.#why = why;
    if (stage === this.#stage) return;
    this.#stage = stage;
    this.#changedMs = this.#calmSinceMs = nowMs;
    this.#returnedMs = null;
    // What one quality lacked says nothing about the other.
    this.#readings = this.#readings.slice(-1);
  }
}

/**
 * @param {Reading} before
 * @param {Reading} now
 * @param {"lostMs" | "repairedMs"} what
 */
function share(before, now, what) {
  const elapsedMs = now.atMs - before.atMs;
  return elapsedMs > 0 ? Math.max(0, now[what] - before[what]) / elapsedMs : 0;
}

/** @param {number[]} values */
function median(values) {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
