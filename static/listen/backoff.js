// @ts-check
/** How long to wait before the next attempt to connect. Pure: the caller brings the random number. */

/** Wait before the first retry, before jitter, in milliseconds. */
export const FIRST_MS = 600;
/** No wait is longer than this, in milliseconds, unless the server asks for a longer one. */
export const CAP_MS = 15_000;
/** A server's Retry-After is honoured up to this, in milliseconds. */
export const RETRY_AFTER_CAP_MS = 120_000;

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
  const ceiling = Math.min(CAP_MS, FIRST_MS * 2 ** doublings);
  const wait = ceiling / 2 + (ceiling / 2) * random;
  const asked = Math.min(Math.max(retryAfterMs, 0), RETRY_AFTER_CAP_MS);
  // Jitter is added to what the server asked for, or everybody would return in the same millisecond.
  return Math.round(asked > 0 ? Math.max(wait, asked + FIRST_MS * random) : wait);
}
