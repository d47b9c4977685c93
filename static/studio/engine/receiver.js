// @ts-check
/**
 * Puts payloads into the ring: places each block at its position, takes what it lacked from the repeats, and begins a
 * new generation when the capture begins anew. It runs in the transform's worker, or in the worklet where there is no
 * shared memory. Pure: bytes and the time go in.
 */

import { Arrivals } from "./arrivals.js";
import { readPayload } from "./payload.js";
import { CAPACITY } from "./ring.js";
import { RTP_RATE, RtpLine } from "./rtp.js";
import { Control, Figure } from "./slots.js";
import { Splice } from "./splice.js";

/** @typedef {import("./payload.js").Block} Block */
/** @typedef {import("./ring.js").Ring} Ring */

/** A block further than this from the newest, in frames, belongs to no stream that could still be played. */
const REACH = CAPACITY / 2;
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
  #splice;
  /** @type {Block | null} of the newest block */
  #newestBlock = null;
  /** Position = device frame number − this. */
  #offset = 0;
  /** Position after the newest frame of either stream. */
  #newest = 0;
  #generation = 0;
  #strays = 0;
  #arrivals = { exact: new Arrivals(), light: new Arrivals() };
  #rtp;
  /** Position of frame 0 of Studio light; NaN where it has not begun in this generation. */
  #lightAt = NaN;
  /** Frames of a packet of it. */
  #lightBlock = 0;
  /** Up to this position light comes again, for its decoder: late by intent. */
  #lightAgain = -1;
  /** The generation that exact samples have a place in. */
  #exactIn = 0;

  /** @param {Ring} ring an empty one */
  constructor(ring) {
    this.#ring = ring;
    this.#rtp = new RtpLine(ring);
    this.#splice = new Splice(ring);
  }

  /** Lets the samples and light take turns. @param {import("./splice.js").Turn} turn */
  turn(turn) {
    // How evenly the one comes that is only beginning to come is asked from now on.
    if (turn === "trial") this.#arrivals.exact.forget();
    if (turn === "join" || turn === "guard") this.#arrivals.light.forget();
    this.#splice.turnTo(turn);
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
    const fate = this.#write(block, position, bytes, block.samplesAt);
    if (fate === "known" && !block.repeat) ring.count(Control.duplicates);
    const overtaken = position + block.frames <= this.#splice.newestExact;
    // A block that the server sent again is not marked. It is recognised by newer blocks that came before it.
    if (fate === "new" && (block.repeat || overtaken)) ring.count(Control.repaired);
    // A repeat comes late by design, so its arrival says nothing about the network.
    if (fate !== "known" && !block.repeat) this.#arrived("exact", position + block.frames, block.rate, nowMs);
    if (block.previousAt !== null) {
      if (this.#write(block, position - block.frames, bytes, block.previousAt) === "new") ring.count(Control.repaired);
    }
    const end = position + block.frames;
    if (end > this.#splice.newestExact) {
      this.#newest = Math.max(this.#newest, end);
      this.#newestBlock = block;
      this.#splice.bits = block.bits;
      this.#splice.reached("exact", end, block.frames, wallMs);
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
    this.#arrivals.exact.silence(nowMs, rtp);
    this.#ring.figures[Figure.jitterMs] = this.#arrivals.exact.ms;
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
    this.#lightAgain = -1;
    this.#strays = 0;
    this.#generation += 1;
    this.#arrivals.exact.forget();
    this.#arrivals.light.forget();
    this.#splice.begin(this.#newest);
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
      this.#lightAgain = this.#newest;
    } else {
      const start = this.#start();
      this.#lightAt = start;
      ring.figures[Figure.frameOffset] = 0;
      this.#rtp.begin(start, rate, rtp);
      this.#announce(start, rate, 0);
    }
    this.#lightBlock = block;
    return phase;
  }

  /**
   * @param {number} end a packet of light has come whose sound ends before this frame
   * @param {number} nowMs
   */
  arrivedLight(end, nowMs) {
    const position = this.#lightAt + end;
    if (position > this.#lightAgain) this.#arrived("light", position, this.#ring.load(Control.rate), nowMs);
  }

  /**
   * @param {number} end the frames before this one are there, or will be when they are due
   * @param {number} wallMs
   */
  reachLight(end, wallMs) {
    const position = this.#lightAt + end;
    if (!(position > this.#splice.newestLight)) return;
    this.#newest = Math.max(this.#newest, position);
    this.#splice.reached("light", position, this.#lightBlock, wallMs);
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
    const added = this.#splice.light(position, frames, left, right);
    if (added > 0 && late > 0 && late <= REACH && this.#splice.heard !== "exact") {
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
    const added = this.#splice.exact(position, block.frames, bytes, at, block.bits);
    // A block that was there already may come again as late as it likes.
    if (!added) return "known";
    if (late <= 0 || late > REACH || this.#splice.heard === "light") return "new";
    ring.store(Control.lateBy, late);
    ring.count(Control.late);
    return "late";
  }

  /**
   * @param {"exact" | "light"} stream
   * @param {number} end position after the last frame that came
   * @param {number} rate
   * @param {number} nowMs
   */
  #arrived(stream, end, rate, nowMs) {
    const arrivals = this.#arrivals[stream];
    arrivals.add(end, rate, nowMs);
    const { figures } = this.#ring;
    if (this.#splice.heard === stream || this.#splice.heard === "any") figures[Figure.jitterMs] = arrivals.ms;
    if (stream === "exact") figures[Figure.exactJitterMs] = arrivals.ms;
  }
}
