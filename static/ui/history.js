// @ts-check
/** Plots a minute of the jitter buffer: its delay, its target, and a mark wherever a gap was heard. */

import { Drawing } from "./frames.js";
import { Theme, fit } from "./theme.js";

/** @typedef {import("../listen/stats.js").Snapshot} Snapshot */

const SPAN_MS = 60_000;
/** Readings that are kept: one a second, and a few more. */
const MOST = 90;
/** Readings further apart are of two connections, and no line joins them. */
const BREAK_MS = 3_500;

export class History {
  #canvas;
  #context;
  /** @type {Pick<Snapshot, "atMs" | "bufferMs" | "targetMs" | "gapMs">[]} */
  #readings = [];
  #drawing;
  #theme = new Theme(() => this.#drawing.request());
  #resized = new ResizeObserver(() => this.#drawing.request());

  /**
   * @param {HTMLCanvasElement} canvas
   */
  constructor(canvas) {
    this.#canvas = canvas;
    this.#context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    this.#drawing = new Drawing(canvas, () => this.#paint());
    this.#resized.observe(canvas);
  }

  /**
   * @param {Snapshot} snapshot
   */
  add({ atMs, bufferMs, targetMs, gapMs }) {
    const last = this.#readings.at(-1);
    // The first readings of a connection come faster than one a second; of those in between only the gap is kept.
    if (last && atMs - last.atMs < 900) {
      last.gapMs = (last.gapMs ?? 0) + (gapMs ?? 0);
      return;
    }
    if (last && atMs - last.atMs > BREAK_MS) {
      this.#readings.push({ atMs: last.atMs + 1, bufferMs: null, targetMs: null, gapMs: null });
    }
    this.#readings.push({ atMs, bufferMs, targetMs, gapMs });
    while (this.#readings.length > MOST) this.#readings.shift();
    this.#drawing.request();
  }

  close() {
    this.#theme.close();
    this.#resized.disconnect();
    this.#drawing.close();
  }

  #paint() {
    const { width, height, scale } = fit(this.#canvas);
    const context = this.#context;
    const { line, faint, led, ink, red } = this.#theme.palette;
    const endMs = this.#readings.at(-1)?.atMs ?? 0;
    const shown = this.#readings.filter(({ atMs }) => endMs - atMs <= SPAN_MS);
    const top = ceiling(Math.max(...shown.map(({ bufferMs, targetMs }) => Math.max(bufferMs ?? 0, targetMs ?? 0)), 0));
    const left = 34;
    const x = (/** @type {number} */ atMs) => width - 6 - ((endMs - atMs) / SPAN_MS) * (width - 6 - left);
    const y = (/** @type {number} */ ms) => height - 8 - (ms / top) * (height - 18);

    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    context.lineWidth = 1;
    context.font = "500 11px Archivo, system-ui, sans-serif";
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const ms of [0, top / 2, top]) {
      context.strokeStyle = line;
      context.beginPath();
      context.moveTo(left, Math.round(y(ms)) + 0.5);
      context.lineTo(width, Math.round(y(ms)) + 0.5);
      context.stroke();
      context.fillStyle = faint;
      context.fillText(String(ms), left - 8, y(ms));
    }
    context.fillStyle = red;
    for (const { atMs, gapMs } of shown) {
      if (gapMs !== null && gapMs >= 1) context.fillRect(x(atMs) - 1.5, y(top), 3, y(0) - y(top));
    }
    context.lineJoin = "round";
    context.setLineDash([3, 4]);
    this.#trace(shown.map(({ atMs, targetMs }) => [x(atMs), targetMs === null ? null : y(targetMs)]), ink, 1.25);
    context.setLineDash([]);
    this.#trace(shown.map(({ atMs, bufferMs }) => [x(atMs), bufferMs === null ? null : y(bufferMs)]), led, 2.25);
  }

  /**
   * @param {[number, number | null][]} points a null breaks the line
   * @param {string} colour
   * @param {number} width
   */
  #trace(points, colour, width) {
    const context = this.#context;
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.beginPath();
    let drawing = false;
    for (const [x, y] of points) {
      if (y !== null) context[drawing ? "lineTo" : "moveTo"](x, y);
      drawing = y !== null;
    }
    context.stroke();
  }
}

/**
 * @param {number} ms
 * @returns {number} a round number above it, so that the plot does not rescale all the time
 */
function ceiling(ms) {
  return [50, 100, 200, 400, 1000, 2000, 5000].find((round) => ms * 1.15 <= round) ?? 10_000;
}
