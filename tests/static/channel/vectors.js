// @ts-check
/** Reads the vectors that Python wrote, and speaks hex. */

import { readFileSync } from "node:fs";

/** @param {string} name @returns {any} */
export function vectors(name) {
  return JSON.parse(readFileSync(new URL(`../../vectors/channel/${name}.json`, import.meta.url), "utf8"));
}

/** @param {string} text @returns {Uint8Array<ArrayBuffer>} */
export function bytes(text) {
  return new Uint8Array(message(text));
}

/** @param {string} text @returns {number[]} */
export function message(text) {
  return (text.match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16));
}

/** @param {ArrayLike<number>} data */
export function hex(data) {
  return Array.from(data, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
