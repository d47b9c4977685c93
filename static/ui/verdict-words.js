// @ts-check
/** Says how the sound arrives, and what helps. Pure. */

/** @typedef {import("../listen/verdict.js").VerdictKind} VerdictKind */
/** @typedef {{tone: "good" | "warn", headline: string, detail: string, canCheck: boolean}} VerdictWords */

const CLOSER = "A cable, or a place nearer to the Wi-Fi’s router, helps.";

/** @type {Readonly<Record<VerdictKind, VerdictWords>>} */
const WORDS = Object.freeze({
  good: { tone: "good", headline: "Good", detail: "", canCheck: false },
  late: {
    tone: "warn",
    headline: "Far behind",
    detail: `Your network delivers so unevenly that the sound has to wait here, so that none of it is missing. ${CLOSER}`,
    canCheck: true,
  },
  drops: {
    tone: "warn",
    headline: "Your network drops sounds",
    detail: `Some of what is sent gets lost on the way, and pieces of the sound are missing. ${CLOSER}`,
    canCheck: true,
  },
  uneven: {
    tone: "warn",
    headline: "Your network delivers too unevenly",
    detail: `Some of the sound comes too late to be heard. ${CLOSER}`,
    canCheck: true,
  },
  gaps: {
    tone: "warn",
    headline: "The sound has gaps",
    detail: "Your network loses nothing and delivers evenly. This device may be too busy: close other programs and pages.",
    canCheck: true,
  },
  busy: {
    tone: "warn",
    headline: "This computer is too busy",
    detail: "Some of the sound is missing, and it is not the network. Close other programs and pages.",
    canCheck: true,
  },
});

/** @param {VerdictKind} kind @returns {VerdictWords} */
export const verdictWords = (kind) => WORDS[kind];

/**
 * @param {number} ms
 * @returns {string} "56 ms behind", "1.1 s behind"
 */
export const behindWords = (ms) => (ms < 999.5 ? `${Math.round(ms)}\u00a0ms behind` : `${(ms / 1000).toFixed(1)}\u00a0s behind`);
