// @ts-check
/** Makes the report that the page sends once a second about how the sound and the notes arrive. Pure. */

/** @typedef {import("../listen/stats.js").Counters} Counters */
/** @typedef {import("../channel/telemetry.js").Report} Report */

/** Counters that are reported as growth since the report before: field of the protocol → name in `Counters`. */
const GROWTH = /** @type {const} */ ([
  ["packets", "packets"],
  ["lost", "lost"],
  ["discarded", "discarded"],
  ["nacks", "nacks"],
  ["bytes", "bytes"],
  ["played", "played"],
  ["concealed", "concealed"],
  ["silent_concealed", "silentConcealed"],
  ["concealments", "concealments"],
  ["inserted", "inserted"],
  ["removed", "removed"],
]);

/**
 * @param {Counters | null} before of the report before on this connection
 * @param {Counters} now
 * @returns {Report}
 */
export function soundReport(before, now) {
  /** @type {Report} */
  const report = {};
  if (before) report.interval_ms = now.atMs - before.atMs;
  for (const [field, name] of GROWTH) {
    const value = now[name];
    if (value !== null) report[field] = Math.max(0, value - (before?.[name] ?? 0));
  }
  report.buffer_ms = mean(now.bufferDelayS, before?.bufferDelayS, now.emitted, before?.emitted);
  report.target_ms = mean(now.bufferTargetS, before?.bufferTargetS, now.emitted, before?.emitted);
  report.playout_ms = mean(now.playoutDelayS, before?.playoutDelayS, now.playoutSamples, before?.playoutSamples);
  report.jitter_ms = milliseconds(now.jitterS);
  report.rtt_ms = milliseconds(now.rttS);
  if (now.path !== null) report.relayed = now.path === "relay" ? 1 : 0;
  return report;
}

/** Growth of counters of the `midi` channel since the report before; keeps the last values. */
export class MidiReport {
  #before = { events: 0, missed: 0, repaired: 0 };
  /** @type {number[]} */
  #skews = [];

  /** Takes in how much later a key was lit than its note was heard. @param {number} ms negative: earlier */
  skew(ms) {
    if (this.#skews.length < 1000) this.#skews.push(ms);
  }

  /**
   * @param {{events: number, missed: number, repaired: number}} counters of the receiver
   * @returns {Report}
   */
  take({ events, missed, repaired }) {
    const before = this.#before;
    this.#before = { events, missed, repaired };
    const skews = this.#skews;
    this.#skews = [];
    return {
      midi_events: Math.max(0, events - before.events),
      midi_missed: Math.max(0, missed - before.missed),
      midi_repaired: Math.max(0, repaired - before.repaired),
      midi_skew_ms: skews.length > 0 ? skews.reduce((sum, one) => sum + one, 0) / skews.length : null,
    };
  }
}

/**
 * @param {number | null} sumS
 * @param {number | null | undefined} sumBeforeS
 * @param {number | null} count
 * @param {number | null | undefined} countBefore
 */
function mean(sumS, sumBeforeS, count, countBefore) {
  if (sumS === null || count === null) return null;
  const grown = count - (countBefore ?? 0);
  return grown > 0 ? (1000 * (sumS - (sumBeforeS ?? 0))) / grown : null;
}

/** @param {number | null} seconds */
const milliseconds = (seconds) => (seconds === null ? null : seconds * 1000);
