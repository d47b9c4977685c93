// @ts-check
/**
 * How many frames should lie in the ring: as few as the arrival of the blocks and the calls of the device allow, and as the
 * player's choice between tight and safe asks for (`safety.js`).
 *
 * The target is learnt from the ring alone. The *spread* of a window of 0.25 s, its mean level minus its lowest, contains
 * everything that makes playing risky: jitter of the network, hiccups of either machine, the size of the blocks, and the bursts
 * in which the device asks for samples. A ring whose mean level is less than that has a gap. So the spreads of the last minutes
 * say how many gaps a minute each depth is to expect (`lateness.js`), and the target is the least depth that expects no more of
 * them than the player puts up with, plus a margin for the level, which is not always at its target. A spread that comes
 * less often is left to concealment, since everybody would pay for it in delay all the time. The target grows at once and shrinks
 * slowly. Pure; all numbers are in frames unless their name has a unit.
 */

import { Lateness } from "./lateness.js";
import { BALANCED, PLACES } from "./safety.js";

const WINDOW_S = 0.25;
/** The level may be this much below its target for a while: to correct less, exact copying would have to be interrupted. */
const MARGIN_MS = 1;
/** A stall of `JITTER_MS` lowers the mean level of a window by so much. */
const STALL_MS = 4;
/** Until so much is known, a stall counts even if it came only once, and the next one may be larger by so much. */
const KNOWN_WINDOWS = 10 / WINDOW_S;
const UNKNOWN_MS = 1.5;
/** What the last windows of the start have shown is not forgotten: a second. */
const LAST_WINDOWS = 4;
const CEILING_MS = 150;
/**
 * No place has a deeper ring than this for the sake of stalls that are rare: beyond 60 ms Studio is no quicker than Listen, and is
 * left. Where even `TIGHT` asks for more, the stalls are not rare.
 */
const STUDIO_MS = 55;
const TIGHT = 0;
/** The target shrinks only if it gains more than this, or enough is known for the first time: to follow it, exact copying has to be interrupted. */
const WORTHWHILE_MS = 1.5;
const SHRINK_MS_PER_S = 2;
/** It does not grow for less than this either, which is within the margin. */
const NEGLIGIBLE_MS = 0.3;
/** Lateness up to this counts as jitter, beyond it as an outage: a ring deep enough for outages would be no faster than Listen. */
const JITTER_MS = 45;
/** Stalls come in company: after one that was heard the ring bridges another like it for this long, and a larger one by `UNKNOWN_MS`. */
const WARY_S = 10;
/** But no more than this is added for one of them: at the start, where it may be the first of many, and later, where it is a rare one. */
const MOST_AT_FIRST_MS = 15;
const MOST_AT_ONCE_MS = 5;
/** Players who put up with more gaps a minute than this are not helped in that way. */
const WARY_GAPS = 1;

export class Target {
  #rate;
  #ceiling;
  /** @type {number} */
  #first;
  /** @type {number} */
  #frames;
  #lateness = new Lateness(WINDOW_S);
  #place = BALANCED;
  /** Depths of the last windows in ms, in a circle. */
  #last = new Float64Array(LAST_WINDOWS);
  #windows = 0;
  #sum = 0;
  #count = 0;
  #low = Infinity;
  #passed = 0;
  /** Mean level over the last seconds; negative while unknown. */
  #mean = -1;
  /** Whether the commotion of the start is over, and the spreads are usual ones. */
  #calm = false;
  #shrinking = false;
  /** What the ring holds after a stall that was heard, and for how many windows. */
  #wary = 0;
  #waryFor = 0;
  /** Whether the first window after a start or jump is still open; it does not count, since the rest of a backlog comes in. */
  #settling = true;

  /**
   * @param {number} rate Hz
   * @param {number} frames to start with
   */
  constructor(rate, frames) {
    this.#rate = rate;
    this.#ceiling = this.#inFrames(CEILING_MS);
    this.#first = this.#frames = Math.min(frames, this.#ceiling);
  }

  /** The mean level as the caller measures it; negative while unknown, and then the windows' own means are used. */
  centre = -1;

  /** What blocks and bursts alone ask for, wherever the two clocks stand to each other. */
  floor = 0;

  get frames() {
    return this.#frames;
  }

  /** Index of `PLACES`. */
  get place() {
    return this.#place;
  }

  /** The player has chosen another place: the target goes there at once, however far it is. @param {number} place an index of `PLACES` */
  choose(place) {
    if (place === this.#place) return;
    this.#place = place;
    if (this.#calm) this.#frames = this.at(place);
    this.#shrinking = false;
  }

  /**
   * @param {number} place an index of `PLACES`
   * @returns {number} the target that it has, by what is known now
   */
  at(place) {
    const asked = this.#asked(place);
    return asked <= this.#most ? asked : Math.max(this.#most, Math.min(asked, this.#asked(TIGHT)));
  }

  get #most() {
    return this.#inFrames(STUDIO_MS);
  }

  /** @param {number} place an index of `PLACES` */
  #asked(place) {
    const { gaps, reserveMs } = /** @type {import("./safety.js").Place} */ (PLACES[place]);
    const known = this.#lateness.windows >= KNOWN_WINDOWS;
    const depthMs = known ? this.#lateness.depthFor(gaps) : this.#lateness.deepestMs;
    const deep = Math.max(this.floor, this.#inFrames(depthMs));
    return Math.min(this.#ceiling, deep + this.#inFrames(MARGIN_MS + reserveMs + (known ? 0 : UNKNOWN_MS)));
  }

  /**
   * @param {number} place an index of `PLACES`
   * @returns {number} the gaps a minute that a level at its target is to expect
   */
  gapsAt(place) {
    return this.#lateness.gapsAt((this.at(place) * 1000) / this.#rate);
  }

  /**
   * Takes in the level before and after one quantum.
   *
   * @param {number} before
   * @param {number} after level that the quantum left; negative if frames were missing
   */
  observe(before, after) {
    this.#sum += before;
    this.#count += 1;
    if (after < this.#low) this.#low = after;
    this.#passed += before - after;
    if (this.#passed >= WINDOW_S * this.#rate) this.#close();
  }

  /**
   * Takes in that blocks came too late.
   *
   * @param {number} late by how many frames
   * @param {number} [deep] what the ring held before, where the caller knows it
   */
  missed(late, deep = this.centre < 0 ? this.#frames : this.centre) {
    if (late > this.#inFrames(JITTER_MS)) return;
    const level = Math.min(deep, this.#frames);
    this.#lateness.add(((level + late) * 1000) / this.#rate);
    const mostMs = this.#lateness.windows < KNOWN_WINDOWS ? MOST_AT_FIRST_MS : MOST_AT_ONCE_MS;
    const reserveMs = MARGIN_MS + (this.#calm ? UNKNOWN_MS : 0);
    const wary = level + Math.min(late, this.#inFrames(mostMs)) + this.#inFrames(reserveMs);
    this.#wary = Math.min(this.#ceiling, Math.max(this.#waryFor > 0 ? this.#wary : 0, wary));
    this.#waryFor = WARY_S / WINDOW_S;
    this.#frames = Math.max(this.#frames, this.#wanted());
  }

  /** Forgets what the start has shown, all but its last second: it is no usual time. */
  calm() {
    this.#calm = true;
    this.#lateness.clear();
    for (const depthMs of this.#last) this.#lateness.add(depthMs);
    this.#waryFor = 0;
    this.#frames = Math.min(this.#frames, Math.max(this.#first, this.#wanted()));
  }

  /** Begins the mean anew, after a jump of the level for a known reason (a start, a cut). */
  restart() {
    this.#mean = this.centre = -1;
    this.#settling = true;
    this.#sum = this.#count = this.#passed = 0;
    this.#low = Infinity;
  }

  #close() {
    const mean = this.#sum / this.#count;
    const low = this.#low;
    this.#sum = this.#count = this.#passed = 0;
    this.#low = Infinity;
    if (this.#settling) {
      this.#settling = false;
      return;
    }
    // Without a measured centre the spread is taken from the lower of this window's mean and the running one: when this machine
    // slept and a backlog came in, the level jumps up, and its distance from the low before says nothing about the risk.
    const usual = this.#mean < 0 ? mean : Math.min(mean, this.#mean);
    this.#lateness.pass();
    if (this.#waryFor > 0) this.#waryFor -= 1;
    // The measured one follows slowly: where all comes later from now on, the ring is no deeper for that. A stall lowers the mean by less.
    const deep = this.centre < 0 ? usual : Math.min(this.centre, mean + this.#inFrames(STALL_MS));
    const depthMs = ((deep - low) * 1000) / this.#rate;
    this.#lateness.add(depthMs);
    this.#last[this.#windows % LAST_WINDOWS] = depthMs;
    this.#windows += 1;
    this.#mean = this.#mean < 0 ? mean : this.#mean + (mean - this.#mean) * 0.25;
    this.#follow();
  }

  #wanted() {
    const usual = this.at(this.#place);
    const { gaps } = /** @type {import("./safety.js").Place} */ (PLACES[this.#place]);
    return this.#waryFor > 0 && gaps < WARY_GAPS ? Math.max(usual, Math.min(this.#wary, this.#most)) : usual;
  }

  #follow() {
    const wanted = this.#wanted();
    const excess = this.#frames - wanted;
    if (-excess > this.#inFrames(NEGLIGIBLE_MS)) this.#frames = wanted;
    if (excess > this.#inFrames(WORTHWHILE_MS) || this.#lateness.windows === KNOWN_WINDOWS) this.#shrinking = true;
    else if (excess <= 0) this.#shrinking = false;
    if (this.#shrinking) this.#frames = Math.max(wanted, this.#frames - this.#inFrames(SHRINK_MS_PER_S * WINDOW_S));
  }

  /** @param {number} ms */
  #inFrames(ms) {
    return (ms * this.#rate) / 1000;
  }
}
