// @ts-check
/** How long to wait before the next attempt to connect. Pure: the caller brings the random number. */

/** Wait before the first retry, before jitter, in milliseconds. */
export const FIRST_MS = 600;
/** No wait is longer than this, in milliseconds, unless the server asks for a longer one. */
export const CAP_MS = 15_000;
/** Wait before the first retry where the sound may be back at any moment, before jitter, in milliseconds. */
export const SOON_MS = 100;
/** The wait before a server that has the session, and sends nothing, is asked for it again, before jitter, in milliseconds. */
export const ASK_MS = 250;
/** Those whom a server asks to wait come within so many milliseconds, not all at the same moment. */
export const SPREAD_MS = 250;
/** Each such wait is so much longer than the one before: about a twentieth of the time that the server has been away. */
export const SOON_GROWTH = 1.05;
/** A server's Retry-After is honoured up to this, in milliseconds. */
export const RETRY_AFTER_CAP_MS = 120_000;

/**
 * The wait for a server that is gone and is expected back: as `rtcserver/client/patience.py` has it.
 *
 * @param {number} attempt consecutive failures so far, from 1
 * @param {number} random in [0, 1)
 * @param {number} [retryAfterMs] what the server asked for; the wait is never shorter
 * @returns {number} milliseconds, a whole number
 */
export function soonMs(attempt, random, retryAfterMs = 0) {
  const steps = Math.min(Math.max(attempt, 1) - 1, 200);
  return spread(Math.min(CAP_MS, SOON_MS * SOON_GROWTH ** steps), random, SPREAD_MS, retryAfterMs);
}

/**
 * The wait before the next question for a session that is quiet.
 *
 * @param {"there" | "gone" | "silent"} found what the server said of the session
 * @param {number} random in [0, 1)
 * @returns {number} milliseconds, a whole number
 */
export function askAgainMs(found, random) {
  return spread(found === "there" ? ASK_MS : SOON_MS, random, 0, 0);
}

/**
 * Exponential backoff with "equal jitter": between half and all of a doubling, capped wait, so that a roomful of
 * listeners that lost the server at the same instant does not come back at the same instant.
 *
 * @param {number} attempt consecutive failures so far, from 1
 * @param {number} random in [0, 1)
 * @param {number} [retryAfterMs] what the server asked for; the wait is never shorter
 * @returns {number} milliseconds, a whole number
 */
export function backoffMs(attempt, random, retryAfterMs = 0) {
  const doublings = Math.min(Math.max(attempt, 1) - 1, 30);
  return spread(Math.min(CAP_MS, FIRST_MS * 2 ** doublings), random, FIRST_MS, retryAfterMs);
}

/**
 * @param {number} ceiling the longest wait
 * @param {number} random in [0, 1)
 * @param {number} spreadMs
 * @param {number} retryAfterMs
 */
function spread(ceiling, random, spreadMs, retryAfterMs) {
  const wait = ceiling / 2 + (ceiling / 2) * random;
  const asked = Math.min(Math.max(retryAfterMs, 0), RETRY_AFTER_CAP_MS);
  // Jitter is added to what the server asked for, or everybody would return in the same millisecond.
  return Math.round(asked > 0 ? Math.max(wait, asked + spreadMs * random) : wait);
}
