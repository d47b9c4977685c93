// @ts-check
/** The screen while a room plays: it stays on. */

/**
 * Keeps the screen on while wanted. The browser ends the lock when the page is hidden, so it is taken again afterwards.
 * It needs a secure context; elsewhere `supported` is false and nothing happens.
 */
export class ScreenLock {
  #owner = new AbortController();
  #wanted = false;
  #asking = false;
  /** @type {WakeLockSentinel | null} */
  #lock = null;

  constructor() {
    document.addEventListener("visibilitychange", () => this.#follow(), { signal: this.#owner.signal });
  }

  get supported() {
    return "wakeLock" in navigator;
  }

  /**
   * @param {boolean} wanted
   */
  want(wanted) {
    this.#wanted = wanted;
    this.#follow();
  }

  close() {
    this.want(false);
    this.#owner.abort();
  }

  async #follow() {
    if (!this.supported || this.#asking) return;
    if (!this.#wanted) {
      this.#lock?.release().catch(() => {});
      this.#lock = null;
      return;
    }
    if (document.hidden || (this.#lock && !this.#lock.released)) return;
    this.#asking = true;
    try {
      this.#lock = await navigator.wakeLock.request("screen");
    } catch {
      // The browser refused, for example at low battery: the screen follows the device's own rules.
    }
    this.#asking = false;
    if (!this.#wanted) this.#follow();
  }
}
