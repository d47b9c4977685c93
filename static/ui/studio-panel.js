// @ts-check
/**
 * The switch between Listen and Studio in `#modes`, and a line about Studio. It builds its own elements there. What is shown while
 * Studio plays (studio-figures.js) is added when Studio is loaded.
 *
 * For tests and tools these names are stable: #mode-listen and #mode-studio (radio buttons), #studio-line (role status) and
 * #studio-again. Each has a data-testid of the same name; data-phase of #modes is the reducer's phase.
 */

import { byId, setText } from "./dom.js";
import { say } from "../words/studio.js";
import { qualityLine, studioLine } from "./studio-words.js";

/** @typedef {import("../studio/studio.js").Studio} Whole */
/** @typedef {Pick<Whole, "session" | "wanted" | "support" | "sounding" | "stats" | "choice" | "pinned" | "choose" | "leave">} Studio */
/** @typedef {{show: (studio: Studio) => void}} Figures */

const SWITCH = `
  <fieldset id="mode-choice" class="modes">
    <legend class="unseen">${say("legend")}</legend>
    <label class="mode"><input type="radio" name="mode" id="mode-listen" value="listen" checked>
      <b>${say("listen")}</b> <span>${say("listen.means")}</span></label>
    <label class="mode"><input type="radio" name="mode" id="mode-studio" value="studio" aria-describedby="studio-line">
      <b>${say("studio")}</b> <span>${say("studio.means")}</span></label>
  </fieldset>
  <p id="studio-line" role="status"></p>
  <button id="studio-again" class="plain" type="button" hidden>${say("back")}</button>`;

export class StudioPanel {
  #studio;
  #modes = byId("modes", HTMLElement);
  #section = byId("studio", HTMLElement);
  #fields;
  #listen;
  #choice;
  #line;
  #again;
  /** @type {Figures | null} */
  #figures = null;

  /**
   * @param {Studio} studio
   * @param {() => void} [near] called when somebody is about to choose Studio
   */
  constructor(studio, near = () => {}) {
    this.#studio = studio;
    this.#modes.innerHTML = SWITCH;
    for (const element of this.#modes.querySelectorAll("[id]")) {
      if (element instanceof HTMLElement) element.dataset.testid = element.id;
    }
    this.#fields = byId("mode-choice", HTMLFieldSetElement);
    this.#listen = byId("mode-listen", HTMLInputElement);
    this.#choice = byId("mode-studio", HTMLInputElement);
    this.#line = byId("studio-line", HTMLElement);
    this.#again = byId("studio-again", HTMLButtonElement);
    const choose = () => studio.choose();
    this.#listen.addEventListener("change", () => studio.leave());
    this.#choice.addEventListener("change", choose);
    this.#again.addEventListener("click", choose);
    this.#choice.closest("label")?.addEventListener("pointerdown", near);
    this.#choice.disabled = "missing" in studio.support;
    this.show(false);
  }

  /** @param {Figures} figures what shows how Studio does while it plays */
  add(figures) {
    this.#figures = figures;
  }

  /**
   * @param {boolean} listening whether Listen plays, or is about to
   * @param {boolean} [offered] whether this server has Studio: one that has turned it off leaves nothing to choose
   * @param {boolean} [owner] whether whoever sees it can mend the server
   */
  show(listening, offered = true, owner = false) {
    const { session, wanted, support, sounding, stats, choice } = this.#studio;
    this.#modes.dataset.phase = session.phase;
    this.#fields.hidden = !offered && session.phase === "off" && !wanted;
    const chosen = session.phase === "off" ? wanted && session.notice === "" : session.phase !== "returning";
    this.#choice.checked = chosen;
    this.#listen.checked = !chosen;
    const heard = choice && stats ? qualityLine(choice, stats.network, stats.format.mbps, stats.busy) : "";
    const line = "missing" in support ? (this.#fields.hidden ? "" : ((owner && support.todo) || support.missing)) : studioLine(session, listening, wanted, heard);
    setText(this.#line, line);
    this.#line.hidden = line === "";
    this.#again.hidden = !(session.phase === "off" && session.offered && listening && offered);
    this.#modes.hidden = this.#fields.hidden && line === "";
    this.#section.hidden = !sounding || stats === null;
    document.body.dataset.mode = sounding ? "studio" : "listen";
    this.#figures?.show(this.#studio);
  }
}
