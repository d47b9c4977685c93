// @ts-check
/** Writes numbers as people read them. A value that the browser does not give becomes a dash. Pure. */

export const UNKNOWN = "–";
const MINUS = "\u2212";

/**
 * @param {number | null | undefined} value
 * @returns {string} "43", "4.3" under ten, "0.12" under one: three digits are as many as anybody reads
 */
export function milliseconds(value) {
  if (value === null || value === undefined) return UNKNOWN;
  if (value === 0) return "0";
  if (value < 0.995) return value.toFixed(2);
  return value < 9.95 ? value.toFixed(1) : grouped(Math.round(value));
}

/**
 * @param {number | null | undefined} bitsPerSecond
 * @returns {string} kilobits per second
 */
export function kilobits(bitsPerSecond) {
  return bitsPerSecond === null || bitsPerSecond === undefined ? UNKNOWN : grouped(Math.round(bitsPerSecond / 1000));
}

/**
 * @param {number | null | undefined} value
 * @returns {string} "1,234,567"
 */
export function count(value) {
  return value === null || value === undefined ? UNKNOWN : grouped(Math.round(value));
}

/**
 * @param {number} value 0 to 100
 * @returns {string} "0 %", "0.04 %", "12 %"
 */
export function percent(value) {
  if (value === 0) return "0 %";
  if (value < 0.005) return "< 0.01 %";
  if (value < 9.95) return `${Number(value.toFixed(value < 1 ? 2 : 1))} %`;
  return `${Math.round(value)} %`;
}

/**
 * @param {number} db
 * @param {number} floorDb at and below it is silence
 * @returns {string} "−12.4", "−∞"
 */
export function decibels(db, floorDb) {
  if (db <= floorDb) return `${MINUS}\u221e`;
  const text = Math.abs(db).toFixed(1);
  return db < 0 && text !== "0.0" ? MINUS + text : text;
}

/**
 * @param {number} hertz
 * @returns {string} "44.1 kHz", "48 kHz"
 */
export function kilohertz(hertz) {
  return `${Number((hertz / 1000).toFixed(3))} kHz`;
}

/**
 * @param {number} number
 * @param {string} one
 * @param {string} many
 * @returns {string} "1 listener", "3 listeners"
 */
export function plural(number, one, many) {
  return `${grouped(number)} ${number === 1 ? one : many}`;
}

/**
 * @param {number} whole
 * @returns {string}
 */
function grouped(whole) {
  return String(whole).replace(/\B(?=(\d{3})+$)/g, ",");
}

/**
 * @param {import("../listen/path.js").MediaPath | null} path
 * @returns {string} " by UDP", " by TCP", " by a relay", to be put behind a word; "" while it is not known
 */
export function byPath(path) {
  if (path === null) return "";
  return path === "relay" ? " by a relay" : ` by ${path.toUpperCase()}`;
}
