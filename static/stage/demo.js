// @ts-check
/** Follows the room's demo piece: fetches its notes when it plays for the first time, and hands them out as they are heard. */

import { FROM_PAGE, roomApi } from "../connection/server.js";
import { authorization } from "../connection/token.js";
import { DemoPiece, readNotes, readPlayed } from "../midi/demo.js";

/** @typedef {import("../channel/down.js").Heard} Heard */

export class DemoFollower {
  #url;
  #closed = false;
  #asked = false;
  /** @type {DemoPiece | null} null until its notes are here */
  #piece = null;
  /** @type {import("../midi/demo.js").Played | null} */
  #played = null;

  /** @param {string} room its name */
  constructor(room) {
    this.#url = `${roomApi(room)}/demo`;
  }

  /** Whether the piece plays. */
  get plays() {
    return this.#played !== null;
  }

  /** @param {unknown} demo of a server's message; null: it does not play */
  state(demo) {
    this.#played = readPlayed(demo);
    this.#piece?.play(this.#played);
    if (this.#played && !this.#asked) this.#ask();
  }

  /** @param {number | null} heardMedia @returns {Heard[]} what is heard from now on */
  due(heardMedia) {
    return this.#piece?.due(heardMedia) ?? [];
  }

  /** Media time of the next event; Infinity if none is known. */
  get nextMedia() {
    return this.#piece?.nextMedia ?? Infinity;
  }

  close() {
    this.#closed = true;
    this.#played = null;
  }

  async #ask() {
    this.#asked = true;
    try {
      const response = await fetch(this.#url, { headers: { ...FROM_PAGE, ...authorization(this.#url) } });
      const notes = response.ok ? readNotes(await response.json()) : [];
      if (this.#closed) return;
      this.#piece = new DemoPiece(notes);
      this.#piece.play(this.#played);
    } catch {
      // The piece sounds without its lights; the next time that it begins its notes are asked for again.
      this.#asked = false;
    }
  }
}
