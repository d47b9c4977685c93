// @ts-check
/**
 * Measures the ring's level and the difference of the two clocks, from what each quantum finds there.
 *
 * The writer's position minus the one that the reader's clock predicts lies on a straight line over time, whose slope is the
 * difference of the two clocks. Once that is known, the level's own movement can be predicted, and each reading needs to
 * count for less. Pure; levels are in frames of the stream.
 */

import { Slope } from "./drift.js";
import { Control, Figure } from "./slots.js";

/** The clocks are compared over this many readings, four a second; a step of `SLOPE_STEP_S` between two is a stall of the device. */
const SLOPE_READINGS = 80;
const SLOPE_STEP_S = 0.0025;
/** Share of a new reading in the level: before the difference of the clocks is known, and afterwards. */
const FOLLOWED = 0.25;
const FOLLOWED_KNOWING = 0.1;

export class Gauge {
  #slope = new Slope(SLOPE_READINGS, SLOPE_STEP_S);
  #sum = 0;
  #played = 0;
  #count = 0;
  /** The smoothed level; negative while unknown. */
  level = -1;
  /** Mean level of the last reading. */
  mean = 0;
  /** The lowest level that a quantum left behind since the last reading. */
  low = Infinity;
  /** How much faster the instrument's clock is than the loudspeaker's; NaN while not known. */
  clocks = NaN;
  /** Mean `playedMs` of the last reading's quanta. */
  playedMs = NaN;

  /**
   * Takes in one quantum.
   *
   * @param {number} level before the quantum, with the part of the next block that the instrument has already played
   * @param {number} after level that the quantum left
   * @param {number} playedMs position that it played, in ms, minus the wall clock
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
   * @param {number} reader the reader's position minus the one that its clock alone would have reached
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

  /** Begins to collect the quanta of the next reading. */
  begin() {
    this.#sum = this.#played = this.#count = 0;
    this.low = Infinity;
  }

  /** The level has jumped for a known reason. What is known of the clocks stays known. */
  jumped() {
    this.begin();
    this.level = -1;
  }

  /** Forgets everything: another stream begins. */
  clear() {
    this.jumped();
    this.#slope.clear();
    this.clocks = NaN;
  }
}

/**
 * Frames that the instrument has played since the last block came, minus half a block. Blocks come whole; without this share of the
 * next one the measured level would swing by a block as the two clocks slide past each other.
 *
 * @param {import("./ring.js").Ring} ring
 * @param {number} rate of the stream, Hz
 * @param {number} nowMs
 */
export function underWay(ring, rate, nowMs) {
  const block = ring.load(Control.blockFrames);
  const ageMs = nowMs - (ring.figures[Figure.newestMs] ?? NaN);
  // The age is negative when a clock was set meanwhile, and NaN before the first block.
  if (!(ageMs >= 0)) return 0;
  return Math.min((ageMs * rate) / 1000, 2 * block) - block / 2;
}
