// @ts-check
/** Level arithmetic: samples to decibels, decibels to a scale, and how a meter moves. Pure. */

/** Below this a meter shows nothing, in dBFS. */
export const FLOOR_DB = -70;
/** A peak at or above this lights the overload, in dBFS. */
const OVERLOAD_DB = -0.1;
/** How fast the bar falls: 20 dB in 1.7 s, as a type I programme meter (IEC 60268-10). */
export const FALL_DB_PER_S = 20 / 1.7;
/** How long a peak mark stays before it falls, in milliseconds. */
export const HOLD_MS = 1500;
/** How long the overload stays lit, in milliseconds. */
export const OVERLOAD_MS = 2000;

/**
 * @typedef {object} Needle what a meter shows for one side
 * @property {number} db the bar
 * @property {number} holdDb the peak mark
 * @property {number} holdMs how long the mark still stays
 * @property {number} overMs how long the overload still stays lit
 */

/**
 * @returns {Needle}
 */
export function restingNeedle() {
  return { db: FLOOR_DB, holdDb: FLOOR_DB, holdMs: 0, overMs: 0 };
}

/**
 * @param {number} amplitude linear, 1 is full scale
 * @returns {number} dBFS, never below FLOOR_DB
 */
export function toDb(amplitude) {
  return amplitude > 0 ? Math.max(FLOOR_DB, 20 * Math.log10(amplitude)) : FLOOR_DB;
}

/**
 * @param {ArrayLike<number>} samples
 * @returns {number} the largest magnitude
 */
export function peakOf(samples) {
  let peak = 0;
  for (let i = 0; i < samples.length; i += 1) {
    const magnitude = Math.abs(/** @type {number} */ (samples[i]));
    if (magnitude > peak) peak = magnitude;
  }
  return peak;
}

/**
 * Moves a needle: the bar goes up at once and down at the programme meter's rate; the peak mark waits, then falls at twice that rate.
 *
 * @param {Needle} needle
 * @param {number} db the level now
 * @param {number} elapsedMs since the last move
 * @returns {Needle}
 */
export function moveNeedle(needle, db, elapsedMs) {
  const fall = (FALL_DB_PER_S * elapsedMs) / 1000;
  const bar = Math.max(db, needle.db - fall, FLOOR_DB);
  const overMs = db >= OVERLOAD_DB ? OVERLOAD_MS : Math.max(0, needle.overMs - elapsedMs);
  if (db >= needle.holdDb) return { db: bar, holdDb: Math.max(db, FLOOR_DB), holdMs: HOLD_MS, overMs };
  const holdMs = Math.max(0, needle.holdMs - elapsedMs);
  return { db: bar, holdDb: holdMs > 0 ? needle.holdDb : Math.max(bar, needle.holdDb - 2 * fall), holdMs, overMs };
}

/**
 * Where a level stands on the scale. The upper 20 dB, where music lives, get half of it (IEC 60268-18, figure 1).
 *
 * @param {number} db dBFS
 * @returns {number} 0 at the floor, 1 at full scale
 */
export function deflection(db) {
  let percent;
  if (db < -70) percent = 0;
  else if (db < -60) percent = (db + 70) * 0.25;
  else if (db < -50) percent = (db + 60) * 0.5 + 2.5;
  else if (db < -40) percent = (db + 50) * 0.75 + 7.5;
  else if (db < -30) percent = (db + 40) * 1.5 + 15;
  else if (db < -20) percent = (db + 30) * 2 + 30;
  else percent = (db + 20) * 2.5 + 50;
  return Math.min(100, percent) / 100;
}

/**
 * The volume control's law: quadratic, so that half way sounds about half as loud.
 *
 * @param {number} position 0 to 1
 * @returns {number} linear gain, 0 to 1
 */
export function gainOf(position) {
  const clamped = Math.min(1, Math.max(0, position));
  return clamped * clamped;
}
