// @ts-check
/**
 * The frames on their way from the network to the loudspeaker, addressed by their position in the stream.
 *
 * One writer, one reader, no locks. Each frame carries a tag with its position, so a block may come late, twice or
 * out of order: it lands in its place, and the reader sees frame by frame what is there. A block that is missing
 * is waited for exactly as long as the reader is not there yet, and never longer.
 *
 * The memory is a SharedArrayBuffer between worker and worklet, or plain memory inside the worklet where pages are
 * not cross-origin isolated (blocks then come by MessagePort). The code is the same: atomics work on both.
 */

import { sampleAt } from "./payload.js";
import { CONTROLS, FIGURES, POSITION_MODULUS } from "./slots.js";

/** Frames: 0.74 s at 44.1 kHz. A power of two. */
export const CAPACITY = 32_768;
const MASK = CAPACITY - 1;
const FIGURES_AT = CONTROLS * 4;
const TAGS_AT = FIGURES_AT + FIGURES * 8;
const LEFT_AT = TAGS_AT + CAPACITY * 4;
const RIGHT_AT = LEFT_AT + CAPACITY * 4;
/** Bytes of the control and figure slots, which lie at the beginning. */
export const HEAD_BYTES = TAGS_AT;
/** Bytes of memory that a ring needs. */
export const RING_BYTES = RIGHT_AT + CAPACITY * 4;

export class Ring {
  /** @param {ArrayBufferLike} memory of RING_BYTES, all zero at first */
  constructor(memory) {
    this.memory = memory;
    this.control = new Int32Array(memory, 0, CONTROLS);
    this.figures = new Float64Array(memory, FIGURES_AT, FIGURES);
    this.tags = new Int32Array(memory, TAGS_AT, CAPACITY);
    this.left = new Float32Array(memory, LEFT_AT, CAPACITY);
    this.right = new Float32Array(memory, RIGHT_AT, CAPACITY);
  }

  /**
   * Writes those frames of a block that are not there yet.
   *
   * @param {number} position of the first frame
   * @param {number} frames
   * @param {Uint8Array} bytes interleaved stereo samples
   * @param {number} at where they begin
   * @param {16 | 24} bits
   * @returns {number} frames that were new
   */
  write(position, frames, bytes, at, bits) {
    const width = bits >> 3;
    let added = 0;
    let tag = tagOf(position);
    let slot = position & MASK;
    for (let frame = 0; frame < frames; frame += 1) {
      if (this.tags[slot] !== tag) {
        this.left[slot] = sampleAt(bytes, at, bits);
        this.right[slot] = sampleAt(bytes, at + width, bits);
        // The tag is stored last, and atomically: a reader that sees it sees the samples, too.
        Atomics.store(this.tags, slot, tag);
        added += 1;
      }
      at += 2 * width;
      slot = (slot + 1) & MASK;
      tag = tag === POSITION_MODULUS ? 1 : tag + 1;
    }
    return added;
  }

  /**
   * Writes one frame, whether one was there or not.
   *
   * @param {number} position
   * @param {number} left
   * @param {number} right
   */
  put(position, left, right) {
    const slot = position & MASK;
    this.left[slot] = left;
    this.right[slot] = right;
    Atomics.store(this.tags, slot, tagOf(position));
  }

  /**
   * @param {number} position
   * @returns {number} the slot of the frame, or −1 while it is not there
   */
  slotOf(position) {
    const slot = position & MASK;
    return Atomics.load(this.tags, slot) === tagOf(position) ? slot : -1;
  }

  /**
   * @param {number} slot one of `Control`
   */
  load(slot) {
    return Atomics.load(this.control, slot);
  }

  /**
   * @param {number} slot one of `Control`
   * @param {number} value
   */
  store(slot, value) {
    Atomics.store(this.control, slot, value);
  }

  /**
   * @param {number} slot one of `Control`
   */
  count(slot) {
    Atomics.add(this.control, slot, 1);
  }

  /**
   * @param {number} slot one of `Control`
   * @param {number} position
   */
  storePosition(slot, position) {
    Atomics.store(this.control, slot, position % POSITION_MODULUS);
  }

  /**
   * @param {number} slot one of `Control`
   * @param {number} near a position less than 2^29 frames away: three hours at 44.1 kHz
   */
  loadPosition(slot, near) {
    return nearest(Atomics.load(this.control, slot), near);
  }
}

/**
 * A frame's tag: never 0, which is what empty memory holds.
 *
 * @param {number} position
 */
function tagOf(position) {
  return (position % POSITION_MODULUS) + 1;
}

/**
 * @param {number} value a position modulo 2^30
 * @param {number} near
 * @returns {number} the position that has this value and is nearest to `near`
 */
export function nearest(value, near) {
  let ahead = (value - near) % POSITION_MODULUS;
  if (ahead < -POSITION_MODULUS / 2) ahead += POSITION_MODULUS;
  else if (ahead >= POSITION_MODULUS / 2) ahead -= POSITION_MODULUS;
  return near + ahead;
}
