// @ts-check
/**
 * The delay by hop: a strip whose parts are as long as the hops take, and below it a list with each hop's name, milliseconds and
 * meaning. The list says all that the strip shows. It is written at most once a second, and only while it can be seen.
 *
 * For tests and tools these names are stable: #strip-total, and of each hop [data-hop="instrument"] (encoder, network, buffer,
 * speaker) with the milliseconds in its <b>.
 */

import { setText } from "./dom.js";

/** @typedef {import("../listen/hops.js").Strip} Strip */
/** @typedef {import("../listen/hops.js").HopName} HopName */
/** @typedef {"listen" | "exact" | "light"} Way */

/** @type {Readonly<Record<Way, string>>} */
export const WAYS = Object.freeze({ listen: "Listen", exact: "Studio, exact samples", light: "Studio, compressed" });

/** @type {Readonly<Record<HopName, string>>} */
export const NAMES = Object.freeze({
  instrument: "Instrument",
  encoder: "Encoder",
  network: "Network",
  buffer: "Buffer",
  speaker: "Speaker",
});

/** What happens there, and what makes it less. @type {Readonly<Record<HopName, Readonly<Record<Way, string>>>>} */
export const MEANINGS = Object.freeze({
  instrument: each("Its sound comes in blocks, and a block has to fill."),
  encoder: {
    listen: "Opus packs the sound into frames, and looks a little ahead.",
    exact: "None: the samples are sent as they are.",
    light: "Opus packs the sound into short frames, and looks a little ahead.",
  },
  network: {
    listen: "One way from the server to here: half of the round trip. A cable is quicker than Wi-Fi.",
    exact: "From the server to here, and through the browser’s threads. A cable is quicker than Wi-Fi.",
    light: "From the server to here, and through the browser’s threads. A cable is quicker than Wi-Fi.",
  },
  buffer: {
    listen: "The sound waits, so that late packets still fit in. An even network needs less of it.",
    exact: "The ring: the sound waits, so that late blocks still fit in. “How much to bridge” sets it.",
    light: "The ring: the sound waits, so that late packets still fit in. “How much to bridge” sets it.",
  },
  speaker: each("From the browser to the ear. Bluetooth takes 100 to 300 ms of it, a cable a tenth."),
});

/** @param {string} text @returns {Readonly<Record<Way, string>>} */
function each(text) {
  return Object.freeze({ listen: text, exact: text, light: text });
}

/**
 * @param {Strip} strip
 * @param {Way} way
 * @returns {string} "Listen: 92 ms from the instrument to the ear, measured."
 */
export function totalLine({ totalMs, measured, guessedOutput }, way) {
  const how = measured ? "measured" : "estimated from its parts";
  const output = guessedOutput ? "; this browser does not say what its output adds, and 20 ms are assumed" : "";
  return `${WAYS[way]}: ${totalMs} ms from the instrument to the ear, ${how}${output}.`;
}

const ORDER = /** @type {HopName[]} */ (Object.keys(NAMES));

export class StripView {
  #total;
  /** @type {Map<HopName, {part: HTMLElement, ms: HTMLElement, meaning: HTMLElement}>} */
  #hops = new Map();

  /** @param {HTMLElement} box that it fills */
  constructor(box) {
    const bar = made("div", "strip-bar");
    bar.setAttribute("aria-hidden", "true");
    const list = made("ol", "strip-list");
    this.#total = made("p", "strip-total");
    this.#total.id = "strip-total";
    this.#total.dataset.testid = "strip-total";
    for (const name of ORDER) {
      const part = made("span", `strip-part hop-${name}`);
      const item = made("li", `hop-${name}`);
      const [title, ms, meaning] = [made("span", "hop-name"), made("b", "hop-ms"), made("small", "hop-means")];
      item.dataset.hop = name;
      title.textContent = NAMES[name];
      const figure = made("span", "hop-figure");
      figure.append(ms, " ms");
      item.append(title, figure, meaning);
      bar.append(part);
      list.append(item);
      this.#hops.set(name, { part, ms, meaning });
    }
    box.replaceChildren(this.#total, bar, list);
  }

  /**
   * @param {Strip} strip
   * @param {Way} way
   */
  show(strip, way) {
    setText(this.#total, totalLine(strip, way));
    for (const { name, ms } of strip.hops) {
      const hop = this.#hops.get(name);
      if (!hop) continue;
      const grow = String(ms);
      if (hop.part.style.flexGrow !== grow) hop.part.style.flexGrow = grow;
      hop.part.hidden = ms === 0;
      setText(hop.ms, grow);
      setText(hop.meaning, MEANINGS[name][way]);
    }
  }

  /** Nothing plays. */
  clear() {
    setText(this.#total, "While you listen, this shows how long the sound takes at each step of its way.");
    for (const { part, ms, meaning } of this.#hops.values()) {
      part.hidden = true;
      setText(ms, "–");
      setText(meaning, "");
    }
  }
}

/**
 * @param {string} tag
 * @param {string} name
 */
function made(tag, name) {
  const element = document.createElement(tag);
  element.className = name;
  return element;
}
