// @ts-check
/** Shows the state in words, the knob's label, and what is known of the room. */

import { byId, setText } from "./dom.js";
import { plural } from "./format.js";
import { describe, instrumentLine, secondsLeft } from "./words.js";

/** @typedef {import("../listen/session.js").Session} Session */
/** @typedef {import("./words.js").AskedRoom} AskedRoom */
/** @typedef {import("./words.js").Words} Words */

export class Panel {
  #roomName;
  #status = byId("status", HTMLElement);
  #headline = byId("headline", HTMLElement);
  #countdown = byId("countdown", HTMLElement);
  #detail = byId("detail", HTMLElement);
  #addresses = byId("addresses", HTMLElement);
  #hurry = byId("hurry", HTMLButtonElement);
  #knob = byId("listen", HTMLButtonElement);
  #knobLabel = byId("listen-label", HTMLElement);
  #title = byId("room-title", HTMLElement);
  #instrument = byId("instrument", HTMLElement);
  #listeners = byId("listeners", HTMLElement);
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #ticking;

  /**
   * @param {string} roomName
   */
  constructor(roomName) {
    this.#roomName = roomName;
    setText(this.#title, roomName);
  }

  /**
   * @param {Session} session
   * @param {AskedRoom} asked
   * @returns {Words} what it shows
   */
  show(session, asked) {
    const words = describe(session, asked, this.#roomName);
    document.body.dataset.state = words.state;
    document.body.dataset.tone = words.tone;
    this.#status.dataset.state = words.state;
    setText(this.#headline, words.headline);
    setText(this.#detail, words.detail);
    this.#detail.hidden = words.detail === "";
    this.#showAddresses(words.addresses);
    this.#hurry.hidden = !words.canHurry;
    this.#knob.dataset.action = words.action;
    setText(this.#knobLabel, words.action);
    this.#count(session);
    if (asked.kind === "known") this.#showRoom(asked.value);
    return words;
  }

  close() {
    clearInterval(this.#ticking);
  }

  /**
   * @param {import("../connection/room.js").Room} room
   */
  #showRoom(room) {
    setText(this.#title, room.title || this.#roomName);
    setText(this.#instrument, instrumentLine(room));
    setText(this.#listeners, room.listeners > 0 ? `${plural(room.listeners, "listener", "listeners")} in the room` : "");
    document.title = `${room.title || this.#roomName} · rtcserver`;
  }

  /**
   * @param {string[]} addresses
   */
  #showAddresses(addresses) {
    const text = addresses.join("\n");
    if (this.#addresses.dataset.text === text) return;
    this.#addresses.dataset.text = text;
    this.#addresses.hidden = addresses.length === 0;
    this.#addresses.replaceChildren(
      ...addresses.map((address) => {
        const item = document.createElement("li");
        const code = document.createElement("code");
        code.textContent = address;
        item.append(code);
        return item;
      }),
    );
  }

  /**
   * The seconds stand outside the announced text: a screen reader would read every one of them.
   *
   * @param {Session} session
   */
  #count(session) {
    clearInterval(this.#ticking);
    const tell = () => {
      const seconds = secondsLeft(session, performance.now());
      setText(this.#countdown, seconds === null ? "" : `in ${seconds} s`);
    };
    tell();
    if (session.phase === "reconnecting") this.#ticking = setInterval(tell, 250);
  }
}
