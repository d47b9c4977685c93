// @ts-check
/**
 * What becomes of a Studio session whose blocks stay away: the server is asked whether it still has the session, and if it does, ICE
 * is restarted, since this device may have another address now. Used for one session.
 */

import { askAgainMs } from "../listen/backoff.js";
import { QUIET_ASK_MS, QUIET_RESTART_MS, RESTART_PACE_MS } from "../listen/trouble.js";

/** @typedef {Pick<import("./link.js").StudioLink, "ask" | "restart">} Link */

export class QuietWatch {
  #link;
  #gone;
  /** When the server may be asked; while its answer is awaited, never. */
  #askAtMs = 0;
  /** When ICE was last restarted. */
  #restartedAtMs = -Infinity;

  /**
   * @param {Link} link
   * @param {() => void} gone the server does not know the session any more: there is nothing to wait for
   */
  constructor(link, gone) {
    this.#link = link;
    this.#gone = gone;
  }

  /**
   * @param {number} nowMs of performance.now()
   * @param {(nowMs: number) => number} quietMs for how long no block has come
   */
  async look(nowMs, quietMs) {
    if (quietMs(nowMs) < QUIET_ASK_MS || nowMs < this.#askAtMs) return;
    this.#askAtMs = Infinity;
    let found = await this.#link.ask();
    const answeredMs = performance.now();
    if (found === "there" && quietMs(answeredMs) >= QUIET_RESTART_MS && answeredMs - this.#restartedAtMs >= RESTART_PACE_MS) {
      this.#restartedAtMs = answeredMs;
      found = await this.#link.restart();
    }
    this.#askAtMs = performance.now() + askAgainMs(found, Math.random());
    if (found === "gone") this.#gone();
  }
}
