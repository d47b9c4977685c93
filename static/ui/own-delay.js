// @ts-check
/** The control of the listener's own delay, and what it comes to. */

import { LONGEST_MS } from "../listen/own-delay.js";
import { say } from "../words/own.js";
import { setText } from "./dom.js";

/** Steps of the control, in ms. */
const STEP_MS = 50;

/**
 * @param {number} chosenMs
 * @param {number | null} bufferMs what the sound waits now; null while none plays
 * @returns {string}
 */
export function delayWords(chosenMs, bufferMs) {
  if (bufferMs === null) return say("delay.rests");
  const ms = Math.round(bufferMs);
  return chosenMs - bufferMs > STEP_MS ? say("delay.grows", { ms }) : say("delay.now", { ms });
}

export class OwnDelayControl {
  #slider = document.createElement("input");
  #value = document.createElement("output");
  #now = document.createElement("p");
  /** @type {number | null} */
  #bufferMs = null;

  /**
   * @param {HTMLElement} box
   * @param {number} chosenMs
   * @param {(ms: number) => void} onChange
   */
  constructor(box, chosenMs, onChange) {
    const row = document.createElement("p");
    row.className = "own-row";
    const label = document.createElement("label");
    label.textContent = say("delay");
    label.htmlFor = this.#slider.id = "own-delay";
    Object.assign(this.#slider, { type: "range", min: "0", max: String(LONGEST_MS), step: String(STEP_MS), value: String(chosenMs) });
    this.#slider.setAttribute("aria-describedby", "own-delay-hint");
    this.#value.htmlFor.add("own-delay");
    this.#value.setAttribute("aria-hidden", "true");
    row.append(label, this.#slider, this.#value);
    const hint = document.createElement("p");
    hint.id = "own-delay-hint";
    hint.className = "faint";
    hint.textContent = say("delay.hint");
    this.#now.dataset.testid = "own-delay-now";
    box.append(row, hint, this.#now);
    this.#slider.addEventListener("input", () => {
      onChange(this.#slider.valueAsNumber);
      this.show(this.#bufferMs);
    });
    this.show(null);
  }

  /** @param {number | null} bufferMs what the sound waits now; null while none plays */
  show(bufferMs) {
    this.#bufferMs = bufferMs;
    const ms = this.#slider.valueAsNumber;
    const chosen = ms > 0 ? say("delay.ms", { ms }) : say("delay.none");
    setText(this.#value, chosen);
    this.#slider.setAttribute("aria-valuetext", chosen);
    this.#slider.style.setProperty("--fill", `${(100 * ms) / LONGEST_MS}%`);
    setText(this.#now, delayWords(ms, bufferMs));
  }
}
