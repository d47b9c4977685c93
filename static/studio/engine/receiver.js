// @ts-check
/**
 * Puts payloads into the ring: places each block at its position, takes what it lacked from the repeats, and begins a
 * new generation when the capture begins anew. It runs in the transform's worker, or in the worklet where there is no
 * shared memory. Pure: bytes and the time go in.
 */

import { Histogram } from "./histogram.js";
import { readPayload } from "./payload.js";
import { CAPACITY } from "./ring.js";
import { Control, Figure } from "./slots.js";

/** @typedef {import("./payload.js").Block} Block */
/** @typedef {import("./ring.js").Ring} Ring */

/** A block further than this from the newest, in frames, belongs to no stream that could still be played. */
const REACH = CAPACITY / 2;
/** After this many blocks in a row from out of reach the stream is taken up where they are. */
const STRAYS = 16;
/** Lateness is measured against the quickest block of this span, in ms. */
const JITTER_SPAN_MS = 4_000;
const RTP_RATE = 48_000;
const RTP_MODULUS = 2 ** 32;

export class Receiver {
  #ring;
  /** @type {Block | null} of the newest block */
  #newestBlock = null;
  /** Position = device frame number − this. */
  #offset = 0;
  #newest = 0;
  #generation = 0;
  #strays = 0;
  #jitter = new Histogram(0.25, 400);
  #turnedMs = -Infinity;
  #quickest = [Infinity, Infinity];
  #quickestSilence = Infinity;
  #slowestSilence = -Infinity;

  /** @param {Ring} ring an empty one */
  constructor(ring) {
    this.#ring = ring;
    ring.figures[Figure.rtpAtZero] = NaN;
  }

  /**
   * @param {Uint8Array} bytes a payload
   * @param {number} nowMs monotonic
   * @param {number} [rtp] its RTP timestamp
   * @param {number} [wallMs] since 1970
   */
  take(bytes, nowMs, rtp, wallMs = NaN) {
    const ring = this.#ring;
    const block = readPayload(bytes);
    if (typeof block === "string") {
      ring.count(Control.invalid);
      return;
    }
    ring.count(Control.payloads);
    if (!this.#place(block)) return;
    const position = block.firstFrame - this.#offset;
    if (rtp !== undefined && !block.repeat) this.#stamp(position, block.rate, rtp);
    const fate = this.#write(block, position, bytes, block.samplesAt);
    if (fate === "known" && !block.repeat) ring.count(Control.duplicates);
    const overtaken = position + block.frames <= this.#newest;
    // A block that the server sent again is not marked. It is recognised by newer blocks that came before it.
    if (fate === "new" && (block.repeat || overtaken)) ring.count(Control.repaired);
    // A repeat comes late by design, so its arrival says nothing about the network.
    if (fate !== "known" && !block.repeat) this.#arrived(position + block.frames, block.rate, nowMs);
    if (block.previousAt !== null) {
      if (this.#write(block, position - block.frames, bytes, block.previousAt) === "new") ring.count(Control.repaired);
    }
    const end = position + block.frames;
    if (end > this.#newest) {
      this.#newest = end;
      this.#newestBlock = block;
      ring.storePosition(Control.newest, end);
      ring.figures[Figure.newestMs] = wallMs;
    }
  }

  /**
   * Takes in a frame of ordinary audio, as they come before the PCM: its arrival shows how evenly the network delivers.
   *
   * @param {number} nowMs
   * @param {number} [rtp] its timestamp
   */
  silence(nowMs, rtp) {
    this.#ring.count(Control.silence);
    if (rtp === undefined) return;
    const transit = nowMs - rtp / (RTP_RATE / 1000);
    this.#quickestSilence = Math.min(this.#quickestSilence, transit);
    this.#slowestSilence = Math.max(this.#slowestSilence, transit);
    const spread = this.#slowestSilence - this.#quickestSilence;
    // When the timestamp wraps, the spread jumps by 2³² samples (a day): such a value is left out.
    if (spread < 1_000) this.#ring.figures[Figure.jitterMs] = spread;
  }

  /**
   * Gives a block its place in this generation, or begins a new one with it.
   *
   * @param {Block} block
   * @returns {boolean} false when it comes from an earlier one
   */
  #place(block) {
    const newest = this.#newestBlock;
    if (newest === null) {
      this.#begin(block);
      return true;
    }
    if (block.epoch !== newest.epoch || block.rate !== newest.rate) {
      // Epochs only rise; a late block of the one before is not a step back (serial numbers as in RFC 1982).
      if (block.epoch !== newest.epoch && ((block.epoch - newest.epoch) | 0) < 0) return this.#stray(block);
      this.#begin(block);
      return true;
    }
    const ahead = block.firstFrame - this.#offset - this.#newest;
    if (Math.abs(ahead) > REACH) return this.#stray(block);
    this.#strays = 0;
    return true;
  }

  /**
   * @param {Block} block from out of reach
   * @returns {boolean} whether it is to be played after all: the stream has moved there
   */
  #stray(block) {
    this.#ring.count(Control.late);
    this.#strays += 1;
    if (this.#strays < STRAYS) return false;
    this.#begin(block);
    return true;
  }

  /**
   * A new generation begins with this block.
   *
   * @param {Block} block
   */
  #begin(block) {
    const ring = this.#ring;
    // Frames of the old generation that are still in flight are behind this, wherever the reader is.
    const start = this.#newest + REACH;
    this.#offset = block.firstFrame - start;
    this.#newest = start;
    this.#newestBlock = block;
    this.#strays = 0;
    this.#generation += 1;
    this.#forgetJitter();
    ring.figures[Figure.frameOffset] = this.#offset;
    ring.figures[Figure.epoch] = block.epoch;
    ring.figures[Figure.rtpAtZero] = NaN;
    ring.store(Control.bits, block.bits);
    ring.store(Control.rate, block.rate);
    ring.storePosition(Control.start, start);
    ring.storePosition(Control.newest, start);
    ring.store(Control.generation, this.#generation);
  }

  /**
   * @param {Block} block
   * @param {number} position
   * @param {Uint8Array} bytes
   * @param {number} at
   * @returns {"new" | "known" | "late"} late: the reader has passed its first frame
   */
  #write(block, position, bytes, at) {
    const ring = this.#ring;
    const late = ring.loadPosition(Control.reader, position) - position;
    const added = ring.write(position, block.frames, bytes, at, block.bits);
    if (ring.load(Control.blockFrames) !== block.frames) ring.store(Control.blockFrames, block.frames);
    // A block that was there already may come again as late as it likes.
    if (!added) return "known";
    if (late <= 0 || late > REACH) return "new";
    ring.store(Control.lateBy, late);
    ring.count(Control.late);
    return "late";
  }

  /**
   * @param {number} position
   * @param {number} rate
   * @param {number} rtp
   */
  #stamp(position, rate, rtp) {
    const known = this.#ring.figures[Figure.rtpAtZero] ?? NaN;
    const atZero = modulo(rtp - Math.round((position * RTP_RATE) / rate), RTP_MODULUS);
    const moved = Math.abs(modulo(atZero - known + RTP_MODULUS / 2, RTP_MODULUS) - RTP_MODULUS / 2);
    // Rounding moves the value by one; a larger change means that the stream was placed anew.
    if (!(moved <= 2)) this.#ring.figures[Figure.rtpAtZero] = atZero;
  }

  /**
   * @param {number} end position after the block's last frame, whose capture is the earliest time at which it can arrive
   * @param {number} rate
   * @param {number} nowMs
   */
  #arrived(end, rate, nowMs) {
    if (nowMs - this.#turnedMs >= JITTER_SPAN_MS) {
      this.#turnedMs = nowMs;
      this.#jitter.turn();
      this.#quickest.reverse();
      this.#quickest[0] = Infinity;
    }
    const transit = nowMs - (end / rate) * 1000;
    this.#quickest[0] = Math.min(this.#quickest[0] ?? Infinity, transit);
    this.#jitter.add(transit - Math.min(this.#quickest[0], this.#quickest[1] ?? Infinity));
    if (this.#jitter.count % 32 === 0) this.#ring.figures[Figure.jitterMs] = this.#jitter.percentile(0.95);
  }

  #forgetJitter() {
    this.#jitter.clear();
    this.#quickest = [Infinity, Infinity];
    this.#turnedMs = -Infinity;
  }
}

/**
 * @param {number} value
 * @param {number} by
 */
function modulo(value, by) {
  return ((value % by) + by) % by;
}
