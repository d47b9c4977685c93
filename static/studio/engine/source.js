// @ts-check
/**
 * The stream as one line without holes: frames of the ring where it has them, a bridge where it has not, and a cross-fade
 * where playing jumps to another position, or hears the last frames once more. The line's last frames lie in a circle and are counted by an index of their own,
 * so that the interpolation sees an unbroken past. Pure, and without allocation after the start.
 */

import { Bridge } from "./bridge.js";

/** @typedef {import("./ring.js").Ring} Ring */

const SIZE = 8_192;
export const LINE_MASK = SIZE - 1;
const JUMP_FADE = 192;

export class Source {
  #ring;
  #bridge = new Bridge();
  /** During a jump: position of the frames that are faded out. */
  #leaving = 0;
  #fading = 0;
  /** Frames to come that were heard before. */
  #again = 0;
  #broken = 0;
  /** Whether a frame has come at all; silence before the first one is no gap. */
  #begun = false;
  /** The line: the frame of an index lies at `index & LINE_MASK`. */
  left = new Float32Array(SIZE);
  right = new Float32Array(SIZE);
  /** Index after the last frame of the line. */
  end = 0;
  /** Position in the ring of the frame that comes next. */
  position = 0;
  /** Frames since the start that had not come when they were due. */
  lostFrames = 0;
  /** Frames since the start that were made up: lost ones, those of underruns, and those that were heard once more. */
  concealed = 0;
  /** The longest run of made-up frames. */
  longestGap = 0;
  /** Index after the last frame of the line that was made up or cross-faded: from here on all are as they came. */
  alteredEnd = 0;

  /** @param {Ring} ring */
  constructor(ring) {
    this.#ring = ring;
    this.#bridge.fromSilence();
  }

  /**
   * Goes on at another position: with a cross-fade while the line plays, and at once after silence.
   *
   * @param {number} position
   */
  jump(position) {
    if (!this.#bridge.active && this.#fading === 0 && position !== this.position) {
      this.#leaving = this.position;
      this.#fading = JUMP_FADE;
    }
    this.#again = Math.max(0, this.#again + this.position - position);
    this.position = position;
  }

  /**
   * Nothing comes after the last frame yet: the line goes on with the frames before it, heard once more.
   *
   * @param {number} count of them; all are in the ring
   */
  repeat(count) {
    this.#bridge.begin(this.left, this.right, this.end);
    this.#fading = 0;
    this.#again = count;
    this.position -= count;
  }

  /**
   * Takes frames from the ring.
   *
   * @param {number} count
   */
  take(count) {
    for (let i = 0; i < count; i += 1) {
      const slot = this.#ring.slotOf(this.position);
      if (slot < 0) {
        this.lostFrames += 1;
        this.#conceal();
      } else {
        this.#real(slot);
      }
      this.position += 1;
    }
  }

  /**
   * Lets the line grow without the ring, which is empty: the sound dies away, and then there is silence.
   *
   * @param {number} count
   */
  starve(count) {
    this.#fading = this.#again = 0;
    for (let i = 0; i < count; i += 1) this.#conceal();
  }

  /** @param {number} slot */
  #real(slot) {
    const at = this.end & LINE_MASK;
    let left = this.#ring.left[slot] ?? 0;
    let right = this.#ring.right[slot] ?? 0;
    if (this.#fading > 0) {
      const share = this.#fading / (JUMP_FADE + 1);
      const other = this.#ring.slotOf(this.#leaving);
      left = left * (1 - share) + (other < 0 ? 0 : (this.#ring.left[other] ?? 0)) * share;
      right = right * (1 - share) + (other < 0 ? 0 : (this.#ring.right[other] ?? 0)) * share;
      this.#leaving += 1;
      this.#fading -= 1;
      this.alteredEnd = this.end + 1;
    }
    if (this.#bridge.active) {
      left = this.#bridge.into(0, left);
      right = this.#bridge.into(1, right);
      this.#bridge.advance(true);
      this.alteredEnd = this.end + 1;
    }
    this.#begun = true;
    this.left[at] = left;
    this.right[at] = right;
    this.end += 1;
    if (this.#again > 0) {
      this.#again -= 1;
      this.#madeUp();
    } else {
      this.#broken = 0;
    }
  }

  #conceal() {
    if (!this.#bridge.active) this.#bridge.begin(this.left, this.right, this.end);
    const at = this.end & LINE_MASK;
    this.left[at] = this.#bridge.alone(0);
    this.right[at] = this.#bridge.alone(1);
    this.#bridge.advance(false);
    this.end += 1;
    this.#madeUp();
  }

  #madeUp() {
    this.alteredEnd = this.end;
    if (!this.#begun) return;
    this.concealed += 1;
    this.#broken += 1;
    if (this.#broken > this.longestGap) this.longestGap = this.#broken;
  }
}
