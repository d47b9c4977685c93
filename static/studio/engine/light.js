// @ts-check
/**
 * Studio light in the worker: Opus packets in, decoded sound out, at the rate and the place that it has in the ring. Nothing here
 * waits for the loudspeaker: what is missing is made up when its time comes, by the decoder.
 */

import { Order } from "./order.js";
import { plain, splitRed } from "./red.js";
import { DECODED_RATE, Resampler } from "./resample.js";
import { Control } from "./slots.js";

/** @typedef {import("./order.js").Step} Step */

/**
 * @typedef {object} Decoder see `opusDecoder`
 * @property {(payload: Uint8Array, done: (planes: Float32Array[], frames: number) => void) => void} decode
 * @property {(frames: number, done: (planes: Float32Array[], frames: number) => void) => void} conceal
 * @property {() => void} close
 */

/**
 * @typedef {object} Sink where the sound goes, as `Receiver` is
 * @property {(rtp: number, rate: number, block: number) => number} beginLight frame 0 has this RTP timestamp, but lies so many
 *   samples at 48 kHz later: part of a frame
 * @property {(end: number, nowMs: number) => void} arrivedLight a packet has come whose sound ends before this frame
 * @property {(end: number, wallMs: number) => void} reachLight the sound up to this frame is there, or will be before its time
 * @property {(first: number, frames: number, left: Float32Array, right: Float32Array, wallMs: number) => void} placeLight
 * @property {(slot: number, by: number) => void} countLight
 * @property {(ms: number) => void} madeUpLight so much in a row is made up
 * @property {(turn: import("./splice.js").Turn) => void} turn lets the samples and light take turns
 * @property {(frame: number, wallMs: number) => number} slackMs how long the reader will not need this frame
 */

/** How often what is missing is looked at again, in ms. */
const LOOK_MS = 2;
/** What has not come after this never will: by then the ring would be no faster than Listen. */
const MOST_HOLD_MS = 60;

/** A packet of silence: CELT, both sides, 5 ms (RFC 6716, section 3.1), and so many of them for a rehearsal. */
const SILENCE = Uint8Array.of(0xec, 0xff, 0xfe);
const REHEARSED = 16;

/**
 * Lets the browser compile what plays light, and makes its tables, before there is anything to be late for: the tables alone take
 * 8 ms, which is as much as some rings hold.
 *
 * @param {Decoder} decoder
 * @param {number} rate of the ring, Hz
 */
export function rehearse(decoder, rate) {
  const resampler = new Resampler(rate);
  let at = 0;
  for (let packet = 0; packet < REHEARSED; packet += 1) {
    decoder.decode(SILENCE, ([left, right = left], frames) => {
      if (left && right) resampler.push(at, left, right, frames);
      at += frames;
    });
  }
}

export class Light {
  #rate;
  #sink;
  #order = new Order();
  #resampler;
  /** @type {Decoder | null} */
  #decoder = null;
  /** Packets already reported, by kind. */
  #told = { missed: 0, repaired: 0 };
  #timer = 0;
  /** What is waited for, and since when. */
  #hole = { at: NaN, wallMs: 0 };

  /**
   * @param {number} rate of the ring, Hz
   * @param {Sink} sink
   */
  constructor(rate, sink) {
    this.#rate = rate;
    this.#sink = sink;
    this.#resampler = new Resampler(rate);
  }

  /** @param {Decoder} decoder what decodes from now on; until then frames wait */
  use(decoder) {
    this.#decoder = decoder;
    this.#advance();
  }

  /** Something else comes instead: what comes next begins anew. */
  pause() {
    this.#order.forget();
  }

  /**
   * @param {Uint8Array} bytes a payload
   * @param {boolean} red whether it is RED
   * @param {number} rtp its RTP timestamp
   * @param {number} nowMs monotonic
   */
  take(bytes, red, rtp, nowMs) {
    const found = red ? splitRed(bytes, rtp) : plain(bytes, rtp);
    if (typeof found === "string") {
      this.#sink.countLight(Control.invalid, 1);
      return;
    }
    const frames = Array.isArray(found) ? found : [found];
    this.#sink.countLight(Control.payloads, 1);
    // The newest first: the stream begins with it, and those before are what it brings for others.
    for (let i = frames.length - 1; i >= 0; i -= 1) {
      const frame = frames[i];
      if (frame) this.#takeFrame(frame, i < frames.length - 1, nowMs);
    }
    this.#tell();
    this.#advance();
  }

  /**
   * @param {import("./red.js").Frame} frame
   * @param {boolean} repeat
   * @param {number} nowMs
   */
  #takeFrame(frame, repeat, nowMs) {
    const order = this.#order;
    const fate = order.take(frame, repeat);
    if (fate === "anew") {
      const phase = this.#sink.beginLight(order.rtpAtZero, this.#rate, this.#inRing(frame.samples));
      this.#resampler = new Resampler(this.#rate, phase);
    }
    if (fate === "late") {
      this.#sink.countLight(Control.late, 1);
    } else if (fate === "known" && !repeat) {
      this.#sink.countLight(Control.duplicates, 1);
    } else if (fate !== "known" && !repeat) {
      this.#sink.arrivedLight(this.#inRing(order.end), nowMs);
    }
  }

  /** Decodes what is in order, and makes up what is due. */
  #advance() {
    if (this.#decoder === null) return;
    for (;;) {
      const step = this.#order.step();
      if (step) {
        this.#decode(step);
        continue;
      }
      if (this.#order.waiting === null) return;
      const wallMs = Date.now();
      if (this.#hole.at !== this.#order.next) this.#hole = { at: this.#order.next, wallMs };
      const waits = wallMs - this.#hole.wallMs < MOST_HOLD_MS;
      if (waits && this.#sink.slackMs(this.#inRing(this.#order.next), wallMs) > 0) {
        this.#sink.reachLight(this.#inRing(this.#order.end - this.#resampler.lag - 1), wallMs);
        this.#look();
        return;
      }
      const made = this.#order.giveUp();
      this.#sink.countLight(Control.concealed, made.length);
      const samples = made.reduce((sum, one) => sum + one.samples, 0);
      if (samples > 0) this.#sink.madeUpLight((samples / DECODED_RATE) * 1000);
      for (const one of made) this.#decode(one);
    }
  }

  #look() {
    if (this.#timer !== 0) return;
    this.#timer = Number(
      setTimeout(() => {
        this.#timer = 0;
        this.#advance();
      }, LOOK_MS),
    );
  }

  /** @param {Step} step */
  #decode({ at, samples, payload }) {
    const done = (/** @type {Float32Array[]} */ planes, /** @type {number} */ frames) => this.#place(at, planes, Math.min(frames, samples));
    if (payload === null) this.#decoder?.conceal(samples, done);
    else this.#decoder?.decode(payload, done);
  }

  /**
   * @param {number} at
   * @param {Float32Array[]} planes
   * @param {number} samples
   */
  #place(at, planes, samples) {
    const [left, right = left] = planes;
    if (!left || !right || samples <= 0) return;
    const out = this.#resampler.push(at, left, right, samples);
    if (out.frames > 0) this.#sink.placeLight(out.first, out.frames, out.left, out.right, Date.now());
  }

  #tell() {
    const { missed, repaired } = this.#order;
    if (missed > this.#told.missed) this.#sink.countLight(Control.missed, missed - this.#told.missed);
    if (repaired > this.#told.repaired) this.#sink.countLight(Control.repaired, repaired - this.#told.repaired);
    this.#told = { missed, repaired };
  }

  /** @param {number} samples at 48 kHz @returns {number} frames of the ring, rounded down */
  #inRing(samples) {
    return Math.floor((samples * this.#rate) / DECODED_RATE);
  }

  close() {
    clearTimeout(this.#timer);
    this.#decoder?.close();
  }
}
