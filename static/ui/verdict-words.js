// @ts-check
/** Says how the sound arrives, and what helps. Pure. */

import { say } from "../words/room.js";
import { number } from "../words/say.js";

/** @typedef {import("../listen/verdict.js").VerdictKind} VerdictKind */
/** @typedef {{tone: "good" | "warn", headline: string, detail: string, canCheck: boolean}} VerdictWords */

/** @param {VerdictKind} kind @returns {VerdictWords} */
export const verdictWords = (kind) =>
  kind === "good"
    ? { tone: "good", headline: say("good"), detail: "", canCheck: false }
    : { tone: "warn", headline: say(kind), detail: say(`${kind}.why`), canCheck: true };

/**
 * @param {number} ms
 * @returns {string} "56 ms behind", "1.1 s behind"
 */
export const behindWords = (ms) => (ms < 999.5 ? say("behind.ms", { ms: Math.round(ms) }) : say("behind.s", { s: number(ms / 1000, 1, 1) }));
