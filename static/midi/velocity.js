// @ts-check
/** Velocities for inputs that cannot feel how hard a key is struck. Pure. */

/** Velocities at the far end and at the front of a key on the page: nearer the front is louder, as on a real lever. */
const SOFT = 24;
const LOUD = 120;

/** Steps for the computer's keys, pianissimo to fortissimo. */
export const STEPS = Object.freeze([32, 48, 64, 80, 96, 112, 127]);
export const DEFAULT_STEP = 4;

/**
 * @param {number} along the key: 0 far end, 1 front
 * @returns {number} 1–127
 */
export function velocityAt(along) {
  const place = Number.isFinite(along) ? Math.max(0, Math.min(1, along)) : 1;
  return Math.round(SOFT + (LOUD - SOFT) * place);
}

/** @param {number} step index of `STEPS` @param {number} by */
export const nextStep = (step, by) => Math.max(0, Math.min(STEPS.length - 1, step + by));
