// @ts-check
/**
 * The delay by hop: a strip whose parts are as long as the hops take, and below it a list with each hop's name, milliseconds and
 * meaning. The list says all that the strip shows. It is written at most once a second, and only while it can be seen.
 *
 * For tests and tools these names are stable: #strip-total, and of each hop [data-hop="instrument"] (encoder, network, buffer,
 * speaker) with the milliseconds in its <b>.
 */

import { say } from "../words/strip.js";
import { setText } from "./dom.js";

/** @typedef {import("../listen/hops.js").Strip} Strip */
/** @typedef {import("../listen/hops.js").HopName} HopName */
/** @typedef {"listen" | "exact" | "light"} Way */

/**
 * @param {HopName} hop
 * @param {Way} way
 * @returns {string} what happens there, and what makes it less
 */
export function meaning(hop, way) {
  switch (hop) {
    case "encoder":
    case "buffer":
      return say(`${hop}.${way}`);
    case "network":
      return say(way === "listen" ? "network.listen" : "network.studio");
    default:
      return say(hop);
  }
}

/**
 * @param {Strip} strip
 * @param {Way} way
 * @returns {string} "Listen: 92 ms from the instrument to the ear, measured."
 */
export function totalLine({ totalMs, measured, guessedOutput }, way) {
  const line = say(measured ? "total.measured" : "total.estimated", { way: say(`way.${way}`), ms: totalMs });
  return guessedOutput ? `${line} ${say("total.output")}` : line;
}

export const ORDER = /** @type {const} */ (["instrument", "encoder", "network", "buffer", "speaker"]);

export class StripView {
  #total;
  /** @type {Map<HopName, {part: HTMLElement, ms: HTMLElement, means: HTMLElement}>} */
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
      const part = made("span", "strip-part");
      part.classList.add(`hop-${name}`);
      const item = made("li", `hop-${name}`);
      const [title, ms, means] = [made("span", "hop-name"), made("b", "hop-ms"), made("small", "hop-means")];
      item.dataset.hop = name;
      title.textContent = say(`name.${name}`);
      const figure = made("span", "hop-figure");
      figure.append(ms, " ms");
      item.append(title, figure, means);
      bar.append(part);
      list.append(item);
      this.#hops.set(name, { part, ms, means });
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
      setText(hop.means, meaning(name, way));
    }
  }

  /** Nothing plays. */
  clear() {
    setText(this.#total, say("nothing"));
    for (const { part, ms, means } of this.#hops.values()) {
      part.hidden = true;
      setText(ms, "–");
      setText(means, "");
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
