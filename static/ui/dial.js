// @ts-check
/**
 * The ring of light around the knob: the left channel rises on the left from the bottom to the top, the right one on
 * the right, on the scale of a programme meter. While the page connects, a light travels around instead.
 */

import { FLOOR_DB, deflection, moveNeedle, restingNeedle } from "../listen/levels.js";
import { Drawing } from "./frames.js";
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
/** The written figures change this often, in milliseconds: nobody reads faster, and each change is laid out anew. */
const FIGURES_MS = 250;

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
  #drawing;
  #lastMs = 0;
  #toldMs = 0;
  /** What each light shows, left from the bottom, then right: its colour and how bright. @type {string[]} */
  #shown = [];
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
    this.#drawing = new Drawing(canvas, (nowMs) => this.#tick(nowMs));
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
    this.#drawing.close();
    this.#theme.close();
    this.#resized.disconnect();
  }

  #redraw() {
    this.#drawn = "";
    this.#shown = [];
    this.#run();
  }

  #run() {
    if (!this.#closed) this.#drawing.request();
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
    if (nowMs - this.#toldMs >= FIGURES_MS) {
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

    const { outer, fresh } = this.#begin();
    const { off, led, amber, red } = this.#theme.palette;
    for (const side of /** @type {const} */ ([0, 1])) {
      const [bar = 0, hold = -1, over = false] = /** @type {[number, number, boolean]} */ (lit[side]);
      for (let light = 0; light < LIGHTS; light += 1) {
        const on = light < bar || light === hold || (over && light === LIGHTS - 1);
        const glow = travel >= 0 ? trail(side, light, travel) : 0;
        const db = levelAt((light + 1) / LIGHTS);
        const colour = on ? (db > RED_DB ? red : db > AMBER_DB ? amber : led) : off;
        const shows = `${colour} ${glow}`;
        const place = side * LIGHTS + light;
        if (this.#shown[place] === shows) continue;
        this.#shown[place] = shows;
        if (!fresh) this.#erase(outer, side, light);
        this.#stroke(outer, side, light, colour, 1);
        if (!on && glow > 0) this.#stroke(outer, side, light, led, glow);
      }
    }
  }

  /** Clears the canvas and writes the scale where they are not as the lights need them. */
  #begin() {
    const before = this.#canvas.width;
    const { width, height, scale } = fit(this.#canvas);
    // A canvas of another size is empty.
    if (this.#canvas.width !== before) this.#shown = [];
    const context = this.#context;
    const outer = Math.min(width, height) / 2;
    const fresh = this.#shown.length === 0;
    context.setTransform(scale, 0, 0, scale, 0, 0);
    if (fresh) context.clearRect(0, 0, width, height);
    context.translate(width / 2, height / 2);
    if (fresh) this.#scale(outer);
    context.lineCap = "round";
    return { outer, fresh };
  }

  /**
   * Takes a light away to its last pixel; its neighbours are further than that.
   *
   * @param {number} outer radius of the canvas
   * @param {0 | 1} side
   * @param {number} light
   */
  #erase(outer, side, light) {
    this.#context.globalCompositeOperation = "destination-out";
    this.#stroke(outer, side, light, "#000", 1, 2);
    this.#context.globalCompositeOperation = "source-over";
  }

  /**
   * @param {number} outer radius of the canvas
   * @param {0 | 1} side
   * @param {number} light
   * @param {string} colour
   * @param {number} alpha
   * @param {number} [broader] in CSS pixels
   */
  #stroke(outer, side, light, colour, alpha, broader = 0) {
    const context = this.#context;
    const [x, y] = /** @type {[number, number]} */ (DIRECTIONS[side * LIGHTS + light]);
    context.lineWidth = outer * 0.0165 + broader;
    context.globalAlpha = alpha;
    context.strokeStyle = colour;
    context.beginPath();
    context.moveTo(x * outer * 0.735, y * outer * 0.735);
    context.lineTo(x * outer * 0.845, y * outer * 0.845);
    context.stroke();
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

/** Where each light is, left from the bottom, then right. */
const DIRECTIONS = Array.from({ length: 2 * LIGHTS }, (_, place) => direction(place < LIGHTS ? 0 : 1, (place % LIGHTS) / (LIGHTS - 1)));

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
