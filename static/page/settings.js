// @ts-check
/** Remembers the page's settings on this device. Without storage (private windows) they last until the page is left. */

import { ownDelayOf } from "../listen/own-delay.js";
import { USUAL } from "../listen/outputs.js";
import { BALANCED, placeOf } from "../studio/safety.js";

/**
 * @typedef {object} Settings
 * @property {number} volume position of the control, 0 to 1
 * @property {boolean} muted
 * @property {boolean} awake keep the screen on while listening
 * @property {string} quality the tier that was chosen, "" for what the network carries
 * @property {"automatic" | "exact" | "light"} studio the quality of Studio that a performer holds
 * @property {import("../listen/outputs.js").Output} output the one that was chosen
 * @property {number} delayMs the delay that the listener wants, at least
 * @property {number} safety how much Studio's ring bridges: an index of `PLACES`
 */

/** @type {Readonly<Settings>} */
export const DEFAULTS = Object.freeze({ volume: 1, muted: false, awake: true, quality: "", studio: "automatic", output: USUAL, delayMs: 0, safety: BALANCED });

const KEY = "rtcserver.settings";

/**
 * @param {string | null} stored
 * @returns {Settings} defaults wherever the stored text is not what it should be
 */
export function parseSettings(stored) {
  let found;
  try {
    found = JSON.parse(stored ?? "{}");
  } catch {
    found = {};
  }
  const { volume, muted, awake, quality, studio, output, delayMs, safety } = found ?? {};
  return {
    volume: typeof volume === "number" && volume >= 0 && volume <= 1 ? volume : DEFAULTS.volume,
    muted: typeof muted === "boolean" ? muted : DEFAULTS.muted,
    awake: typeof awake === "boolean" ? awake : DEFAULTS.awake,
    quality: ["high", "middle", "low"].includes(quality) ? quality : DEFAULTS.quality,
    studio: studio === "exact" || studio === "light" ? studio : DEFAULTS.studio,
    output: typeof output?.id === "string" && typeof output.label === "string" ? { id: output.id, label: output.label } : DEFAULTS.output,
    delayMs: ownDelayOf(delayMs),
    safety: placeOf(safety),
  };
}

/**
 * @returns {Settings}
 */
export function loadSettings() {
  try {
    return parseSettings(localStorage.getItem(KEY));
  } catch {
    return { ...DEFAULTS };
  }
}

/**
 * @param {Settings} settings
 */
export function saveSettings(settings) {
  try {
    localStorage.setItem(KEY, JSON.stringify(settings));
  } catch {
    // Storage is full or forbidden: the setting holds until the page is left.
  }
}
