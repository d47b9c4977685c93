// @ts-check
/** The notes of the last seconds as bars over media time, for the roll. Pure; bounded. */

/** @typedef {{performer: number, note: number, velocity: number, start: number, end: number | null}} Bar in media time */

const MOST = 1024;

export class Bars {
  #span;
  /** @type {Bar[]} by start, oldest first */
  #bars = [];

  /** @param {number} span samples of media time that are kept */
  constructor(span) {
    this.#span = span;
  }

  /**
   * @param {import("./sounding.js").Change} change
   * @param {number} mediaTime
   */
  add({ performer, note, velocity }, mediaTime) {
    for (const bar of this.#bars) {
      if (bar.end === null && bar.performer === performer && bar.note === note) bar.end = Math.max(bar.start, mediaTime);
    }
    if (velocity === 0) return;
    this.#bars.push({ performer, note, velocity, start: mediaTime, end: null });
    if (this.#bars.length > MOST) this.#bars.shift();
  }

  /**
   * The bars that can be seen; those that no longer can are forgotten.
   *
   * @param {number} now media time that is heard
   * @returns {readonly Bar[]}
   */
  seen(now) {
    if (this.#bars.some(({ end }) => end !== null && end < now - this.#span)) {
      this.#bars = this.#bars.filter(({ end }) => end === null || end >= now - this.#span);
    }
    return this.#bars;
  }

  /** Ends every bar that still sounds, when its connection is gone. @param {number} mediaTime */
  endAll(mediaTime) {
    for (const bar of this.#bars) bar.end ??= Math.max(bar.start, mediaTime);
  }
}
