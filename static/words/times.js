// @ts-check
/** Writes dates and durations as the page's language does. */

import { spoken } from "./say.js";

/** @type {[Intl.NumberFormatOptions["unit"], number][]} units of which at least two are written, with their seconds */
const UNITS = [
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
];

/**
 * @param {number} seconds
 * @returns {string} "45 sec", "12 min", "3 hr" in English, "45 Sek.", "12 Min." in German
 */
export function duration(seconds) {
  const [unit, size] = UNITS.find(([, size]) => seconds >= 2 * size) ?? ["second", 1];
  return new Intl.NumberFormat(spoken(), { style: "unit", unit, unitDisplay: "short" }).format(Math.floor(seconds / size));
}

/**
 * @param {number} ms wall clock, since 1970
 * @returns {string} "9:41 PM", "21:41"
 */
export const timeOfDay = (ms) => new Intl.DateTimeFormat(spoken(), { timeStyle: "short" }).format(ms);

/**
 * @param {number} ms wall clock, since 1970
 * @returns {string} "Dec 1, 2026, 9:41 PM", "01.12.2026, 21:41"
 */
export const dateAndTime = (ms) => new Intl.DateTimeFormat(spoken(), { dateStyle: "medium", timeStyle: "short" }).format(ms);
