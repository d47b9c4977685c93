// @ts-check
/**
 * What becomes of a connection whose packets stay away, or that is disconnected: how long the server is asked, when ICE is restarted,
 * and when the session is given up. Pure; all times are milliseconds.
 */

/** @typedef {import("./session.js").Session} Session */

/** A transport that is disconnected gets this long to recover by itself, as ICE often does; then the server is asked. */
export const DISCONNECTED_GRACE_MS = 3_000;
/** After this long without packets ICE is restarted, if the server has the session. */
export const QUIET_RESTART_MS = 500;
/** Between two restarts of ICE. */
export const RESTART_PACE_MS = 2_500;
/** Restarts of ICE without steady sound between them. */
export const MAX_RESTARTS = 5;
/** After this long without packets the server is asked whether it still has the session. */
export const QUIET_ASK_MS = 350;
/** After this long without packets, or disconnected, the page connects anew: a network may be away for ten seconds and be back. */
export const QUIET_RECONNECT_MS = 15_000;
/** The same where there was never a packet. */
export const FIRST_SOUND_MS = 5_000;

/**
 * @param {Session} session
 * @param {number} sinceMs
 * @param {number} graceMs
 * @returns {Session} that is disconnected; the server is asked after the grace, or earlier if packets are missing
 */
export function troubled(session, sinceMs, graceMs) {
  const askAtMs = session.asking ? null : (session.askAtMs ?? sinceMs + graceMs);
  return { ...session, disconnectedAtMs: session.disconnectedAtMs ?? sinceMs, askAtMs };
}

/**
 * Whether the path is to be looked for anew: packets are missing, or nothing that is sent arrives, for longer than a pause of the
 * network.
 *
 * @param {Session} session whose server has it
 * @param {number} nowMs
 */
export function mayRestart({ quietMs, disconnectedAtMs, restarts, restartedAtMs }, nowMs) {
  const parted = disconnectedAtMs !== null && nowMs - disconnectedAtMs >= DISCONNECTED_GRACE_MS;
  return restarts < MAX_RESTARTS && nowMs - restartedAtMs >= RESTART_PACE_MS && (quietMs >= QUIET_RESTART_MS || parted);
}

/**
 * How long it may be disconnected.
 *
 * @param {Session} session
 */
export function patienceMs({ heard }) {
  return heard ? QUIET_RECONNECT_MS : DISCONNECTED_GRACE_MS;
}

/**
 * @param {Session} session that stands
 * @returns {Session} with `wakeAtMs` for whatever comes first
 */
export function due(session) {
  const { disconnectedAtMs, askAtMs } = session;
  const times = [...(disconnectedAtMs === null ? [] : [disconnectedAtMs + patienceMs(session)]), ...(askAtMs === null ? [] : [askAtMs])];
  return { ...session, wakeAtMs: times.length > 0 ? Math.min(...times) : null };
}
