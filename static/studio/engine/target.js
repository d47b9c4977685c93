// @ts-check
/**
 * How many frames should lie in the ring: as few as the arrival of the blocks and the calls of the device allow.
 *
 * The target is learnt from the ring alone. The *spread* of a window of 0.25 s, its mean level minus its lowest, contains
 * everything that makes playing risky: jitter of the network, hiccups of either machine, the size of the blocks, and the bursts
 * in which the device asks for samples. The target is the largest spread that came twice in the last 40 s, plus a margin,
 * which is larger where that spread stands out from the others: then the next one may well be larger still. A spread that came
 * only once is left to concealment, since everybody would pay for it in delay all the time. The target grows at once, also after
 * an underrun, and shrinks slowly. Pure; all numbers are in frames unless their name has a unit.
 */

const WINDOW_S = 0.25;
/** A spread counts for this many windows: 40 s. */
const HELD_WINDOWS = 160;
/** Spreads at most this many windows apart are taken for one event. */
const ONE_EVENT = 2;
/** With fewer windows than this (10 s) the largest spread counts even if it came only once. */
const TELLING_WINDOWS = 40;
/** Windows of the last second. */
const LAST_WINDOWS = 4;
const MARGIN_MS = 3.5;
/** The margin grows by this share of the distance between the deciding spread and the mean one, up to `MOST_TAIL_MS`. */
const TAIL = 0.75;
const MOST_TAIL_MS = 3;
const CEILING_MS = 150;
/** The target shrinks only if it gains more than this: to follow it, exact copying has to be interrupted. */
const WORTHWHILE_MS = 2.5;
const SHRINK_MS_PER_S = 1;
/** Lateness up to this counts as jitter, beyond it as an outage: a ring deep enough for outages would be no faster than Listen. */
const JITTER_MS = 45;
/** The most that one late block adds to the target: a rare hiccup must not cost a tenth of a second from then on. */
const MOST_AT_ONCE_MS = 15;

export class Target {
  #rate;
  #margin;
  #mostTail;
  #ceiling;
  /** @type {number} */
  #first;
  /** @type {number} */
  #frames;
  #spreads = new Float64Array(HELD_WINDOWS);
  #next = 0;
  #sum = 0;
  #count = 0;
  #low = Infinity;
  #passed = 0;
  /** Mean level over the last seconds; negative while unknown. */
  #mean = -1;
  /** Whether the commotion of the start is over, and the spreads are usual ones. */
  #calm = false;
  /** Whether the first window after a start or jump is still open; it does not count, since the rest of a backlog comes in. */
  #settling = true;

  /**
   * @param {number} rate Hz
   * @param {number} frames to start with
   */
  constructor(rate, frames) {
    this.#rate = rate;
    this.#margin = (MARGIN_MS * rate) / 1000;
    this.#mostTail = (MOST_TAIL_MS * rate) / 1000;
    this.#ceiling = (CEILING_MS * rate) / 1000;
    this.#first = this.#frames = Math.min(frames, this.#ceiling);
  }

  /** The mean level as the caller measures it; negative while unknown, and then the windows' own means are used. */
  centre = -1;

  get frames() {
    return this.#frames;
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
   */
  missed(late) {
    if (late * 1000 > JITTER_MS * this.#rate) return;
    const wanted = Math.min(this.#ceiling, this.#frames + Math.min(late, (MOST_AT_ONCE_MS * this.#rate) / 1000));
    this.#hold(wanted - this.#reserve());
    this.#frames = Math.max(this.#frames, wanted);
  }

  /** Forgets the spreads of the start, all but those of its last second. */
  calm() {
    this.#calm = true;
    for (let back = 0; back < HELD_WINDOWS; back += 1) {
      const at = (this.#next + back) % HELD_WINDOWS;
      if (back < HELD_WINDOWS - LAST_WINDOWS) this.#spreads[at] = 0;
    }
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
    this.#hold((this.centre < 0 ? usual : this.centre) - low);
    this.#mean = this.#mean < 0 ? mean : this.#mean + (mean - this.#mean) * 0.25;
    this.#grow();
    const wanted = this.#wanted();
    const shrinking = this.#frames - wanted > (WORTHWHILE_MS * this.#rate) / 1000;
    if (shrinking) this.#frames = Math.max(wanted, this.#frames - SHRINK_MS_PER_S * WINDOW_S * (this.#rate / 1000));
  }

  /** @param {number} spread */
  #hold(spread) {
    this.#spreads[this.#next] = spread;
    this.#next = (this.#next + 1) % HELD_WINDOWS;
  }

  #grow() {
    this.#frames = Math.max(this.#frames, this.#wanted());
  }

  #wanted() {
    return Math.min(this.#ceiling, this.#usual() + this.#reserve());
  }

  /** The largest spread that came twice: the second largest of all, those of the largest one's own event left out. */
  #usual() {
    let largest = 0;
    let at = 0;
    let known = 0;
    for (let i = 0; i < HELD_WINDOWS; i += 1) {
      const spread = this.#spreads[i] ?? 0;
      if (spread > 0) known += 1;
      if (spread <= largest) continue;
      largest = spread;
      at = i;
    }
    if (known < TELLING_WINDOWS) return largest;
    let second = 0;
    for (let i = 0; i < HELD_WINDOWS; i += 1) {
      const apart = Math.abs(i - at);
      if (Math.min(apart, HELD_WINDOWS - apart) > ONE_EVENT) second = Math.max(second, this.#spreads[i] ?? 0);
    }
    return second;
  }

  /** What the target holds beyond the usual spread: the margin, and more where that spread stands out from the mean one. */
  #reserve() {
    let sum = 0;
    let known = 0;
    for (let i = 0; i < HELD_WINDOWS; i += 1) {
      const spread = this.#spreads[i] ?? 0;
      sum += spread;
      if (spread > 0) known += 1;
    }
    if (!this.#calm || known === 0) return this.#margin;
    return this.#margin + Math.min(this.#mostTail, Math.max(0, TAIL * (this.#usual() - sum / known)));
  }
}
