// @ts-check
/** How far this device's clock is from the server's. */

import { CLOCK, FROM_PAGE } from "../connection/server.js";

const ASKED = 5;
const ASK_MS = 4_000;

/** @typedef {{sentMs: number, serverMs: number, cameMs: number}} Asked by this clock, the server's, and this one again; ms since 1970 */

/**
 * The offset by the quickest of some questions: the answer was made somewhere between sending and receiving. Pure.
 *
 * @param {readonly Asked[]} asked
 * @returns {{offsetMs: number, errorMs: number, roundTripMs: number} | null} how far the server's clock is ahead
 */
export function offsetOf(asked) {
  const quickest = [...asked].sort((one, other) => one.cameMs - one.sentMs - (other.cameMs - other.sentMs))[0];
  if (!quickest) return null;
  const roundTripMs = Math.max(0, quickest.cameMs - quickest.sentMs);
  return { offsetMs: quickest.serverMs - (quickest.sentMs + quickest.cameMs) / 2, errorMs: roundTripMs / 2 + 1, roundTripMs };
}

/** @returns {Promise<ReturnType<typeof offsetOf>>} null if the server does not answer */
export async function askClock() {
  /** @type {Asked[]} */
  const asked = [];
  for (let n = 0; n < ASKED; n += 1) {
    const one = await ask();
    if (one === null) break;
    asked.push(one);
  }
  return offsetOf(asked);
}

/** @returns {Promise<Asked | null>} */
async function ask() {
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(), ASK_MS);
  try {
    const sentMs = Date.now();
    const beganMs = performance.now();
    const response = await fetch(CLOCK, { cache: "no-store", headers: FROM_PAGE, signal: limit.signal });
    // This device's clock may be set meanwhile; the other one runs on.
    const cameMs = sentMs + performance.now() - beganMs;
    const { time_ms: serverMs } = await response.json();
    return response.ok && Number.isFinite(serverMs) ? { sentMs, serverMs, cameMs } : null;
  } catch {
    return null;
  } finally {
    clearTimeout(timer);
  }
}
