// @ts-check
/** The performer's link that this tab was opened with: what it is good for is found out before the panel for performers is shown. */

import { mayPerform } from "../connection/rights.js";
import { dropToken, takeToken } from "../connection/token.js";
import { byId, setText } from "../ui/dom.js";
import { oldLink } from "../ui/refusals.js";

export class PerformerLink {
  #room;
  #changed;
  #token;
  /** Whether the server has said of it what it could. */
  #checked = false;

  /**
   * @param {string} room its name
   * @param {() => void} changed called when another panel is to be shown
   */
  constructor(room, changed) {
    this.#room = room;
    this.#changed = changed;
    this.#token = takeToken(room);
    this.#check();
  }

  /** To be shown to the server; null for a listener. */
  get token() {
    return this.#token;
  }

  /**
   * @param {boolean} performs whether a session has let it in
   * @returns {string | null} the same, once it is known not to be refused
   */
  counting(performs) {
    return performs || this.#checked ? this.#token : null;
  }

  /** Whether the address holds another link by now. */
  get another() {
    return takeToken(this.#room) !== this.#token;
  }

  /**
   * The link is over: says so at the page's top.
   *
   * @param {string} message the server's sentence
   * @param {boolean} [listens] whether its holder hears the room all the same
   */
  forget(message, listens = true) {
    dropToken(this.#room);
    this.#token = null;
    const notice = byId("link-notice", HTMLElement);
    setText(notice, oldLink(message, listens));
    notice.hidden = false;
  }

  async #check() {
    if (this.#token === null) return;
    const right = await mayPerform(this.#room, this.#token);
    this.#checked = true;
    if (right.kind === "refused") this.forget(right.message, right.listens);
    this.#changed();
  }
}
