// @ts-check
/**
 * A ring that has run empty: the last frames are heard once more until a block comes, but not for long, and it is told how late
 * that block was. Pure, and without allocation after the start. All numbers are in frames.
 */

import { Echo } from "./echo.js";

/** @typedef {import("./ring.js").Ring} Ring */
/** @typedef {import("./source.js").Source} Source */

/** A next time goes back further by so much: the same frames again and again would hum. */
const FURTHER = 64;

export class Outage {
  #ring;
  #source;
  #echo = new Echo();
  /** Position after the last frame that was there; −1 while nothing is missing. */
  #at = -1;
  #distance = 0;
  /** How long nothing has come. */
  lasted = 0;
  /** Frames that are heard once more. */
  repeated = 0;

  /**
   * @param {Ring} ring
   * @param {Source} source
   */
  constructor(ring, source) {
    this.#ring = ring;
    this.#source = source;
  }

  get active() {
    return this.#at >= 0;
  }

  /** Begins, or goes on without repeats. @param {number} at @param {number} missing */
  begin(at, missing) {
    if (!this.active) this.lasted = missing;
    this.#at = at;
  }

  /**
   * Lets the source go on with the last frames.
   *
   * @param {number} missing frames that this quantum lacks
   * @param {number} most that are heard once more
   * @returns {boolean} false if that is not possible, or has gone on for too long
   */
  bridge(missing, most) {
    const { position } = this.#source;
    const anew = this.#at !== position;
    if (anew) this.repeated = this.#distance = 0;
    else if (this.repeated > most) return false;
    const distance = this.#echo.distance(this.#ring, position, Math.max(missing, this.#distance + FURTHER));
    if (distance === 0) return false;
    this.#source.repeat(distance);
    this.repeated += distance;
    this.#distance = distance;
    if (anew) [this.#at, this.lasted] = [position, missing];
    return true;
  }

  /**
   * Another quantum begins.
   *
   * @param {number} newest position after the newest frame
   * @param {number} frames of the quantum
   * @returns {boolean} whether a block has come, and it is over
   */
  ends(newest, frames) {
    if (!this.active) return false;
    if (newest === this.#at) {
      this.lasted += frames;
      return false;
    }
    this.#at = -1;
    return true;
  }

  forget() {
    this.#at = -1;
  }
}
