// @ts-check
/**
 * Puts the frames of Studio light in order for a decoder, which takes them one after the other: what came twice is left out,
 * what is missing is waited for as long as its time has not come, and then made up. Pure.
 *
 * Times are samples at 48 kHz since the first frame.
 */

/** @typedef {import("./red.js").Frame} Frame */

/**
 * @typedef {object} Step what is to be decoded next
 * @property {number} at its time
 * @property {number} samples
 * @property {Uint8Array | null} payload null: nothing came, so many samples are to be made up
 */

const RTP_MODULUS = 2 ** 32;
/** Frames that wait for one before them. */
const MAX_WAITING = 64;
/** More than this is not made up: the sound has died away by then (samples). */
export const MOST_MADE_UP = 2_880;
/** A frame further than this from the last one belongs to no stream that could still be played (samples). */
const REACH = 24_000;
/** After this many frames in a row from out of reach the stream is taken up where they are. */
const STRAYS = 16;
/** A packet that has not come by itself so long after the next ones is lost, and not only late (samples). */
const LOST_AFTER = 9_600;

export class Order {
  /** @type {Map<number, Frame>} by time */
  #waiting = new Map();
  /** @type {Set<number>} times whose own packet has not come */
  #missing = new Set();
  /** @type {Set<number>} times of frames that were made up */
  #madeUp = new Set();
  #origin = NaN;
  #strays = 0;
  /** Time of the frame that is to be decoded next. */
  next = 0;
  /** Time after the newest frame that has come. */
  end = 0;
  /** Samples of the last frame. */
  samples = 0;
  /** Packets that came by themselves. */
  packets = 0;
  /** Packets that did not. */
  missed = 0;
  /** Frames that only a repeat brought in time. */
  repaired = 0;

  /** RTP timestamp of the time 0, modulo 2^32; NaN before the first frame. */
  get rtpAtZero() {
    return this.#origin;
  }

  /**
   * @param {Frame} frame
   * @param {boolean} repeat whether it came in a later packet than its own
   * @returns {"new" | "known" | "late" | "anew"} late: it was made up already; anew: the stream begins, or goes on elsewhere
   */
  take(frame, repeat) {
    const ahead = Number.isNaN(this.#origin) ? NaN : signed(frame.rtp - this.#origin - this.end);
    if (!(Math.abs(ahead) <= REACH)) {
      if (repeat) return "known";
      this.#strays += 1;
      return Number.isNaN(ahead) || this.#strays >= STRAYS ? this.#begin(frame) : "known";
    }
    const at = this.end + ahead;
    if (!repeat) this.#came(at, frame.samples);
    if (at < this.next) return !repeat && this.#madeUp.delete(at) ? "late" : "known";
    if (this.#waiting.has(at) || this.#waiting.size >= MAX_WAITING) return "known";
    this.#waiting.set(at, frame);
    this.end = Math.max(this.end, at + frame.samples);
    return "new";
  }

  /** Time of the earliest frame that waits for those before it; null while none does. */
  get waiting() {
    if (this.#waiting.size === 0 || this.#waiting.has(this.next)) return null;
    return Math.min(...this.#waiting.keys());
  }

  /**
   * What comes next, if it is there.
   *
   * @returns {Step | null}
   */
  step() {
    const at = this.next;
    const frame = this.#waiting.get(at);
    if (!frame) return null;
    this.#waiting.delete(at);
    this.next = at + frame.samples;
    if (this.#missing.has(at)) this.repaired += 1;
    return { at, samples: frame.samples, payload: frame.payload };
  }

  /**
   * Waits no longer for what is missing.
   *
   * @returns {Step[]} what to make up, frame by frame; none where too much is missing: then the sound goes on after a gap
   */
  giveUp() {
    const from = this.next;
    const to = this.waiting ?? from;
    this.next = to;
    if (to - from > MOST_MADE_UP) return [];
    const steps = [];
    for (let at = from; at < to; at += this.samples) {
      this.#madeUp.add(at);
      if (this.#madeUp.size > MAX_WAITING) this.#madeUp.delete([...this.#madeUp][0] ?? NaN);
      steps.push({ at, samples: Math.min(this.samples, to - at), payload: null });
    }
    return steps;
  }

  /**
   * A packet came by itself.
   *
   * @param {number} at
   * @param {number} samples
   */
  #came(at, samples) {
    this.#strays = 0;
    if (!this.#missing.delete(at) && at < this.#newest) return;
    this.packets += 1;
    this.samples = samples;
    for (let gap = this.#newest; gap < at; gap += samples) this.#missing.add(gap);
    this.#newest = Math.max(this.#newest, at + samples);
    for (const old of this.#missing) {
      // In the order in which they were added, which is that of time.
      if (old > at - LOST_AFTER) break;
      this.#missing.delete(old);
      this.missed += 1;
    }
  }

  /** Time after the newest packet that came by itself. */
  #newest = 0;

  /** Begins anew with the next packet. */
  forget() {
    this.#origin = NaN;
  }

  /** @param {Frame} frame @returns {"anew"} */
  #begin(frame) {
    this.#waiting.clear();
    this.#missing.clear();
    this.#madeUp.clear();
    this.#origin = frame.rtp;
    this.next = this.#newest = 0;
    this.#came(0, frame.samples);
    this.end = frame.samples;
    this.#waiting.set(0, frame);
    return "anew";
  }
}

/** @param {number} value @returns {number} the same modulo 2^32, from −2^31 to just below 2^31 */
function signed(value) {
  const rest = ((value % RTP_MODULUS) + RTP_MODULUS) % RTP_MODULUS;
  return rest >= RTP_MODULUS / 2 ? rest - RTP_MODULUS : rest;
}
