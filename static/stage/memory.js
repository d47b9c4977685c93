// @ts-check
/** Remembers a performer's name, MIDI device and choices on this device. */

import { STEPS, DEFAULT_STEP } from "../midi/velocity.js";

/**
 * @typedef {object} Memory
 * @property {string} name at most 32 characters
 * @property {import("./devices.js").Choice | null} device
 * @property {boolean} typing whether the computer's keys play
 * @property {number} step of the computer keys' velocity
 */

export const MAX_NAME = 32;
const KEY = "rtcserver.performer";

/** Pure. @param {string | null} stored @returns {Memory} */
export function parseMemory(stored) {
  /** @type {any} */
  let found;
  try {
    found = JSON.parse(stored ?? "{}");
  } catch {
    found = {};
  }
  const { name, device, typing, step } = found ?? {};
  const known = typeof device?.id === "string" && typeof device?.name === "string";
  return {
    name: cleanName(name),
    device: known ? { id: device.id, name: device.name } : null,
    typing: typing !== false,
    step: Number.isInteger(step) && step >= 0 && step < STEPS.length ? step : DEFAULT_STEP,
  };
}

/** A name as a server takes it: printable, at most 32 characters. Pure. @param {unknown} name */
export function cleanName(name) {
  if (typeof name !== "string") return "";
  const printable = name.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, "").replace(/\s+/g, " ").trim();
  return [...printable].slice(0, MAX_NAME).join("").trim();
}

/** @returns {Memory} */
export function loadMemory() {
  try {
    return parseMemory(localStorage.getItem(KEY));
  } catch {
    return parseMemory(null);
  }
}

/** @param {Memory} memory */
export function saveMemory(memory) {
  try {
    localStorage.setItem(KEY, JSON.stringify(memory));
  } catch {
    // Storage is full or forbidden: the choices hold until the page is left.
  }
}
