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

/** @type {MediaQueryList | undefined} */
let stillness;

/**
 * @returns {boolean} it can change while the page is open
 */
export function wantsStillness() {
  stillness ??= matchMedia("(prefers-reduced-motion: reduce)");
  return stillness.matches;
}

/** Boxes of canvases as they were last measured. @type {WeakMap<Element, {width: number, height: number}>} */
const boxes = new WeakMap();
const resized = new ResizeObserver((entries) => {
  for (const { target } of entries) boxes.delete(target);
});

/** Measures only after the box has changed: to measure makes the browser lay the page out. @param {HTMLCanvasElement} canvas */
function boxOf(canvas) {
  let box = boxes.get(canvas);
  if (!box) {
    box = { width: canvas.clientWidth, height: canvas.clientHeight };
    boxes.set(canvas, box);
    resized.observe(canvas);
  }
  return box;
}

/**
 * Fits a canvas to its box and the screen's pixels.
 *
 * @param {HTMLCanvasElement} canvas
 * @returns {{width: number, height: number, scale: number}} the box in CSS pixels
 */
export function fit(canvas) {
  const scale = Math.min(3, devicePixelRatio || 1);
  const { width, height } = boxOf(canvas);
  const [w, h] = [Math.round(width * scale), Math.round(height * scale)];
  if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
  return { width, height, scale };
}
