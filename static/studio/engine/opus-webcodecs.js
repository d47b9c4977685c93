// @ts-check
/**
 * The browser's own decoder of Opus, by WebCodecs (W3C, AudioDecoder). It decodes on another thread and answers in order, one
 * AudioData a chunk; so this keeps a queue of its own, and believes no timestamp: Chromium counts on from the first chunk,
 * whatever the chunks say.
 *
 * A chunk that the decoder refuses closes it. A new one then takes what is left of the queue.
 */

import { TOC_5_MS, framesOf, lossPacket, unitsIn } from "./opus-packet.js";
import { Planes, plausible } from "./opus-planes.js";

/** @typedef {import("./opus.js").Done} Done */
/** @typedef {import("./opus.js").OpusDecoder} OpusDecoder */
/**
 * @typedef {object} Waiting one call
 * @property {Uint8Array} packet
 * @property {number} frames to hand out
 * @property {number} whole frames that come out of the packet, at least as many
 * @property {Done} done
 */

/** The only rate that browsers have in common. */
const RATE = 48_000;
/** With this many calls unanswered (half a second of 5 ms) the decoder hangs: all are answered with silence. */
const MAX_WAITING = 100;

/** @implements {OpusDecoder} */
export class WebCodecsOpus {
  /** @type {"webcodecs"} */
  name = "webcodecs";
  errors = 0;
  #config;
  #planes;
  #closed = false;
  #toc = TOC_5_MS;
  #frames = RATE / 200;
  #timestamp = 0;
  /** @type {Waiting[]} */
  #waiting = [];
  /** @type {AudioDecoder | null} */
  #decoder = null;

  /**
   * @param {number} channels 1 or 2
   * @param {number} rate Hz
   * @returns {Promise<WebCodecsOpus>} rejects when this browser cannot
   */
  static async open(channels, rate) {
    if (typeof AudioDecoder === "undefined") throw new Error("there is no AudioDecoder");
    const config = { codec: "opus", sampleRate: rate, numberOfChannels: channels };
    const { supported } = await AudioDecoder.isConfigSupported(config);
    if (!supported || rate !== RATE) throw new Error(`AudioDecoder does not take Opus with ${channels} channels at ${rate} Hz`);
    return new WebCodecsOpus(config);
  }

  /** @param {AudioDecoderConfig} config */
  constructor(config) {
    this.#config = config;
    this.#planes = Planes.of(config.numberOfChannels);
  }

  /** @param {Uint8Array} payload @param {Done} done */
  decode(payload, done) {
    const frames = framesOf(payload, RATE);
    if (frames === 0) {
      this.errors += 1;
      this.conceal(this.#frames, done);
      return;
    }
    this.#toc = /** @type {number} */ (payload[0]);
    this.#frames = frames;
    this.#push({ packet: payload, frames, whole: frames, done });
  }

  /** @param {number} frames @param {Done} done */
  conceal(frames, done) {
    const units = unitsIn(frames, RATE);
    const whole = (units * RATE) / 400;
    this.#push({ packet: Uint8Array.from(lossPacket(this.#toc, units)), frames: Math.min(frames, whole), whole, done });
  }

  close() {
    if (this.#closed) return;
    this.#closed = true;
    this.#waiting = [];
    this.#drop();
  }

  /** @param {Waiting} call */
  #push(call) {
    if (this.#closed) return;
    this.#waiting.push(call);
    if (this.#waiting.length > MAX_WAITING) {
      this.#drop();
      this.errors += this.#waiting.length;
      for (const { frames, done } of this.#waiting.splice(0)) done(this.#planes.silent(frames), frames);
    } else if (this.#decoder === null) {
      this.#begin();
    } else if (this.#decoder.state === "configured") {
      this.#submit(this.#decoder, call);
    }
    // A decoder that has closed is about to say why; then all that waits goes to the next one.
  }

  /** Gives all that waits to a new decoder. */
  #begin() {
    const decoder = new AudioDecoder({
      output: (data) => (decoder === this.#decoder ? this.#take(data) : data.close()),
      error: () => {
        if (decoder === this.#decoder) this.#fail();
      },
    });
    decoder.configure(this.#config);
    this.#decoder = decoder;
    for (const call of this.#waiting) this.#submit(decoder, call);
  }

  /** @param {AudioDecoder} decoder @param {Waiting} call */
  #submit(decoder, { packet, whole }) {
    if (decoder.state !== "configured") return;
    decoder.decode(new EncodedAudioChunk({ type: "key", timestamp: this.#timestamp, data: packet }));
    this.#timestamp += (whole * 1e6) / RATE;
  }

  /** @param {AudioData} data the answer to the first that waits */
  #take(data) {
    const call = this.#waiting.shift();
    const sound = call !== undefined && data.numberOfFrames === call.whole && this.#copy(data, call.frames);
    data.close();
    if (call === undefined) return;
    const { frames, done } = call;
    if (!sound) this.errors += 1;
    done(sound ? this.#planes.first(frames) : this.#planes.silent(frames), frames);
  }

  /**
   * @param {AudioData} data
   * @param {number} frames
   * @returns {boolean} whether it is music
   */
  #copy(data, frames) {
    const rows = this.#planes.first(frames);
    rows.forEach((row, channel) => {
      const planeIndex = Math.min(channel, data.numberOfChannels - 1);
      data.copyTo(row, { planeIndex, frameCount: frames, format: "f32-planar" });
    });
    return plausible(rows);
  }

  /** The decoder has closed, over the first that waits: what came before it has been answered. */
  #fail() {
    this.#drop();
    const call = this.#waiting.shift();
    if (call === undefined) return;
    this.errors += 1;
    call.done(this.#planes.silent(call.frames), call.frames);
    // Whoever was answered may have called again, and so begun a new one.
    if (this.#decoder === null && this.#waiting.length > 0) this.#begin();
  }

  #drop() {
    const decoder = this.#decoder;
    this.#decoder = null;
    if (decoder !== null && decoder.state !== "closed") decoder.close();
  }
}
