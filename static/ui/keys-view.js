// @ts-check
/** The buttons that choose which part of the keyboard is seen. */

import { WHITES, nextZoom } from "../midi/keys.js";
import { byId } from "./dom.js";

/** Part of a white key that may be missing at an edge. */
const NEARLY = 0.1;

export class KeysView {
  #keyboard;
  #group = byId("keys-view", HTMLElement);
  #lower = byId("keys-left", HTMLButtonElement);
  #higher = byId("keys-right", HTMLButtonElement);
  #larger = byId("keys-fewer", HTMLButtonElement);
  #more = byId("keys-more", HTMLButtonElement);
  #owner = new AbortController();

  /** @param {import("./keyboard.js").Keyboard} keyboard */
  constructor(keyboard) {
    this.#keyboard = keyboard;
    this.#wire(this.#lower, () => keyboard.scrollBy(-1));
    this.#wire(this.#higher, () => keyboard.scrollBy(1));
    this.#wire(this.#larger, () => keyboard.zoomBy(-1));
    this.#wire(this.#more, () => keyboard.zoomBy(1));
  }

  /** Shows which of them lead anywhere, after another part is seen. */
  show() {
    const { view, zoom } = this.#keyboard;
    this.#group.hidden = false;
    enable(this.#lower, view.left > NEARLY);
    enable(this.#higher, view.left + view.width < WHITES - NEARLY);
    enable(this.#larger, nextZoom(zoom, -1) !== zoom);
    enable(this.#more, nextZoom(zoom, 1) !== zoom);
  }

  close() {
    this.#owner.abort();
  }

  /** @param {HTMLButtonElement} button @param {() => void} act */
  #wire(button, act) {
    button.addEventListener("click", () => button.getAttribute("aria-disabled") !== "true" && act(), { signal: this.#owner.signal });
  }
}

/**
 * A button that leads nowhere keeps the focus that it may have.
 *
 * @param {HTMLButtonElement} button
 * @param {boolean} leads
 */
function enable(button, leads) {
  const disabled = String(!leads);
  if (button.getAttribute("aria-disabled") !== disabled) button.setAttribute("aria-disabled", disabled);
}
