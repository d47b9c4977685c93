// @ts-check
/** Shows the state in words, the knob's label, and what is known of the room. */

import { checkPage } from "../connection/server.js";
import { byId, setText } from "./dom.js";
import { say } from "../words/room.js";
import { countdown } from "./refusals.js";
import { describe, instrumentLine, secondsLeft } from "./words.js";

/** @typedef {import("../listen/session.js").Session} Session */
/** @typedef {import("./words.js").AskedRoom} AskedRoom */
/** @typedef {import("./words.js").Words} Words */

export class Panel {
  #roomName;
  #status = byId("status", HTMLElement);
  #headline = byId("headline", HTMLElement);
  #behind = byId("behind", HTMLElement);
  #countdown = byId("countdown", HTMLElement);
  #check = byId("check-way", HTMLElement);
  #leave = byId("rooms-way", HTMLElement);
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
  /** @type {[Session, AskedRoom] | null} what is shown */
  #shown = null;
  /** @type {import("../listen/verdict.js").Verdict | null} */
  #verdict = null;

  /**
   * @param {string} roomName
   */
  constructor(roomName) {
    this.#roomName = roomName;
    setText(this.#title, roomName);
    for (const id of ["check-link", "check-link-too"]) byId(id, HTMLAnchorElement).href = checkPage(roomName);
  }

  /** @param {import("../listen/verdict.js").Verdict | null} verdict how the sound arrives from now on; null while that is not known */
  arrives(verdict) {
    this.#verdict = verdict;
    if (this.#shown) this.#write(...this.#shown);
  }

  /**
   * @param {Session} session
   * @param {AskedRoom} asked
   * @returns {Words} what it shows
   */
  show(session, asked) {
    this.#shown = [session, asked];
    const words = this.#write(session, asked);
    this.#count(session);
    if (asked.kind === "known") this.#showRoom(asked.value);
    return words;
  }

  /**
   * @param {Session} session
   * @param {AskedRoom} asked
   */
  #write(session, asked) {
    const words = describe(session, asked, this.#roomName, this.#verdict);
    document.body.dataset.state = words.state;
    document.body.dataset.tone = words.tone;
    this.#status.dataset.state = words.state;
    setText(this.#headline, words.headline);
    setText(this.#detail, words.detail);
    this.#detail.hidden = words.detail === "";
    this.#showAddresses(words.addresses);
    // It changes often, and a screen reader would read all of it each time; the panel below has it as text.
    setText(this.#behind, words.behind);
    this.#check.hidden = !words.canCheck;
    this.#leave.hidden = !words.canLeave;
    this.#hurry.hidden = !words.canHurry;
    this.#knob.dataset.action = words.action;
    setText(this.#knobLabel, say(`action.${words.action}`));
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
    setText(this.#listeners, room.listeners > 0 ? say("listeners", { n: room.listeners }) : "");
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
      setText(this.#countdown, seconds === null ? "" : countdown(session.problem, seconds));
    };
    tell();
    if (session.phase === "reconnecting") this.#ticking = setInterval(tell, 250);
  }
}
