// @ts-check
/**
 * How many frames should lie in the ring: as few as the arrival of the blocks and the calls of the device allow.
 *
 * It learns from the ring alone. Between the mean level and the lowest one lies everything that makes playing
 * risky: jitter of the network, hiccups of either machine, the size of the blocks, and the bursts in which the device
 * asks for samples. The target is the largest such spread that came twice in the last seconds, and a margin: the further
 * it stands out, the further the next one may. What came once in that time is bridged badly rather than paid for by
 * everybody all the time. It grows at once, after an underrun, too, and shrinks slowly. Pure; all numbers are frames unless
 * their name has a unit.
 */

const WINDOW_S = 0.25;
/** A spread counts for this long: 160 windows are 40 s. */
const HELD_WINDOWS = 160;
/** Windows next to each other that see the same event. */
const ONE_EVENT = 2;
/** With fewer windows than these (10 s) the largest spread counts, even if it came only once. */
const TELLING_WINDOWS = 40;
/** A second. */
const LAST_WINDOWS = 4;
const MARGIN_MS = 3.5;
/** Share of that spread's distance from the mean one that is added to the margin, and the most of it. */
const TAIL = 0.75;
const MOST_TAIL_MS = 3;
const CEILING_MS = 150;
/** A gain smaller than this is not worth leaving the exact copying for. */
const WORTHWHILE_MS = 2.5;
const SHRINK_MS_PER_S = 1;
/** Lateness up to this is jitter; beyond it is an outage: a ring that bridged those would be no faster than Listen. */
const JITTER_MS = 45;
/** The most that one late block adds: a rare hiccup must not cost everybody a tenth of a second. */
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
  /** The start is over: what is seen from now on is usual. */
  #calm = false;
  /** After a start the rest of a backlog still comes in: that is no spread. */
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

  /** The level that is held, where it is known better than from the last readings; negative if not. */
  centre = -1;

  get frames() {
    return this.#frames;
  }

  /**
   * Tells the level around one quantum.
   *
   * @param {number} before
   * @param {number} after what was left; below 0 it would have been too late
   */
  observe(before, after) {
    this.#sum += before;
    this.#count += 1;
    if (after < this.#low) this.#low = after;
    this.#passed += before - after;
    if (this.#passed >= WINDOW_S * this.#rate) this.#close();
  }

  /**
   * A block, or all of them, came too late by so many frames.
   *
   * @param {number} late
   */
  missed(late) {
    if (late * 1000 > JITTER_MS * this.#rate) return;
    const wanted = Math.min(this.#ceiling, this.#frames + Math.min(late, (MOST_AT_ONCE_MS * this.#rate) / 1000));
    this.#hold(wanted - this.#reserve());
    this.#frames = Math.max(this.#frames, wanted);
  }

  /** What was learnt so far was the commotion of a start; only the last second of it still counts. */
  calm() {
    this.#calm = true;
    for (let back = 0; back < HELD_WINDOWS; back += 1) {
      const at = (this.#next + back) % HELD_WINDOWS;
      if (back < HELD_WINDOWS - LAST_WINDOWS) this.#spreads[at] = 0;
    }
    this.#frames = Math.min(this.#frames, Math.max(this.#first, this.#wanted()));
  }

  /** The level jumps for a known reason (a start, a trim): the mean begins anew. */
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
    // Against the lower of the two: a level that jumps up, after this machine slept, is a backlog and no risk.
    this.#hold((this.centre < 0 ? Math.min(mean, this.#mean < 0 ? mean : this.#mean) : this.centre) - low);
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

  /** The largest spread that came twice: the second largest, unless it is still the same event. */
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

  /** What lies in the ring beyond that: the margin, and the more the further the largest stand out from the others. */
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
