// @ts-check
/** What the tests of the decoders of Opus share: the vectors that Python wrote, and random bytes. */
import { readFileSync } from "node:fs";

const HERE = new URL(".", import.meta.url);
const NAMES = ["clean", "lost", "foreign", "short", "long"];

/** opus.wasm, compiled. */
export const module = await WebAssembly.compile(readFileSync(new URL("../../../../static/studio/engine/opus.wasm", HERE)));

/**
 * @typedef {object} Vector
 * @property {string} name
 * @property {number} frames in a packet
 * @property {(string | number)[]} events a packet (hex), lost frames (a number), or foreign bytes (hex after "!")
 * @property {Int16Array} pcm what libopus gives, left and right by turns
 */

/** @type {Vector[]} */
export const vectors = NAMES.map((name) => {
  const read = JSON.parse(readFileSync(new URL(`../../../vectors/opus/${name}.json`, HERE), "utf8"));
  return { ...read, pcm: new Int16Array(Uint8Array.from(Buffer.from(read.pcm, "base64")).buffer) };
});

/** @param {string} hex */
export const bytesOf = (hex) => Uint8Array.from(Buffer.from(hex, "hex"));

/** Numbers from 0 up to 1, the same ones for a seed. @param {number} seed */
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Bytes that begin as every kind of Opus packet does. @param {() => number} next @param {number} most */
export function anyBytes(next, most) {
  const bytes = Uint8Array.from({ length: Math.floor(next() * (most + 1)) }, () => Math.floor(next() * 256));
  // Few random bytes hold a fitting number of frames: half of those packets get a small one.
  if (bytes.length > 1 && next() < 0.5) bytes[1] = /** @type {number} */ (bytes[1]) & 0b1100_0011;
  return bytes;
}
