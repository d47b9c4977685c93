// @ts-check
/** libopus as WebAssembly: `opus.wasm`, which `script/build-opus` makes. Decodes at once, in the thread that calls. */

import { TOC_5_MS, framesOf, lossPacket, unitsIn } from "./opus-packet.js";
import { MAX_FRAMES, Planes, plausible } from "./opus-planes.js";

/** @typedef {import("./opus.js").Done} Done */
/** @typedef {import("./opus.js").OpusDecoder} OpusDecoder */
/**
 * @typedef {object} Exports of opus.wasm; see `deploy/opus-decoder.c`
 * @property {WebAssembly.Memory} memory
 * @property {() => void} [_initialize]
 * @property {() => number} packet
 * @property {() => number} planes
 * @property {(rate: number, channels: number) => number} open
 * @property {(length: number) => number} decode
 */

const MAX_PACKET = 4_096;
/** A file of 110 KB that has not come by then is given up. */
const FETCH_MS = 10_000;

/** @type {Promise<WebAssembly.Module> | null} */
let module = null;

/**
 * Fetches and compiles libopus, once a worker; a failure is not kept.
 *
 * @returns {Promise<WebAssembly.Module>}
 */
export function compiled() {
  module ??= load().catch((error) => {
    module = null;
    throw error;
  });
  return module;
}

async function load() {
  if (typeof WebAssembly === "undefined") throw new Error("there is no WebAssembly");
  const response = await fetch(new URL("./opus.wasm", import.meta.url), { signal: AbortSignal.timeout(FETCH_MS) });
  if (!response.ok) throw new Error(`opus.wasm: HTTP ${response.status}`);
  return WebAssembly.compile(await response.arrayBuffer());
}

/** @implements {OpusDecoder} */
export class WasmOpus {
  /** @type {"wasm"} */
  name = "wasm";
  errors = 0;
  #module;
  #channels;
  #rate;
  #closed = false;
  #toc = TOC_5_MS;
  #frames;
  /** @type {Exports} */
  #exports;
  /** @type {Uint8Array} */
  #packet;
  /** @type {Planes} */
  #planes;

  /**
   * @param {WebAssembly.Module} module of opus.wasm
   * @param {number} channels 1 or 2
   * @param {number} rate Hz, one of Opus's
   */
  constructor(module, channels, rate) {
    this.#module = module;
    this.#channels = channels;
    this.#rate = rate;
    this.#frames = rate / 200;
    ({ exports: this.#exports, packet: this.#packet, planes: this.#planes } = this.#instance());
  }

  /** @param {Uint8Array} payload @param {Done} done */
  decode(payload, done) {
    if (this.#closed) return;
    const frames = payload.length > MAX_PACKET ? 0 : framesOf(payload, this.#rate);
    if (frames > 0) {
      this.#packet.set(payload);
      if (this.#run(payload.length, frames)) {
        this.#toc = /** @type {number} */ (payload[0]);
        this.#frames = frames;
        done(this.#planes.first(frames), frames);
        return;
      }
    }
    this.errors += 1;
    this.conceal(this.#frames, done);
  }

  /** @param {number} frames @param {Done} done */
  conceal(frames, done) {
    if (this.#closed) return;
    const units = unitsIn(frames, this.#rate);
    const whole = (units * this.#rate) / 400;
    const some = Math.min(frames, whole);
    this.#packet.set(lossPacket(this.#toc, units));
    done(this.#run(2, whole) ? this.#planes.first(some) : this.#planes.silent(some), some);
  }

  close() {
    this.#closed = true;
  }

  /**
   * Decodes what lies in `packet`. If it turns out to be no music, or ends in a trap, a new decoder takes the old one's place.
   *
   * @param {number} length
   * @param {number} frames that are to come out
   */
  #run(length, frames) {
    try {
      if (this.#exports.decode(length) === frames && plausible(this.#planes.first(frames))) return true;
    } catch {
      // A trap leaves the instance's stack as it was in the middle of it.
    }
    ({ exports: this.#exports, packet: this.#packet, planes: this.#planes } = this.#instance());
    return false;
  }

  #instance() {
    const exports = /** @type {Exports} */ (/** @type {unknown} */ (new WebAssembly.Instance(this.#module).exports));
    exports._initialize?.();
    const error = exports.open(this.#rate, this.#channels);
    if (error !== 0) throw new Error(`libopus does not open: ${error}`);
    const { buffer } = exports.memory;
    const rows = Array.from(
      { length: this.#channels },
      (_, channel) => new Float32Array(buffer, exports.planes() + channel * MAX_FRAMES * Float32Array.BYTES_PER_ELEMENT, MAX_FRAMES),
    );
    return { exports, packet: new Uint8Array(buffer, exports.packet(), MAX_PACKET), planes: new Planes(rows) };
  }
}
