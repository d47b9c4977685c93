// @ts-check
/**
 * Measures the ring's level and the difference of the two clocks, from what each quantum finds there.
 *
 * Where the writer is against where the reader's clock would have it lies on a straight line: its slope is the difference
 * of the clocks. Once that is known, so is what the level does by itself, and the readings need only be followed slowly.
 * Pure; levels are frames of the stream.
 */

import { Slope } from "./drift.js";

/** The clocks are compared over so many readings, four a second; a step of this is a stall of the device. */
const SLOPE_READINGS = 80;
const SLOPE_STEP_S = 0.0025;
/** Share of a reading in the level, while the clocks' difference is not known and then. */
const FOLLOWED = 0.25;
const FOLLOWED_KNOWING = 0.1;

export class Gauge {
  #slope = new Slope(SLOPE_READINGS, SLOPE_STEP_S);
  #sum = 0;
  #played = 0;
  #count = 0;
  /** The smoothed level; negative while unknown. */
  level = -1;
  /** Mean of the last reading. */
  mean = 0;
  /** The lowest that a quantum left since the last reading. */
  low = Infinity;
  /** How much faster the instrument's clock is than the loudspeaker's; NaN while not known. */
  clocks = NaN;
  /** Mean of what was told as `playedMs`. */
  playedMs = NaN;

  /**
   * Tells of one quantum.
   *
   * @param {number} level before it, the part of a block that is under way counted in
   * @param {number} after what it left
   * @param {number} playedMs position that it played, less the wall clock
   */
  observe(level, after, playedMs) {
    this.#sum += level;
    this.#played += playedMs;
    this.#count += 1;
    if (after < this.low) this.low = after;
  }

  /**
   * Makes a reading of the quanta since the last one.
   *
   * @param {number} reader its position, less what its clock alone would have it play
   * @param {number} clockS the reader's clock
   * @param {number} elapsedS since the last reading
   * @param {number} rate of the stream, Hz
   * @param {number} correction by which the reader was faster
   */
  read(reader, clockS, elapsedS, rate, correction) {
    this.mean = this.#sum / this.#count;
    this.playedMs = this.#played / this.#count;
    this.#slope.add(clockS, (reader + this.mean) / rate);
    this.clocks = this.#slope.value;
    if (this.level < 0) {
      this.level = this.mean;
    } else if (Number.isNaN(this.clocks)) {
      this.level += (this.mean - this.level) * FOLLOWED;
    } else {
      this.level += (this.clocks - correction) * elapsedS * rate;
      this.level += (this.mean - this.level) * FOLLOWED_KNOWING;
    }
  }

  /** The next reading's quanta begin. */
  begin() {
    this.#sum = this.#played = this.#count = 0;
    this.low = Infinity;
  }

  /** The level jumps for a known reason. What is known of the clocks stays. */
  jumped() {
    this.begin();
    this.level = -1;
  }

  /** Another stream. */
  clear() {
    this.jumped();
    this.#slope.clear();
    this.clocks = NaN;
  }
}
