// @ts-check
/** What a listener sets for this device alone. Its controls are loaded when their drawer is opened: most listeners never do. */

import { OwnDelay } from "../listen/own-delay.js";
import { byId } from "../ui/dom.js";

/** @typedef {import("../listen/stats.js").Snapshot} Snapshot */

export class OwnSound {
  #drawer = byId("own-sound", HTMLDetailsElement);
  #delay;
  #remember;
  /** @type {import("../ui/own-delay.js").OwnDelayControl | null} */
  #control = null;

  /**
   * @param {{delayMs: number}} settings
   * @param {(changes: {delayMs: number}) => void} remember
   */
  constructor({ delayMs }, remember) {
    this.#delay = new OwnDelay(delayMs);
    this.#remember = remember;
    this.#drawer.hidden = !this.#delay.works;
    this.#drawer.addEventListener("toggle", () => this.#open());
  }

  /** @param {RTCPeerConnection} peer of Listen */
  follow(peer) {
    this.#delay.follow(peer);
  }

  /** See `OwnDelay`. */
  get excusedMs() {
    return this.#delay.excusedMs(performance.now());
  }

  /** @param {Snapshot | null} snapshot of Listen; null while it does not play */
  show(snapshot) {
    if (this.#drawer.open && !document.hidden) this.#control?.show(snapshot?.bufferMs ?? null);
  }

  async #open() {
    if (!this.#drawer.open || this.#control) return;
    try {
      const { OwnDelayControl } = await import("../ui/own-delay.js");
      this.#control ??= new OwnDelayControl(byId("own-sound-box", HTMLElement), this.#delay.ms, (delayMs) => {
        this.#delay.set(delayMs, performance.now());
        this.#remember({ delayMs });
      });
    } catch {
      // It is asked for again when the drawer is opened again.
      this.#drawer.open = false;
    }
  }
}
