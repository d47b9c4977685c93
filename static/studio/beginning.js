// @ts-check
/** Which quality a Studio session is asked for, and which one it then begins to play. Pure. */

import { beginWith } from "./quality.js";

/** @typedef {import("./link.js").StudioFormat} StudioFormat */
/** @typedef {import("./quality.js").Choice} Choice */
/** @typedef {import("./quality.js").Pin} Pin */
/** @typedef {import("./support.js").Support} Support */

/** What the server says where it does not give one of the two qualities, so that the other one may do. */
const REFUSALS = ["studio_full", "studio_unavailable"];

/** Whether this browser hands out packets one by one, which light needs. @param {Support} support */
function takesLight(support) {
  return "way" in support && support.way !== "channel";
}

/**
 * @param {{jitterMs: number | null, lostPercent: number} | null} figures Listen's
 * @param {Pin} pin
 * @param {Support} support
 * @returns {Choice} what the server is asked for
 */
export function opening(figures, pin, support) {
  const known = { spreadMs: 0, jitterMs: figures?.jitterMs ?? null, lostPercent: figures?.lostPercent ?? null };
  return beginWith(known, pin, { exact: true, light: takesLight(support) });
}

/**
 * @param {Choice} asked for
 * @param {string} code of the server's refusal
 * @param {Support} support
 * @returns {Choice | null} what to ask for instead; null where nothing else would do
 */
export function instead(asked, code, support) {
  if (!REFUSALS.includes(code) || !takesLight(support)) return null;
  return { stage: asked.stage === "exact" ? "light" : "exact", why: { cause: code === "studio_full" ? "full" : "only" } };
}

/**
 * @param {Choice} asked for, and given
 * @param {StudioFormat} format
 * @param {number} spreadMs between the quickest and the slowest packets before the samples
 * @param {Pin} pin
 * @param {Support} support
 * @returns {{begun: Choice, offered: {exact: boolean, light: boolean}, lengths: {mbps: number, blockMs: number, frameMs: number}}}
 */
export function beginning(asked, format, spreadMs, pin, support) {
  const offered = { exact: true, light: format.light !== null && takesLight(support) };
  const lengths = { mbps: format.mbps, blockMs: (1000 * format.frames) / format.rate, frameMs: format.light?.frameMs ?? 0 };
  const settled = format.quality === "light" || asked.why.cause !== "good";
  const begun = settled ? asked : beginWith({ spreadMs, jitterMs: null, lostPercent: null }, pin, offered);
  return { begun, offered, lengths };
}
