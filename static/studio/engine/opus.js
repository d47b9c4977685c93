// @ts-check
/**
 * One decoder of Opus behind two implementations: libopus as WebAssembly, and the browser's own (WebCodecs). Which is better, and
 * why: docs/decisions, "Opus in the page". Runs in a worker.
 */

import { WasmOpus, compiled } from "./opus-wasm.js";
import { WebCodecsOpus } from "./opus-webcodecs.js";

/**
 * Takes samples.
 *
 * @callback Done
 * @param {Float32Array[]} planes one row of samples a channel, each `frames` long. They belong to the decoder, which writes the next
 *   ones over them: use them before you return
 * @param {number} frames
 */

/**
 * A decoder of one stream. Every `decode` and every `conceal` calls its own `done` exactly once, in the order of the calls, at
 * once or later; after `close` none is called.
 *
 * @typedef {object} OpusDecoder
 * @property {"wasm" | "webcodecs"} name
 * @property {number} errors packets that were not Opus, or that the decoder could make nothing of. In place of each come concealed
 *   samples, as many as the packet before had, and the stream goes on
 * @property {(payload: Uint8Array, done: Done) => void} decode one packet, which must stay as it is until `done`
 * @property {(frames: number, done: Done) => void} conceal what fits between the packet before and a gap of so many frames, whole
 *   ones, at least 1; more than 120 ms come as 120 ms
 * @property {() => void} close
 */

/** Rates at which Opus decodes (RFC 6716, section 2.1.3). */
const RATES = [8_000, 12_000, 16_000, 24_000, 48_000];

/**
 * Opens a decoder: of the two implementations the preferred one, or else the other.
 *
 * @param {number} [channels] 1 or 2, whatever the packets have
 * @param {number} [sampleRate] Hz
 * @param {"wasm" | "webcodecs"} [prefer]
 * @returns {Promise<OpusDecoder>} rejects when this browser has neither, and says of each why
 */
export async function opusDecoder(channels = 2, sampleRate = 48_000, prefer = "wasm") {
  if (channels !== 1 && channels !== 2) throw new RangeError(`Opus has 1 or 2 channels, not ${channels}`);
  if (!RATES.includes(sampleRate)) throw new RangeError(`Opus decodes at ${RATES.join(", ")} Hz, not at ${sampleRate}`);
  const ways = {
    wasm: async () => new WasmOpus(await compiled(), channels, sampleRate),
    webcodecs: () => WebCodecsOpus.open(channels, sampleRate),
  };
  /** @type {("wasm" | "webcodecs")[]} */
  const order = prefer === "wasm" ? ["wasm", "webcodecs"] : ["webcodecs", "wasm"];
  const reasons = [];
  for (const name of order) {
    try {
      return await ways[name]();
    } catch (error) {
      reasons.push(`${name}: ${error instanceof Error ? error.message : error}`);
    }
  }
  throw new Error(`This browser cannot decode Opus in a worker (${reasons.join("; ")})`);
}
