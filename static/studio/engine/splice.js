// @ts-check
/**
 * Lets two streams of the same sound take turns in one ring: the exact samples, and light, which is compressed and comes some
 * milliseconds later. Both are placed by the same clock, so that a change is a cross-fade of two copies of the same moment. Pure.
 *
 *   free       nobody has said anything yet: what comes first is written
 *   exact      only the samples are written
 *   guard      the samples are heard, and light fills their holes
 *   join       the samples are heard, and light is awaited
 *   joined     light has caught up and fills the holes of the samples; the level is measured by light, so that the ring grows to what
 *              light needs before it is left alone
 *   to-light   from the seam on light is written, over the seam both are mixed; the samples are written up to its end
 *   light      only light is written
 *   trial      only light is written; the samples are counted
 *   to-exact   from the seam on the samples are written, over the seam both are mixed; light is written up to its end
 *
 * Which of the two comes first over the seam does not matter: it is written as it is, and mixed once the other one has come. What
 * only one of them brought is heard as that one brought it.
 */

import { sampleAt } from "./payload.js";
import { Control, Figure } from "./slots.js";

/** @typedef {import("./ring.js").Ring} Ring */
/** @typedef {"free" | "exact" | "join" | "joined" | "to-light" | "light" | "trial" | "to-exact" | "guard"} Turn */

/** In the order of their numbers, by which the page is told. @type {readonly Turn[]} */
export const TURNS = Object.freeze(/** @type {const} */ (["free", "exact", "join", "joined", "to-light", "light", "trial", "to-exact", "guard"]));

/** Frames of the cross-fade: 5 ms at 44.1 kHz. */
export const SEAM = 220;
/** A stream that has not passed the seam when the other one is so many frames behind it comes no more: 20 ms at 44.1 kHz. */
const PATIENCE = 882;
/** Light is there when it is at most so many frames behind the samples, for it begins with what is past: 20 ms at 44.1 kHz. */
const CAUGHT_UP = 882;

export class Splice {
  #ring;
  /** @type {Turn} */
  #turn;
  /** Position of the seam's first frame, where there is one. */
  #seam = 0;
  #newest = { exact: 0, light: 0 };
  /** @type {"exact" | "light"} which one came last */
  #last = "exact";
  /** Over the seam: what each has brought, left before right, and which frames. */
  #sound = { exact: new Float32Array(2 * SEAM), light: new Float32Array(2 * SEAM) };
  #there = { exact: new Uint8Array(SEAM), light: new Uint8Array(SEAM) };
  /** Bits of the samples. */
  bits = 0;

  /**
   * @param {Ring} ring
   * @param {Turn} [turn]
   */
  constructor(ring, turn = "free") {
    this.#ring = ring;
    this.#turn = turn;
  }

  get turn() {
    return this.#turn;
  }

  /** What is heard, or is being changed to. @returns {"exact" | "light" | "any"} */
  get heard() {
    if (this.#turn === "free") return "any";
    return this.#turn === "light" || this.#turn === "trial" || this.#turn === "to-light" ? "light" : "exact";
  }

  /** Position after the newest frame of the samples. */
  get newestExact() {
    return this.#newest.exact;
  }

  /** Position after the newest frame of light. */
  get newestLight() {
    return this.#newest.light;
  }

  /**
   * Goes on in another way: at once, and over "to-light" and "to-exact" by a cross-fade right behind what has come already. These
   * two end by themselves.
   *
   * @param {Turn} turn
   */
  turnTo(turn) {
    if (turn === this.#turn) return;
    if (turn === "to-light" || turn === "to-exact") {
      if (`to-${this.#turn}` === turn) return;
      // Behind what either has brought, so that the ring holds none of the seam yet.
      this.#seam = Math.max(this.#newest.exact, this.#newest.light);
      this.#there.exact.fill(0);
      this.#there.light.fill(0);
    }
    this.#turn = turn;
    this.#tell();
  }

  /** All positions begin anew: another generation has begun there. @param {number} start */
  begin(start) {
    this.#newest.exact = this.#newest.light = start;
    if (this.#turn === "to-light") this.#turn = "light";
    if (this.#turn === "to-exact") this.#turn = "exact";
    if (this.#turn === "joined") this.#turn = "join";
    this.#tell();
  }

  /**
   * A block of the samples.
   *
   * @param {number} position of its first frame
   * @param {number} frames
   * @param {Uint8Array} bytes interleaved stereo samples
   * @param {number} at where they begin
   * @param {16 | 24} bits
   * @returns {number} frames that were new
   */
  exact(position, frames, bytes, at, bits) {
    const end = position + frames;
    if (this.#turn === "light") return 0;
    if (this.#turn === "trial" || this.#turn === "guard") {
      const fresh = Math.max(0, Math.min(frames, end - this.#newest.exact));
      Atomics.add(this.#ring.control, Control.besideCame, fresh);
      if (this.#turn === "trial") return fresh;
    }
    const width = 2 * (bits >> 3);
    const from = this.#turn === "to-exact" ? this.#seam : -Infinity;
    const to = this.#turn === "to-light" ? this.#seam + SEAM : Infinity;
    const first = Math.max(position, from);
    const last = Math.min(end, to);
    if (first >= last) return 0;
    if (!this.#overSeam(first, last)) return this.#ring.write(first, last - first, bytes, at + (first - position) * width, bits);
    let added = 0;
    for (let frame = first; frame < last; frame += 1) {
      const byte = at + (frame - position) * width;
      added += this.#put("exact", frame, sampleAt(bytes, byte, bits), sampleAt(bytes, byte + width / 2, bits));
    }
    return added;
  }

  /**
   * Frames of light.
   *
   * @param {number} position of the first
   * @param {number} frames
   * @param {Float32Array} left
   * @param {Float32Array} right
   * @returns {number} frames that were new
   */
  light(position, frames, left, right) {
    if (this.#turn === "exact") return 0;
    const to = this.#turn === "to-exact" ? this.#seam + SEAM : Infinity;
    let added = 0;
    for (let i = 0; i < frames && position + i < to; i += 1) added += this.#put("light", position + i, left[i] ?? 0, right[i] ?? 0);
    return added;
  }

  /**
   * A stream has come so far.
   *
   * @param {"exact" | "light"} stream
   * @param {number} end position after its newest frame
   * @param {number} frames of a block
   * @param {number} wallMs when it came, ms since 1970
   */
  reached(stream, end, frames, wallMs) {
    if (end <= this.#newest[stream]) return;
    this.#newest[stream] = end;
    this.#last = stream;
    if (this.#turn === "join" && stream === "light" && end > this.#newest.exact - CAUGHT_UP) this.#turn = "joined";
    if (this.#turn === "to-light" && this.#crossed("light", "exact")) this.#turn = "light";
    if (this.#turn === "to-exact" && this.#crossed("exact", "light")) this.#turn = "exact";
    if (stream === this.#measured) {
      this.#ring.figures[Figure.newestMs] = wallMs;
      if (this.#ring.load(Control.blockFrames) !== frames) this.#ring.store(Control.blockFrames, frames);
    }
    this.#tell();
  }

  /**
   * Whether the seam is over: both have passed it, or the one that is left does not come any more.
   *
   * @param {"exact" | "light"} to
   * @param {"exact" | "light"} from
   */
  #crossed(to, from) {
    const end = this.#seam + SEAM;
    return this.#newest[to] >= end && (this.#newest[from] >= end || this.#newest[to] >= end + PATIENCE);
  }

  /** The stream that the ring's level is measured by. */
  get #measured() {
    if (this.#turn === "free") return this.#last;
    return this.#turn === "exact" || this.#turn === "guard" || this.#turn === "join" || this.#turn === "to-exact" ? "exact" : "light";
  }

  #tell() {
    const ring = this.#ring;
    const { exact, light } = this.#newest;
    const alone = this.#turn === "light" || this.#turn === "trial" ? light : this.#turn === "exact" ? exact : -1;
    ring.storePosition(Control.covered, alone < 0 ? Math.max(exact, light) : alone);
    ring.storePosition(Control.newest, this.#turn === "free" ? Math.max(exact, light) : this.#newest[this.#measured]);
    ring.storePosition(Control.besideEnd, exact);
    ring.store(Control.turn, TURNS.indexOf(this.#turn));
    const compressed = this.#turn === "light" || this.#turn === "trial" || (this.#turn === "free" && this.#last === "light");
    ring.store(Control.bits, compressed ? 0 : this.bits);
  }

  /**
   * @param {number} first
   * @param {number} last
   */
  #overSeam(first, last) {
    if (this.#turn !== "to-light" && this.#turn !== "to-exact") return false;
    return first < this.#seam + SEAM && last > this.#seam;
  }

  /**
   * @param {"exact" | "light"} stream
   * @param {number} position
   * @param {number} left
   * @param {number} right
   * @returns {number} 1 for a new frame
   */
  #put(stream, position, left, right) {
    const ring = this.#ring;
    const known = ring.slotOf(position) >= 0;
    const place = position - this.#seam;
    if (!this.#overSeam(position, position + 1)) {
      if (!known) ring.put(position, left, right);
      return known ? 0 : 1;
    }
    const other = stream === "exact" ? "light" : "exact";
    if (this.#there[stream][place]) return 0;
    this.#there[stream][place] = 1;
    this.#sound[stream][2 * place] = left;
    this.#sound[stream][2 * place + 1] = right;
    if (!this.#there[other][place]) {
      ring.put(position, left, right);
      return known ? 0 : 1;
    }
    // Both are the same sound: their amplitudes add up to one.
    const risen = (place + 1) / (SEAM + 1);
    const share = (this.#turn === "to-exact") === (stream === "exact") ? risen : 1 - risen;
    const rest = this.#sound[other];
    ring.put(position, share * left + (1 - share) * (rest[2 * place] ?? 0), share * right + (1 - share) * (rest[2 * place + 1] ?? 0));
    return known ? 0 : 1;
  }
}
