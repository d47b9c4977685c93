// @ts-check
/** Plays a stream on the page's audio element, at a volume, and knows whether the browser allows it. */

import { gainOf } from "./levels.js";

export class Playback {
  #element;
  #owner = new AbortController();
  #wanted = false;
  #volume = { position: 1, muted: false };
  #share = 1;

  /**
   * @param {HTMLAudioElement} element
   * @param {(blocked: boolean) => void} onBlocked the sound was held or freed by somebody else: the browser, a phone
   *   call, a headset that was pulled out
   */
  constructor(element, onBlocked) {
    this.#element = element;
    const { signal } = this.#owner;
    element.addEventListener("pause", () => this.#wanted && element.paused && onBlocked(true), { signal });
    element.addEventListener("playing", () => this.#wanted && onBlocked(false), { signal });
  }

  /**
   * Whether the volume can be set: on iOS only the device's own buttons do.
   */
  get volumeWorks() {
    const before = this.#element.volume;
    this.#element.volume = before === 0.5 ? 0.6 : 0.5;
    const works = this.#element.volume !== before;
    this.#element.volume = before;
    return works;
  }

  /**
   * @param {MediaStream} stream
   * @returns {Promise<boolean>} whether the browser wants a tap first
   */
  async play(stream) {
    this.#wanted = true;
    if (this.#element.srcObject !== stream) this.#element.srcObject = stream;
    return this.#start();
  }

  /**
   * Tries again to play, after a tap.
   *
   * @returns {Promise<boolean>} whether it is still blocked
   */
  async resume() {
    return this.#wanted ? this.#start() : false;
  }

  stop() {
    this.#wanted = false;
    this.#element.pause();
    this.#element.srcObject = null;
  }

  /**
   * @param {number} position of the control, 0 to 1
   * @param {boolean} muted
   */
  setVolume(position, muted) {
    this.#volume = { position, muted };
    this.#element.volume = gainOf(position) * this.#share;
    this.#element.muted = muted;
  }

  /**
   * Sets the share of the volume that a cross-fade leaves.
   *
   * @param {number} share 0 to 1
   */
  setShare(share) {
    this.#share = share;
    this.setVolume(this.#volume.position, this.#volume.muted);
  }

  close() {
    if (this.#owner.signal.aborted) return;
    this.#owner.abort();
    this.stop();
  }

  async #start() {
    try {
      await this.#element.play();
      return false;
    } catch (error) {
      // AbortError: the stream was changed or taken away meanwhile, which is no refusal.
      return error instanceof DOMException && error.name === "NotAllowedError";
    }
  }
}
