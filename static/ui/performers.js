// @ts-check
/** Lists who plays, in which colour, and which notes are heard of each at this moment. */

import { DEMO, FILE_PLAYER, LOCAL } from "../channel/performers.js";
import { nameOf } from "../midi/keys.js";
import { nameOfPerformer, voiceOf } from "../midi/voices.js";
import { say } from "../words/stage.js";
import { setText } from "./dom.js";

/** @typedef {import("../channel/telemetry.js").Performer} Performer */
/** @typedef {{item: HTMLElement, name: HTMLElement, notes: HTMLElement}} Row */

/** Up to this many notes of a performer are named; of more the list says how many. */
const NAMED = 5;

export class PerformersList {
  #list;
  #empty;
  /** @type {readonly Performer[]} */
  #named = [];
  /** @type {number | null} */
  #own = null;
  /** @type {Map<number, Row>} */
  #rows = new Map();
  /** Performers whose notes were seen on this connection, and whom the server has not named. */
  #unnamed = new Set();

  /**
   * @param {HTMLElement} list
   * @param {HTMLElement} empty shown while nobody is there
   */
  constructor(list, empty) {
    this.#list = list;
    this.#empty = empty;
  }

  /** @param {number} performer */
  name(performer) {
    return nameOfPerformer(performer, this.#named);
  }

  /**
   * @param {readonly Performer[]} performers
   * @param {number | null} own number of this page
   */
  show(performers, own) {
    this.#named = performers;
    this.#own = own;
    for (const { id } of performers) this.#unnamed.delete(id);
    this.#build();
  }

  /**
   * Shows a performer's keys and pedal, as they are heard.
   *
   * @param {number} performer
   * @param {readonly number[]} notes
   * @param {boolean} pedal
   */
  playing(performer, notes, pedal) {
    if (!this.#rows.has(performer)) {
      if (performer === DEMO || (notes.length === 0 && !pedal)) return;
      this.#unnamed.add(performer);
      this.#build();
    }
    const row = this.#rows.get(performer);
    if (!row) return;
    if (notes.length === 0 && !pedal && performer > FILE_PLAYER && performer !== DEMO && this.#unnamed.delete(performer)) {
      // The performer has left, and the last of their notes has been heard.
      this.#build();
      return;
    }
    row.item.classList.toggle("on", notes.length > 0);
    row.item.classList.toggle("pedal", pedal);
    const more = notes.length > NAMED ? ` +${notes.length - NAMED}` : "";
    setText(row.notes, notes.slice(0, NAMED).map(nameOf).join(" ") + more);
  }

  /** @param {boolean} plays whether the demo piece plays */
  demo(plays) {
    if (plays === this.#unnamed.has(DEMO)) return;
    if (plays) this.#unnamed.add(DEMO);
    else this.#unnamed.delete(DEMO);
    this.#build();
  }

  /** Empties the list, when the connection is gone; the demo piece is told of anew. */
  clear() {
    this.#unnamed.clear();
    this.show([], null);
  }

  #build() {
    const special = [LOCAL, FILE_PLAYER, DEMO].filter((id) => this.#unnamed.has(id));
    const others = [...this.#unnamed].filter((id) => !special.includes(id));
    const ids = [...special, ...this.#named.map(({ id }) => id), ...others];
    for (const [id, { item }] of this.#rows) {
      if (ids.includes(id)) continue;
      item.remove();
      this.#rows.delete(id);
    }
    for (const id of ids) {
      const row = this.#rows.get(id) ?? this.#row(id);
      setText(row.name, this.name(id));
      row.item.classList.toggle("own", id === this.#own);
      this.#list.append(row.item);
    }
    this.#empty.hidden = ids.length > 0;
  }

  /** @param {number} id @returns {Row} */
  #row(id) {
    const item = document.createElement("li");
    item.dataset.voice = String(voiceOf(id));
    item.dataset.testid = `performer-${id}`;
    const name = document.createElement("b");
    name.dataset.own = say("performer.own");
    const notes = document.createElement("span");
    item.append(name, notes);
    const row = { item, name, notes };
    this.#rows.set(id, row);
    return row;
  }
}
