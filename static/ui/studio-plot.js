// @ts-check
/** Plots half a minute of the ring: its level, its target, and a mark wherever something was missing. */

import { Drawing } from "./frames.js";
import { Theme, fit } from "./theme.js";

/** @typedef {import("../studio/studio.js").StudioStats} StudioStats */

const SPAN_MS = 30_000;
const LEFT = 34;

export class StudioPlot {
  #canvas;
  #context;
  /** @type {{atMs: number, levelMs: number, targetMs: number, lowMs: number, highMs: number, broken: boolean}[]} */
  #readings = [];
  #missing = 0;
  #drawing;
  #theme = new Theme(() => this.#drawing.request());

  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.#canvas = canvas;
    this.#context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    this.#drawing = new Drawing(canvas, () => this.#paint());
  }

  /** @param {StudioStats} stats ten a second */
  add({ atMs, ring }) {
    const last = this.#readings.at(-1);
    if (last && atMs - last.atMs < 200) return;
    const missing = ring.underruns + ring.lost;
    const { levelMs, targetMs, levelP5Ms: lowMs, levelP95Ms: highMs } = ring;
    this.#readings.push({ atMs, levelMs, targetMs, lowMs, highMs, broken: missing > this.#missing });
    this.#missing = missing;
    while (atMs - (this.#readings[0]?.atMs ?? atMs) > SPAN_MS) this.#readings.shift();
    this.#drawing.request();
  }

  clear() {
    this.#readings = [];
    this.#missing = 0;
  }

  close() {
    this.#theme.close();
    this.#drawing.close();
  }

  #paint() {
    const { width, height, scale } = fit(this.#canvas);
    if (width === 0) return;
    const context = this.#context;
    const { line, faint, led, ink, red } = this.#theme.palette;
    const endMs = this.#readings.at(-1)?.atMs ?? 0;
    const top = ceiling(Math.max(0, ...this.#readings.map(({ targetMs, highMs }) => Math.max(targetMs, highMs))));
    const x = (/** @type {number} */ atMs) => width - 6 - ((endMs - atMs) / SPAN_MS) * (width - 6 - LEFT);
    const y = (/** @type {number} */ ms) => height - 8 - (Math.min(ms, top) / top) * (height - 18);
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    context.lineWidth = 1;
    context.font = "500 11px Archivo, system-ui, sans-serif";
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const ms of [0, top / 2, top]) {
      context.strokeStyle = line;
      context.beginPath();
      context.moveTo(LEFT, Math.round(y(ms)) + 0.5);
      context.lineTo(width, Math.round(y(ms)) + 0.5);
      context.stroke();
      context.fillStyle = faint;
      context.fillText(String(ms), LEFT - 8, y(ms));
    }
    // The band between the 5th and the 95th percentile, where the level is for nine tenths of the time.
    context.fillStyle = led;
    context.globalAlpha = 0.16;
    context.beginPath();
    for (const { atMs, highMs } of this.#readings) context.lineTo(x(atMs), y(highMs));
    for (const { atMs, lowMs } of [...this.#readings].reverse()) context.lineTo(x(atMs), y(lowMs));
    context.fill();
    context.globalAlpha = 1;
    context.fillStyle = red;
    for (const { atMs, broken } of this.#readings) {
      if (broken) context.fillRect(x(atMs) - 1.5, y(top), 3, y(0) - y(top));
    }
    context.lineJoin = "round";
    context.setLineDash([3, 4]);
    this.#trace(this.#readings.map(({ atMs, targetMs }) => [x(atMs), y(targetMs)]), ink, 1.25);
    context.setLineDash([]);
    this.#trace(this.#readings.map(({ atMs, levelMs }) => [x(atMs), y(levelMs)]), led, 2.25);
  }

  /**
   * @param {[number, number][]} points
   * @param {string} colour
   * @param {number} width
   */
  #trace(points, colour, width) {
    const context = this.#context;
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.beginPath();
    for (const [x, y] of points) context.lineTo(x, y);
    context.stroke();
  }
}

/** @param {number} ms @returns {number} a round number above it, so that the plot does not rescale all the time */
function ceiling(ms) {
  return [20, 40, 80, 160, 400].find((round) => ms * 1.15 <= round) ?? 1_000;
}
