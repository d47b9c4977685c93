// @ts-check
/** MIDI files that the server's file player plays: which are worth sending, and where in a file the player is. Pure. */

import { PER_MS } from "../channel/clock.js";
import { number } from "../words/say.js";
import { say } from "../words/stage.js";

/** Size of the largest file that a server takes, in bytes. */
export const MAX_FILE = 1024 * 1024;

/** @typedef {import("../channel/telemetry.js").PlayerState} PlayerState */

/**
 * Why a file is not worth sending, or null.
 *
 * @param {{name: string, size: number}} file
 * @returns {string | null}
 */
export function objection({ name, size }) {
  if (!/\.(midi?|rmi|smf|kar)$/i.test(name)) return say("file.kind");
  if (size === 0) return say("file.empty");
  if (size > MAX_FILE) return say("file.large", { size: number(size / MAX_FILE, 1, 1) });
  return null;
}

/**
 * Where in the file the player is.
 *
 * @param {PlayerState} player
 * @param {number | null} mediaTime that is heard; null if nothing is known
 * @returns {number} seconds
 */
export function positionAt(player, mediaTime) {
  const since = player.state === "playing" && mediaTime !== null ? (mediaTime - player.media_time) / (PER_MS * 1000) : 0;
  const position = player.position_s + Math.max(0, since) * player.tempo;
  return Math.max(0, Math.min(player.duration_s, position));
}

/**
 * Reads a `player` message as a state; whatever is missing gets a harmless value.
 *
 * @param {any} message
 * @returns {PlayerState | null}
 */
export function readPlayer(message) {
  if (!message || !["stopped", "playing", "paused"].includes(message.state)) return null;
  return {
    type: "player",
    state: message.state,
    file: typeof message.file === "string" ? message.file : null,
    name: typeof message.name === "string" && message.name !== "" ? message.name : null,
    position_s: Number(message.position_s) || 0,
    duration_s: Number(message.duration_s) || 0,
    tempo: Number(message.tempo) || 1,
    by: Number.isInteger(message.by) ? message.by : null,
    media_time: Number(message.media_time) || 0,
  };
}

/** Minutes and seconds. Pure. @param {number} seconds @returns {string} "3:07" */
export function clockText(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}
