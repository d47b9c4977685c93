// @ts-check
/** Loads the performer's desk when its drawer is opened for the first time. */

import { byId } from "../ui/dom.js";

export class DeskDoor {
  #room;
  #own;
  #drawer = byId("desk", HTMLDetailsElement);
  #loaded = false;

  /**
   * @param {string} room its name
   * @param {() => string} own the public name of this page's session; "" while there is none
   */
  constructor(room, own) {
    this.#room = room;
    this.#own = own;
    this.#drawer.addEventListener("toggle", () => this.#open());
  }

  async #open() {
    if (!this.#drawer.open || this.#loaded) return;
    this.#loaded = true;
    try {
      const { Desk } = await import("../desk/desk.js");
      new Desk(this.#drawer, byId("desk-body", HTMLElement), this.#room, this.#own);
    } catch {
      // The server may be away: opened again, it is tried again.
      this.#loaded = false;
    }
  }
}
