// @ts-check
/** Draws the last seconds of what was heard: light that rises from the keys, in the colour of whoever played it. */

import { FIRST, LAST, isBlack, placeOf } from "../midi/keys.js";
import { VOICES, voiceOf } from "../midi/voices.js";
import { Drawing } from "./frames.js";
import { Theme, fit, wantsStillness } from "./theme.js";

/** @typedef {import("../midi/bars.js").Bar} Bar */
/** @typedef {import("../midi/keys.js").View} View */

/** Media time between the keys and the top edge, in samples: 6 s. */
export const SPAN = 6 * 48_000;
/** Height of the row of lights at the keys, in CSS pixels. */
const LIGHTS_PX = 12;
/** Height of a note that has just begun. */
const LEAST_PX = 2.5;
/** With reduced motion the picture moves on in steps of this many samples. */
const STEP = 24_000;

export class Roll {
  #canvas;
  #context;
  #theme = new Theme(() => this.#read());
  /** @type {string[]} */
  #voices = [];
  #drawn = "";
  /** What the row of lights shows. */
  #shown = "";
  #drawing;
  /** @type {() => void} */
  #paint = () => {};

  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.#canvas = canvas;
    this.#context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    this.#drawing = new Drawing(canvas, () => this.#paint());
    this.#read();
  }

  /** Makes the next picture be drawn, even if nothing has changed. */
  invalidate() {
    this.#drawn = "";
  }

  /**
   * Draws this with the page's next frame.
   *
   * @param {readonly Bar[]} bars
   * @param {number} now media time that is heard
   * @param {View} view
   * @param {ReadonlyMap<number, number>} lit note → performer
   */
  show(bars, now, view, lit) {
    this.#paint = () => this.#draw(bars, now, view, lit);
    this.#drawing.request();
  }

  /**
   * @param {readonly Bar[]} bars
   * @param {number} now media time that is heard
   * @param {View} view
   * @param {ReadonlyMap<number, number>} lit note → performer
   */
  #draw(bars, now, view, lit) {
    const { width, height, scale } = fit(this.#canvas);
    const still = wantsStillness();
    const moment = still ? Math.floor(now / STEP) * STEP : now;
    // A picture without bars changes only with its lights.
    const lights = `${width} ${height} ${scale} ${view.left} ${view.width} ${[...lit]}`;
    const state = `${lights} ${bars.length ? moment : ""}`;
    if (width === 0 || state === this.#drawn) return;
    this.#drawn = state;
    const context = this.#context;
    context.setTransform(scale, 0, 0, scale, 0, 0);
    const floor = height - LIGHTS_PX;
    const x = (/** @type {number} */ at) => ((at - view.left) / view.width) * width;
    const y = (/** @type {number} */ at) => floor - Math.max(0, Math.min(1, (moment - at) / SPAN)) * floor;
    context.clearRect(0, 0, width, floor);
    this.#lines(x, floor, view);
    for (const bar of bars) {
      const place = placeOf(bar.note);
      // The row of lights below is not drawn anew each time.
      const top = Math.min(y(bar.start), floor - LEAST_PX);
      const bottom = bar.end === null ? floor : y(bar.end);
      if (bar.start > moment + STEP || bottom <= 0) continue;
      const left = x(place.left + (place.black ? 0.06 : 0.16));
      const right = x(place.left + place.width - (place.black ? 0.06 : 0.16));
      context.globalAlpha = 0.35 + 0.65 * (bar.velocity / 127);
      context.fillStyle = this.#voices[voiceOf(bar.performer)] ?? "#888";
      context.beginPath();
      context.roundRect(left, top, Math.max(1.5, right - left), Math.max(LEAST_PX, bottom - top), LEAST_PX);
      context.fill();
    }
    context.globalAlpha = 1;
    this.#fade(width, floor);
    if (lights === this.#shown) return;
    this.#shown = lights;
    context.clearRect(0, floor, width, LIGHTS_PX);
    this.#lights(x, floor, view, width, lit);
  }

  close() {
    this.#drawing.close();
    this.#theme.close();
  }

  #read() {
    const style = getComputedStyle(this.#canvas);
    this.#voices = Array.from({ length: VOICES }, (_, voice) => style.getPropertyValue(`--voice-${voice}`).trim() || "#888");
    this.invalidate();
  }

  /**
   * @param {(at: number) => number} x
   * @param {number} floor
   * @param {View} view
   */
  #lines(x, floor, view) {
    const context = this.#context;
    context.fillStyle = this.#theme.palette.line;
    for (let note = 24; note <= LAST; note += 12) {
      const { left } = placeOf(note);
      if (left >= view.left && left <= view.left + view.width) context.fillRect(Math.round(x(left)), 0, 1, floor);
    }
  }

  /** Makes older light fainter. @param {number} width @param {number} floor */
  #fade(width, floor) {
    const context = this.#context;
    const gradient = context.createLinearGradient(0, 0, 0, floor * 0.7);
    gradient.addColorStop(0, "rgb(0 0 0 / 1)");
    gradient.addColorStop(1, "rgb(0 0 0 / 0)");
    context.globalCompositeOperation = "destination-out";
    context.fillStyle = gradient;
    context.fillRect(0, 0, width, floor);
    context.globalCompositeOperation = "source-over";
  }

  /**
   * Draws one light for each key, like those of the dial.
   *
   * @param {(at: number) => number} x
   * @param {number} floor
   * @param {View} view
   * @param {number} width
   * @param {ReadonlyMap<number, number>} lit
   */
  #lights(x, floor, view, width, lit) {
    const context = this.#context;
    const { off } = this.#theme.palette;
    const broad = Math.max(1.5, Math.min(5, (width / view.width) * 0.22));
    for (let note = FIRST; note <= LAST; note += 1) {
      const { left, width: keyWidth } = placeOf(note);
      const middle = x(left + keyWidth / 2);
      if (middle < -broad || middle > width + broad) continue;
      const performer = lit.get(note);
      context.fillStyle = performer === undefined ? off : (this.#voices[voiceOf(performer)] ?? off);
      const tall = performer === undefined ? (isBlack(note) ? 3 : 5) : 8;
      context.fillRect(middle - broad / 2, floor + LIGHTS_PX - 2 - tall, broad, tall);
    }
  }
}
