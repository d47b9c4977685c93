// @ts-check
/** Fades a media element in or out in small steps, since those have no ramps. */

import { FADE_S } from "./audio.js";

const STEP_MS = 5;

export class Fade {
  #setShare;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer;

  /** @param {(share: number) => void} setShare 0 to 1 */
  constructor(setShare) {
    this.#setShare = setShare;
  }

  /**
   * @param {0 | 1} to
   * @param {() => void} done
   */
  go(to, done) {
    this.stop();
    const startMs = performance.now();
    this.#timer = setInterval(() => {
      const way = Math.min(1, (performance.now() - startMs) / (FADE_S * 1000));
      this.#setShare(to === 1 ? way : 1 - way);
      if (way < 1) return;
      this.stop();
      done();
    }, STEP_MS);
  }

  stop() {
    clearInterval(this.#timer);
  }
}
