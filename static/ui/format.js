// @ts-check
/** Writes numbers as people read them. A value that the browser does not give becomes a dash. */

import { say } from "../words/figures.js";
import { number } from "../words/say.js";

export const UNKNOWN = "–";
const MINUS = "\u2212";

/**
 * @param {number | null | undefined} value
 * @returns {string} "43", "4.3" under ten, "0.12" under one: three digits are as many as anybody reads
 */
export function milliseconds(value) {
  if (value === null || value === undefined) return UNKNOWN;
  if (value === 0) return "0";
  if (value < 0.995) return number(value, 2, 2);
  return value < 9.95 ? number(value, 1, 1) : number(Math.round(value));
}

/**
 * @param {number | null | undefined} bitsPerSecond
 * @returns {string} kilobits per second
 */
export function kilobits(bitsPerSecond) {
  return bitsPerSecond === null || bitsPerSecond === undefined ? UNKNOWN : number(Math.round(bitsPerSecond / 1000));
}

/**
 * @param {number | null | undefined} value
 * @returns {string} "1,234,567"
 */
export function count(value) {
  return value === null || value === undefined ? UNKNOWN : number(Math.round(value));
}

/**
 * @param {number} value 0 to 100
 * @returns {string} "0 %", "0.04 %", "12 %"
 */
export function percent(value) {
  if (value > 0 && value < 0.005) return say("percent.least", { value: 0.01 });
  return say("percent", { value: number(value, value < 1 ? 2 : value < 9.95 ? 1 : 0) });
}

/**
 * @param {number} db
 * @param {number} floorDb at and below it is silence
 * @returns {string} "−12.4", "−∞"
 */
export function decibels(db, floorDb) {
  if (db <= floorDb) return `${MINUS}\u221e`;
  const text = number(Math.abs(db), 1, 1);
  return db <= -0.05 ? MINUS + text : text;
}

/**
 * @param {number} hertz
 * @returns {string} "44.1 kHz", "48 kHz"
 */
export function kilohertz(hertz) {
  return say("khz", { value: hertz / 1000 });
}

/**
 * @param {import("../listen/path.js").MediaPath | null} path
 * @returns {string} " by UDP", " by TCP", " by a relay", to be put behind a word; "" while it is not known
 */
export function byPath(path) {
  return path === null ? "" : say(`by.${path}`);
}
