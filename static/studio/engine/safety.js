// @ts-check
/**
 * How much a player wants to be bridged: five places between tight and safe, each of them so many gaps a minute that are put up
 * with. The ring is as deep as the gaps of the last minutes say that it has to be for that. Pure.
 */

/**
 * @typedef {object} Place
 * @property {string} name for people
 * @property {number} gaps a minute that are put up with, on average; 0: none that is remembered
 * @property {number} reserveMs on top of what was seen
 */

/** @type {readonly Readonly<Place>[]} */
export const PLACES = Object.freeze([
  { name: "Tight", gaps: 6, reserveMs: 0 },
  { name: "Rather tight", gaps: 2, reserveMs: 0 },
  // Gaps come by chance: half of one a minute on average is at most one in nine minutes of ten.
  { name: "Balanced", gaps: 0.5, reserveMs: 0 },
  { name: "Rather safe", gaps: 0.1, reserveMs: 0.5 },
  { name: "Safe", gaps: 0, reserveMs: 3 },
]);

/** The least delay with at most one gap in a minute. */
export const BALANCED = 2;

/** @param {unknown} place @returns {number} an index of `PLACES`; `BALANCED` for anything that is none */
export function placeOf(place) {
  return typeof place === "number" && PLACES[place] !== undefined ? place : BALANCED;
}
