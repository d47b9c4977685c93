// @ts-check
/**
 * Puts payloads into the ring: places each block at its position, takes what it lacked from the repeats, and begins a
 * new generation when the capture begins anew. It runs in the transform's worker, or in the worklet where there is no
 * shared memory. Pure: bytes and the time go in.
 */

import { Arrivals } from "./arrivals.js";
import { readPayload, sampleAt } from "./payload.js";
import { CAPACITY } from "./ring.js";
import { RTP_RATE, RtpLine } from "./rtp.js";
import { Control, Figure } from "./slots.js";

/** @typedef {import("./payload.js").Block} Block */
/** @typedef {import("./ring.js").Ring} Ring */

/** A block further than this from the newest, in frames, belongs to no stream that could still be played. */
const REACH = CAPACITY / 2;
/** Frames of the cross-fade between exact samples and light. */
const FADE = 256;
const LEAST_FADE = 16;
/** After this many blocks in a row from out of reach the stream is taken up where they are. */
const STRAYS = 16;
/** As `Figure.phase`. */
const PLAYING = 2;
const QUANTUM = 128;
/** How long what is missing is waited for before playing begins, in ms. */
const FILLING_SLACK_MS = 10;
/** Time that making something up takes, with all that may come between, in ms. */
const MAKING_MS = 2;

export class Receiver {
  #ring;
  /** @type {Block | null} of the newest block */
  #newestBlock = null;
  /** Position = device frame number − this. */
  #offset = 0;
  #newest = 0;
  #generation = 0;
  #strays = 0;
  #arrivals;
  #rtp;
  /** Position of frame 0 of Studio light; NaN where it has not begun in this generation. */
  #lightAt = NaN;
  /** Where light, and the exact samples, end that have come so far in this generation. */
  #lightEnd = -1;
  #exactEnd = -1;
  /** Where exact samples begin to be faded in; NaN before the first of them comes. */
  #fadeFrom = NaN;
  #fading = { left: new Float32Array(FADE), right: new Float32Array(FADE) };
  /** The generation that exact samples have a place in. */
  #exactIn = 0;

  /** @param {Ring} ring an empty one */
  constructor(ring) {
    this.#ring = ring;
    this.#rtp = new RtpLine(ring);
    this.#arrivals = new Arrivals(ring);
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
    if (!this.#place(block, rtp)) return;
    const position = block.firstFrame - this.#offset;
    if (rtp !== undefined && !block.repeat) this.#rtp.stamp(position, block.rate, rtp);
    if (position < this.#lightEnd) this.#fadeIn(block, position, bytes);
    const fate = this.#write(block, position, bytes, block.samplesAt);
    if (fate === "known" && !block.repeat) ring.count(Control.duplicates);
    const overtaken = position + block.frames <= this.#newest;
    // A block that the server sent again is not marked. It is recognised by newer blocks that came before it.
    if (fate === "new" && (block.repeat || overtaken)) ring.count(Control.repaired);
    // A repeat comes late by design, so its arrival says nothing about the network.
    if (fate !== "known" && !block.repeat) this.#arrivals.add(position + block.frames, block.rate, nowMs);
    if (block.previousAt !== null) {
      if (this.#write(block, position - block.frames, bytes, block.previousAt) === "new") ring.count(Control.repaired);
    }
    if (ring.load(Control.bits) !== block.bits) ring.store(Control.bits, block.bits);
    const end = position + block.frames;
    if (end > this.#exactEnd) this.#exactEnd = end;
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
    this.#arrivals.silence(nowMs, rtp);
  }

  /**
   * Gives a block its place in this generation, or begins a new one with it.
   *
   * @param {Block} block
   * @param {number} [rtp] its RTP timestamp
   * @returns {boolean} false when it comes from an earlier one
   */
  #place(block, rtp) {
    const newest = this.#newestBlock;
    if (this.#exactIn !== this.#generation && this.#join(block, rtp)) return true;
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
    const start = this.#start();
    this.#line(block, start);
    this.#rtp.forget();
    this.#announce(start, block.rate, block.bits);
  }

  /**
   * Fades light into the exact samples that follow it.
   *
   * @param {Block} block
   * @param {number} position
   * @param {Uint8Array} bytes
   */
  #fadeIn(block, position, bytes) {
    const { left, right } = this.#fading;
    const width = block.bits >> 3;
    const frames = Math.min(block.frames, FADE);
    for (let frame = 0; frame < frames; frame += 1) {
      const at = block.samplesAt + 2 * frame * width;
      left[frame] = sampleAt(bytes, at, block.bits);
      right[frame] = sampleAt(bytes, at + width, block.bits);
    }
    const end = this.#lightEnd;
    if (Number.isNaN(this.#fadeFrom)) {
      const reader = this.#ring.loadPosition(Control.reader, end);
      // What the next call of the device takes may be on its way already.
      this.#fadeFrom = Math.min(end - LEAST_FADE, Math.max(end - FADE, reader + this.#callFrames));
    }
    this.#ring.fade(position, frames, left, right, end, end - this.#fadeFrom);
  }

  /** Frames that a call of the device takes. */
  get #callFrames() {
    return Math.max(1, this.#ring.figures[Figure.burst] ?? 1) * QUANTUM;
  }

  /**
   * Exact samples go on in a generation that Studio light has begun: where their RTP timestamp is.
   *
   * @param {Block} block
   * @param {number} [rtp]
   * @returns {boolean} false if they cannot
   */
  #join(block, rtp) {
    const position = rtp === undefined || block.repeat ? null : this.#positionOf(rtp, block.rate);
    if (position === null) return false;
    this.#line(block, Math.round(position));
    this.#strays = 0;
    return true;
  }

  /**
   * @param {Block} block the first one of this generation
   * @param {number} position its first frame's
   */
  #line(block, position) {
    this.#offset = block.firstFrame - position;
    this.#newestBlock = block;
    this.#exactIn = this.#generation;
    this.#ring.figures[Figure.frameOffset] = this.#offset;
    this.#ring.figures[Figure.epoch] = block.epoch;
  }

  /** @returns {number} the position at which a new generation begins */
  #start() {
    // Frames of the old generation that are still in flight are behind this, wherever the reader is.
    this.#newest += REACH;
    this.#lightAt = NaN;
    this.#lightEnd = this.#exactEnd = -1;
    this.#strays = 0;
    this.#generation += 1;
    this.#arrivals.forget();
    return this.#newest;
  }

  /**
   * @param {number} start
   * @param {number} rate
   * @param {number} bits
   */
  #announce(start, rate, bits) {
    const ring = this.#ring;
    ring.store(Control.bits, bits);
    ring.store(Control.rate, rate);
    ring.storePosition(Control.start, start);
    ring.storePosition(Control.newest, start);
    ring.store(Control.generation, this.#generation);
  }

  /**
   * Studio light begins: on the line of the exact samples before it, if there are any, else in a new generation.
   *
   * @param {number} rtp timestamp of its frame 0
   * @param {number} rate of the ring, Hz
   * @param {number} block frames of a packet
   * @returns {number} how much later than its timestamp frame 0 lies, in samples at 48 kHz: part of a frame
   */
  beginLight(rtp, rate, block) {
    const ring = this.#ring;
    const position = this.#positionOf(rtp, rate);
    let phase = 0;
    if (position !== null) {
      this.#lightAt = Math.round(position);
      phase = ((this.#lightAt - position) * RTP_RATE) / rate;
      ring.store(Control.bits, 0);
    } else {
      const start = this.#start();
      this.#lightAt = start;
      ring.figures[Figure.frameOffset] = 0;
      this.#rtp.begin(start, rate, rtp);
      this.#announce(start, rate, 0);
    }
    ring.store(Control.blockFrames, block);
    return phase;
  }

  /**
   * @param {number} end a packet of light has come whose sound ends before this frame
   * @param {number} nowMs
   */
  arrivedLight(end, nowMs) {
    // What comes again after exact samples is late by intent.
    const position = this.#lightAt + end;
    if (position > this.#exactEnd) this.#arrivals.add(position, this.#ring.load(Control.rate), nowMs);
  }

  /**
   * @param {number} end the frames before this one are there, or will be when they are due
   * @param {number} wallMs
   */
  reachLight(end, wallMs) {
    const position = this.#lightAt + end;
    if (!(position > this.#newest)) return;
    this.#newest = position;
    this.#ring.storePosition(Control.newest, position);
    this.#ring.figures[Figure.newestMs] = wallMs;
  }

  /**
   * @param {number} first frame of light
   * @param {number} frames
   * @param {Float32Array} left
   * @param {Float32Array} right
   * @param {number} wallMs
   */
  placeLight(first, frames, left, right, wallMs) {
    if (Number.isNaN(this.#lightAt)) return;
    const position = this.#lightAt + first;
    const late = this.#ring.loadPosition(Control.reader, position) - position;
    if (position < this.#exactEnd) this.#ring.fade(position, frames, left, right, this.#exactEnd, FADE);
    this.#lightEnd = position + frames;
    this.#fadeFrom = NaN;
    const added = this.#ring.writeDecoded(position, frames, left, right);
    if (added > 0 && late > 0 && late <= REACH) {
      this.#ring.store(Control.lateBy, late);
      this.#ring.count(Control.late);
    }
    this.reachLight(first + frames, wallMs);
  }

  /**
   * @param {number} slot one of `Control`
   * @param {number} by
   */
  countLight(slot, by) {
    Atomics.add(this.#ring.control, slot, by);
  }

  /** @param {number} ms of sound in a row that the decoder makes up */
  madeUpLight(ms) {
    const { figures } = this.#ring;
    figures[Figure.madeUpMs] = (figures[Figure.madeUpMs] ?? 0) + ms;
    figures[Figure.longestMadeUpMs] = Math.max(figures[Figure.longestMadeUpMs] ?? 0, ms);
  }

  /**
   * How long the reader will not need a frame of light, in ms: it takes what it needs for a call of the device at once.
   *
   * @param {number} frame
   * @param {number} wallMs
   */
  slackMs(frame, wallMs) {
    const ring = this.#ring;
    const { figures } = ring;
    if (figures[Figure.phase] !== PLAYING) return FILLING_SLACK_MS;
    const position = this.#lightAt + frame;
    const ahead = position - ring.loadPosition(Control.reader, position);
    const call = this.#callFrames;
    const calls = Math.floor(Math.max(0, ahead) / call) + 1;
    const callMs = (call / (ring.load(Control.rate) || RTP_RATE)) * 1000;
    return (figures[Figure.aliveMs] ?? 0) + calls * callMs - wallMs - MAKING_MS;
  }

  /**
   * @param {number} rtp
   * @param {number} rate
   * @returns {number | null} the position that this RTP timestamp has in the present generation, with a fraction; null if that
   *   does not go on there
   */
  #positionOf(rtp, rate) {
    if (rate !== this.#ring.load(Control.rate)) return null;
    const position = this.#rtp.positionOf(rtp, rate, this.#newest);
    return Math.abs(position - this.#newest) <= REACH ? position : null;
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
}
