// @ts-check
/** Makes a link for somebody else: what it allows, for how long, for whom. The server gives nobody more than the inviter has. */

import { sentenceOf } from "../connection/problems.js";
import { FROM_PAGE, ROOT, roomApi } from "../connection/server.js";
import { authorization } from "../connection/token.js";
import { setText } from "../ui/dom.js";
import { say } from "../words/desk.js";
import { spoken } from "../words/say.js";

const FORM = `
  <h3 id="invite-title"></h3>
  <label class="field"><span data-says="invite.role"></span><select id="invite-role" data-testid="invite-role"><option value="listen"></option><option value="perform"></option></select></label>
  <label class="field"><span data-says="invite.hours"></span><select id="invite-hours"><option value="1"></option><option value="24" selected></option><option value="168"></option><option value="720"></option></select></label>
  <label class="field"><span data-says="invite.name"></span><input id="invite-name" type="text" autocomplete="off" maxlength="32"></label>
  <button class="quiet" type="submit" id="invite-make" data-testid="invite-make"></button>
  <div class="invite-link" hidden>
    <label class="field"><span data-says="invite.link"></span><input id="invite-link" type="text" readonly data-testid="invite-link"></label>
    <button class="quiet" type="button" id="invite-copy" data-testid="invite-copy"></button>
  </div>
  <p id="invite-note" class="desk-note" role="status"></p>`;

export class Invite {
  #room;
  #form = document.createElement("form");

  /**
   * @param {HTMLElement} box that it fills
   * @param {string} room its name
   */
  constructor(box, room) {
    this.#room = room;
    const form = this.#form;
    form.className = "invite";
    form.innerHTML = FORM;
    form.setAttribute("aria-labelledby", "invite-title");
    box.replaceChildren(form);
    setText(this.#part("#invite-title"), say("invite"));
    for (const key of /** @type {const} */ (["invite.role", "invite.hours", "invite.name", "invite.link"])) {
      setText(this.#part(`[data-says="${key}"]`), say(key));
    }
    for (const role of /** @type {const} */ (["listen", "perform"])) setText(this.#part(`option[value="${role}"]`), say(`role.${role}`));
    for (const hours of /** @type {const} */ (["1", "24", "168", "720"])) setText(this.#part(`option[value="${hours}"]`), say(`hours.${hours}`));
    setText(this.#part("#invite-make"), say("invite.make"));
    setText(this.#part("#invite-copy"), say("invite.copy"));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#make();
    });
    this.#part("#invite-copy").addEventListener("click", () => this.#copy());
  }

  async #make() {
    const url = `${roomApi(this.#room)}/invitations`;
    const asked = { role: this.#value("role"), hours: Number(this.#value("hours")), name: this.#value("name") };
    try {
      const headers = { ...FROM_PAGE, ...authorization(url), "Content-Type": "application/json" };
      const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(asked) });
      if (!response.ok) return this.#note(sentenceOf(await response.text()) || say("failed"));
      const { path, expires_s: expiresS } = await response.json();
      const link = new URL(ROOT + path, location.href).href;
      /** @type {HTMLInputElement} */ (this.#part("#invite-link")).value = link;
      this.#part(".invite-link").hidden = false;
      const when = new Intl.DateTimeFormat(spoken(), { dateStyle: "medium", timeStyle: "short" }).format(expiresS * 1000);
      const local = /^(localhost|127\.|\[::1\])/.test(location.hostname);
      this.#note([say("invite.until", { when }), local && say("invite.local")].filter(Boolean).join(" "));
    } catch {
      this.#note(say("failed"));
    }
  }

  async #copy() {
    const field = /** @type {HTMLInputElement} */ (this.#part("#invite-link"));
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
      this.#note(say("invite.copied"));
    } catch {
      // Not a secure page, or not allowed.
      this.#note(say("invite.by-hand"));
    }
  }

  /** @param {string} text */
  #note(text) {
    setText(this.#part("#invite-note"), text);
  }

  /** @param {"role" | "hours" | "name"} name */
  #value(name) {
    return /** @type {HTMLInputElement} */ (this.#part(`#invite-${name}`)).value;
  }

  /** @param {string} selector @returns {HTMLElement} */
  #part(selector) {
    return /** @type {HTMLElement} */ (this.#form.querySelector(selector));
  }
}
