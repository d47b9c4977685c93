// @ts-check
/** Gives canvases the colours of the style sheet, and says what the reader's system prefers. */

/**
 * @typedef {object} Palette
 * @property {string} ink @property {string} faint @property {string} line @property {string} off
 * @property {string} led @property {string} amber @property {string} red
 */

const NAMES = /** @type {const} */ (["ink", "faint", "line", "off", "led", "amber", "red"]);

/**
 * @returns {Palette}
 */
function readPalette() {
  const style = getComputedStyle(document.documentElement);
  const entries = NAMES.map((name) => [name, style.getPropertyValue(`--${name}`).trim() || "#888"]);
  return Object.fromEntries(entries);
}

/** Follows light and dark; `palette` is always the current one. */
export class Theme {
  #owner = new AbortController();
  palette = readPalette();

  /**
   * @param {() => void} onChange
   */
  constructor(onChange) {
    matchMedia("(prefers-color-scheme: dark)").addEventListener(
      "change",
      () => {
        this.palette = readPalette();
        onChange();
      },
      { signal: this.#owner.signal },
    );
  }

  close() {
    this.#owner.abort();
  }
}

/**
 * @returns {boolean} asked anew each time: it can change while the page is open
 */
export function wantsStillness() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}

/**
 * Fits a canvas to its box and the screen's pixels.
 *
 * @param {HTMLCanvasElement} canvas
 * @returns {{width: number, height: number, scale: number}} the box in CSS pixels
 */
export function fit(canvas) {
  const scale = Math.min(3, devicePixelRatio || 1);
  const { clientWidth: width, clientHeight: height } = canvas;
  const [w, h] = [Math.round(width * scale), Math.round(height * scale)];
  if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
  return { width, height, scale };
}
