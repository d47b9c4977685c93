// @ts-check
/**
 * How much Studio's ring bridges, from tight to safe: one control below the ring's plot, and what each of its places costs by
 * what this session has seen. It builds its own elements.
 *
 * For tests and tools these names are stable: #studio-safety (a range input, 0 to 4), #studio-safety-cost, and #studio-safety-places
 * with a cell of each place. Each has a data-testid of the same name.
 */

import { PLACES } from "../studio/safety.js";
import { byId, setText } from "./dom.js";
import { say } from "../words/studio-live.js";

/** @typedef {import("../studio/audio.js").RingStats} RingStats */

/** @param {number} place an index of `PLACES` @returns {string} */
const nameOf = (place) => (PLACES[place] ? say(/** @type {"place.0"} */ (`place.${place}`)) : "");

const CELLS = PLACES.map((_, place) => `<li aria-label="${nameOf(place)}"><b>–</b> <span></span></li>`).join("");
const CONTROL = `
  <label for="studio-safety">${say("bridge")}</label>
  <p id="studio-safety-cost" data-testid="studio-safety-cost"></p>
  <input type="range" id="studio-safety" data-testid="studio-safety" min="0" max="${PLACES.length - 1}" step="1"
    aria-describedby="studio-safety-cost">
  <ol id="studio-safety-places" data-testid="studio-safety-places" aria-label="${say("bridge.costs")}">
    ${CELLS}
  </ol>
  <p class="safety-ends" aria-hidden="true"><span>${say("bridge.tight")}</span><span>${say("bridge.safe")}</span></p>`;

/** The written figures change this often: nobody reads more. */
const WRITTEN_MS = 500;

/**
 * @param {number} gaps a minute
 * @param {string} [none] what is said of none
 * @returns {string} "about 3 clicks a minute", "a click in about 4 minutes"
 */
export function clicks(gaps, none = say("clicks.none")) {
  if (gaps >= 0.75) return say("clicks", { n: gaps < 1.25 ? 1 : Math.round(gaps) });
  const minutes = gaps > 0 ? Math.round(1 / gaps) : Infinity;
  return minutes <= 10 ? say("clicks.rare", { n: minutes }) : none;
}

/**
 * @param {number} gaps a minute
 * @returns {string} the same in a word or two
 */
export function briefly(gaps) {
  if (gaps >= 0.75) return say("brief", { n: Math.round(gaps) });
  const minutes = gaps > 0 ? Math.round(1 / gaps) : Infinity;
  return minutes <= 10 ? say("brief.rare", { n: minutes }) : say("brief.none");
}

/**
 * @param {number} place an index of `PLACES`
 * @param {{ms: number, gaps: number} | undefined} cost undefined while nothing is known
 * @returns {string} "Balanced: 12 ms, about 3 clicks a minute"
 */
export function costLine(place, cost) {
  const name = nameOf(place);
  return cost && cost.ms > 0 ? say("cost", { place: name, ms: Math.round(cost.ms), clicks: clicks(cost.gaps) }) : name;
}

export class SafetyControl {
  #input;
  #cost;
  /** @type {{ms: HTMLElement, gaps: HTMLElement, cell: HTMLElement}[]} */
  #cells;
  #shownMs = -Infinity;

  /**
   * @param {number} place an index of `PLACES`
   * @param {(place: number) => void} choose
   */
  constructor(place, choose) {
    const box = document.createElement("div");
    box.className = "safety";
    box.innerHTML = CONTROL;
    byId("studio-place", HTMLElement).replaceWith(box);
    this.#input = byId("studio-safety", HTMLInputElement);
    this.#cost = byId("studio-safety-cost", HTMLElement);
    this.#cells = [...byId("studio-safety-places", HTMLElement).children].map((cell) => ({
      cell: /** @type {HTMLElement} */ (cell),
      ms: /** @type {HTMLElement} */ (cell.querySelector("b")),
      gaps: /** @type {HTMLElement} */ (cell.querySelector("span")),
    }));
    this.#input.value = String(place);
    this.#write(undefined);
    this.#input.addEventListener("input", () => {
      this.#shownMs = -Infinity;
      choose(this.#input.valueAsNumber);
      this.#write(undefined);
    });
  }

  /** @param {RingStats | null} ring null while Studio does not play */
  show(ring) {
    const nowMs = performance.now();
    if (ring === null || nowMs - this.#shownMs < WRITTEN_MS) return;
    this.#shownMs = nowMs;
    this.#write(ring.places);
  }

  /** @param {RingStats["places"] | undefined} places */
  #write(places) {
    const chosen = this.#input.valueAsNumber;
    const line = costLine(chosen, places?.[chosen]);
    setText(this.#cost, line);
    if (this.#input.getAttribute("aria-valuetext") !== line) this.#input.setAttribute("aria-valuetext", line);
    for (const [place, { cell, ms, gaps }] of this.#cells.entries()) {
      cell.classList.toggle("chosen", place === chosen);
      const cost = places?.[place];
      if (!cost || cost.ms === 0) continue;
      setText(ms, `${Math.round(cost.ms)} ms`);
      setText(gaps, briefly(cost.gaps));
    }
  }
}
