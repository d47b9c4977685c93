// @ts-check
/**
 * The ring of light around the knob: the left channel rises on the left from the bottom to the top, the right one on
 * the right, on the scale of a programme meter. While the page connects, a light travels around instead.
 */

import { FLOOR_DB, deflection, moveNeedle, restingNeedle } from "../listen/levels.js";
import { Theme, fit, wantsStillness } from "./theme.js";

/** @typedef {import("../listen/levels.js").Needle} Needle */
/** @typedef {"off" | "travel" | "meter"} DialMode */

/** Lights on each side. */
const LIGHTS = 56;
/** The arc of one side, from the bottom (0°) to the top (180°); the gaps keep the sides apart. */
const FROM_DEG = 16;
const TO_DEG = 176;
const AMBER_DB = -10;
const RED_DB = -3;
/** Full scale is written once, in the gap at the top. */
const SCALE_DB = [-50, -40, -30, -20, -10, -5];
/** With reduced motion the dial is redrawn this often, in milliseconds. */
const STILL_MS = 250;

export class Dial {
  #canvas;
  #context;
  #read;
  #onLevels;
  #theme = new Theme(() => this.#redraw());
  #resized = new ResizeObserver(() => this.#redraw());
  /** @type {DialMode} */
  #mode = "off";
  /** @type {[Needle, Needle]} */
  #needles = [restingNeedle(), restingNeedle()];
  /** @type {number | null} */
  #frame = null;
  #lastMs = 0;
  #toldMs = 0;
  #drawn = "";
  #closed = false;

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {(side: 0 | 1) => number} read the level of a side now, in dBFS
   * @param {(left: Needle, right: Needle) => void} onLevels a few times a second, for the written figures
   */
  constructor(canvas, read, onLevels) {
    this.#canvas = canvas;
    this.#context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    this.#read = read;
    this.#onLevels = onLevels;
    this.#resized.observe(canvas);
  }

  /**
   * @param {DialMode} mode
   */
  show(mode) {
    if (this.#closed || mode === this.#mode) return;
    this.#mode = mode;
    this.#run();
  }

  close() {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#frame !== null) cancelAnimationFrame(this.#frame);
    this.#theme.close();
    this.#resized.disconnect();
  }

  #redraw() {
    this.#drawn = "";
    this.#run();
  }

  #run() {
    if (this.#closed || this.#frame !== null) return;
    this.#frame = requestAnimationFrame((nowMs) => {
      this.#frame = null;
      this.#tick(nowMs);
    });
  }

  /**
   * @param {number} nowMs
   */
  #tick(nowMs) {
    const elapsedMs = Math.min(1000, nowMs - this.#lastMs);
    if (wantsStillness() && elapsedMs < STILL_MS && this.#drawn !== "") return this.#run();
    this.#lastMs = nowMs;
    const metering = this.#mode === "meter";
    this.#needles = [
      moveNeedle(this.#needles[0], metering ? this.#read(0) : FLOOR_DB, elapsedMs),
      moveNeedle(this.#needles[1], metering ? this.#read(1) : FLOOR_DB, elapsedMs),
    ];
    if (nowMs - this.#toldMs >= 125) {
      this.#toldMs = nowMs;
      this.#onLevels(...this.#needles);
    }
    this.#paint(nowMs);
    const resting = this.#needles.every(({ db, holdDb }) => db <= FLOOR_DB && holdDb <= FLOOR_DB);
    if (this.#mode !== "off" || !resting) this.#run();
    else this.#onLevels(...this.#needles);
  }

  /**
   * @param {number} nowMs
   */
  #paint(nowMs) {
    const lit = this.#needles.map(({ db, holdDb, overMs }) => [
      Math.round(deflection(db) * LIGHTS),
      Math.round(deflection(holdDb) * LIGHTS) - 1,
      overMs > 0,
    ]);
    const travel = this.#mode === "travel" && !wantsStillness() ? Math.floor(nowMs / 22) % (2 * LIGHTS) : -1;
    const key = `${lit} ${travel} ${this.#mode}`;
    if (key === this.#drawn) return;
    this.#drawn = key;

    const { width, height, scale } = fit(this.#canvas);
    const context = this.#context;
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    context.translate(width / 2, height / 2);
    const outer = Math.min(width, height) / 2;
    this.#scale(outer);
    context.lineCap = "round";
    for (const side of /** @type {const} */ ([0, 1])) {
      const [bar = 0, hold = -1, over = false] = /** @type {[number, number, boolean]} */ (lit[side]);
      for (let light = 0; light < LIGHTS; light += 1) {
        const on = light < bar || light === hold || (over && light === LIGHTS - 1);
        const glow = travel >= 0 ? trail(side, light, travel) : 0;
        this.#light(outer, side, light, on, glow);
      }
    }
  }

  /**
   * @param {number} outer radius of the canvas
   * @param {0 | 1} side
   * @param {number} light
   * @param {boolean} on
   * @param {number} glow 0 to 1, of the travelling light
   */
  #light(outer, side, light, on, glow) {
    const { off, led, amber, red } = this.#theme.palette;
    const context = this.#context;
    const [x, y] = direction(side, light / (LIGHTS - 1));
    const db = levelAt((light + 1) / LIGHTS);
    context.lineWidth = outer * 0.0165;
    const stroke = (/** @type {string} */ colour, /** @type {number} */ alpha) => {
      context.globalAlpha = alpha;
      context.strokeStyle = colour;
      context.beginPath();
      context.moveTo(x * outer * 0.735, y * outer * 0.735);
      context.lineTo(x * outer * 0.845, y * outer * 0.845);
      context.stroke();
    };
    if (!on) stroke(off, 1);
    if (on) stroke(db > RED_DB ? red : db > AMBER_DB ? amber : led, 1);
    else if (glow > 0) stroke(led, glow);
    context.globalAlpha = 1;
  }

  /**
   * @param {number} outer
   */
  #scale(outer) {
    const context = this.#context;
    const size = Math.max(9, outer * 0.052);
    context.fillStyle = this.#theme.palette.faint;
    context.font = `500 ${size}px Archivo, system-ui, sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    for (const side of /** @type {const} */ ([0, 1])) {
      for (const db of SCALE_DB) {
        const [x, y] = direction(side, deflection(db));
        context.fillText(`\u2212${-db}`, x * outer * 0.935, y * outer * 0.935);
      }
    }
    context.fillText("0", 0, -outer * 0.935);
  }
}

/**
 * @param {0 | 1} side
 * @param {number} position 0 at the bottom, 1 at the top
 * @returns {[number, number]} a unit vector, y down
 */
function direction(side, position) {
  const angle = ((FROM_DEG + (TO_DEG - FROM_DEG) * position) * Math.PI) / 180;
  const x = Math.sin(angle);
  return [side === 0 ? -x : x, Math.cos(angle)];
}

/** The level at which each light goes on: the inverse of deflection(), found once by bisection. */
const LEVELS = Array.from({ length: LIGHTS + 1 }, (_, step) => {
  let [low, high] = [FLOOR_DB, 0];
  for (let i = 0; i < 30; i += 1) {
    const middle = (low + high) / 2;
    if (deflection(middle) < step / LIGHTS) low = middle;
    else high = middle;
  }
  return high;
});

/**
 * @param {number} position 0 to 1
 * @returns {number} dBFS
 */
function levelAt(position) {
  return LEVELS[Math.round(position * LIGHTS)] ?? 0;
}

/**
 * @param {0 | 1} side
 * @param {number} light
 * @param {number} head where the travelling light is, clockwise from the bottom
 * @returns {number} its glow here, 0 to 1
 */
function trail(side, light, head) {
  const place = side === 0 ? light : 2 * LIGHTS - 1 - light;
  const behind = (head - place + 2 * LIGHTS) % (2 * LIGHTS);
  return behind < 26 ? (1 - behind / 26) ** 2 : 0;
}
