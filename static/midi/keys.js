// @ts-check
/**
 * The 88 keys of a piano: where each lies and what it is called. Pure. Lengths along the keyboard are in widths of a white
 * key from the left edge of A0; heights are 0 at the far end of the keys and 1 at the front.
 */

/** The lowest and the highest note: A0 and C8. */
export const FIRST = 21;
export const LAST = 108;
/** Number of white keys of the whole keyboard. */
export const WHITES = 52;
/** Width and length of a black key, as shares of a white one's. */
const BLACK_WIDTH = 0.6;
export const BLACK_LENGTH = 0.63;

/** @typedef {{left: number, width: number, black: boolean}} Place */

const NAMES = ["C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B"];
const WHITE_NOTES = [0, 2, 4, 5, 7, 9, 11];
/** For each of an octave's twelve notes: the number of its white keys before it. */
const WHITES_BEFORE = [0, 1, 1, 2, 2, 3, 4, 4, 5, 5, 6, 6];
/** Black keys stand off the middle of the gap, as on a piano: outwards in each group of two and three. */
const LEAN = /** @type {Record<number, number>} */ ({ 1: -0.09, 3: 0.09, 6: -0.12, 8: 0, 10: 0.12 });
const WHITES_TO_A0 = 5;

/** @param {number} note */
export const isBlack = (note) => [1, 3, 6, 8, 10].includes(note % 12);

/** @param {number} note whether the keyboard has it */
export const onKeyboard = (note) => Number.isInteger(note) && note >= FIRST && note <= LAST;

/** @param {number} note 0–127; 60 is C4 */
export const nameOf = (note) => `${NAMES[note % 12]}${Math.floor(note / 12) - 1}`;

/** @param {number} note @returns {Place} of 0–127, also of those that the keyboard has not */
export function placeOf(note) {
  const before = (Math.floor(note / 12) - 1) * 7 + (WHITES_BEFORE[note % 12] ?? 0) - WHITES_TO_A0;
  const lean = LEAN[note % 12];
  if (lean === undefined) return { left: before, width: 1, black: false };
  return { left: before + lean - BLACK_WIDTH / 2, width: BLACK_WIDTH, black: true };
}

/**
 * The key at a point, and how far along that key it is.
 *
 * @param {number} x
 * @param {number} y beyond 0–1 counts as the edge: a finger that slides off the front still plays
 * @returns {{note: number, along: number} | null} along: 0 far end, 1 front
 */
export function keyAt(x, y) {
  if (!(x >= 0 && x < WHITES)) return null;
  const height = Math.max(0, Math.min(1, y));
  const around = whiteAt(Math.floor(x));
  if (height < BLACK_LENGTH) {
    for (const note of [around - 1, around + 1]) {
      const { left, width, black } = placeOf(note);
      if (black && onKeyboard(note) && x >= left && x < left + width) return { note, along: height / BLACK_LENGTH };
    }
  }
  return { note: around, along: height };
}

/** @param {number} index of a white key, 0 is A0 @returns {number} its note */
function whiteAt(index) {
  const white = index + WHITES_TO_A0;
  return 12 * (Math.floor(white / 7) + 1) + (WHITE_NOTES[white % 7] ?? 0);
}

/** @typedef {{left: number, width: number}} View the part that is seen, in white keys */

/** Widths that the view can have, in white keys: about one octave, one and a half, two, three, four, all. */
const ZOOMS = Object.freeze([8, 10, 15, 22, 29, WHITES]);

/**
 * The widest view whose keys are broad enough.
 *
 * @param {number} pixels of the view
 * @param {number} least pixels of a white key
 */
export function zoomFor(pixels, least) {
  return ZOOMS.filter((zoom) => pixels / zoom >= least).at(-1) ?? 8;
}

/**
 * @param {number} zoom
 * @param {1 | -1} by 1 shows more keys
 */
export function nextZoom(zoom, by) {
  const at = ZOOMS.findIndex((one) => one >= zoom);
  return ZOOMS[Math.max(0, Math.min(ZOOMS.length - 1, at + by))] ?? WHITES;
}

/** Keeps a view on the keyboard. @param {View} view @returns {View} */
export function within({ left, width }) {
  return { left: Math.max(0, Math.min(WHITES - width, left)), width };
}
