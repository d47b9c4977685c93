// @ts-check
/** Says in plain words how Studio does. Pure. */

import { number } from "../words/say.js";
import { say } from "../words/studio.js";
import { byPath, count, kilobits, kilohertz, milliseconds, percent } from "./format.js";

/** @typedef {import("../studio/session.js").StudioSession} StudioSession */
/** @typedef {import("../studio/link.js").StudioFormat} StudioFormat */
/** @typedef {import("../studio/audio.js").RingStats} RingStats */
/** @typedef {import("../studio/quality.js").Choice} Choice */
/** @typedef {import("../listen/path.js").NetworkKind} NetworkKind */

/** What a performer may hold. */
export const PINS = /** @type {const} */ (["automatic", "exact", "light"]);

/**
 * Which quality is heard, and why.
 *
 * @param {Choice} choice
 * @param {NetworkKind} kind
 * @param {number} needMbps that the exact samples take
 * @param {boolean} [busy] whether this computer was too busy to play evenly when that was chosen
 * @returns {string}
 */
export function qualityLine({ stage, why }, kind, needMbps, busy = false) {
  if (stage === "exact") {
    return say(why.cause === "full" ? "exact.full" : why.cause === "pinned" ? "exact.pinned" : "exact");
  }
  const reason = busy && (why.cause === "jitter" || why.cause === "uneven") ? say("busy") : reasonOf(why, kind, needMbps);
  return stage === "trial" ? say("trial", { reason }) : reason;
}

/**
 * @param {import("../studio/quality.js").Why} why
 * @param {NetworkKind} kind
 * @param {number} needMbps
 * @returns {string}
 */
function reasonOf(why, kind, needMbps) {
  switch (why.cause) {
    case "jitter":
      return say(`jitter.${kind}`, { ms: milliseconds(why.ms) });
    case "loss":
      return say(`loss.${kind}`, { percent: percent(why.percent) });
    case "line":
      return say("line", { mbps: number(why.mbps, 1, 1), need: number(needMbps, 1, 1) });
    default:
      return say(why.cause);
  }
}

/** Above this output latency the page warns: wired outputs take 5 to 40 ms, Bluetooth 100 to 300. */
const LARGE_OUTPUT_MS = 70;

/**
 * @param {StudioSession} studio
 * @param {boolean} listening whether the page plays anything
 * @param {boolean} wanted whether Studio is to follow as soon as it plays
 * @param {string} [heard] which quality is heard, and why
 * @returns {string}
 */
export function studioLine({ phase, notice }, listening, wanted, heard = "") {
  switch (phase) {
    case "opening":
      return say("opening");
    case "proving":
      return say("proving");
    case "starting":
      return say("starting");
    case "playing":
      return heard;
    case "returning":
      return `${notice} ${say("returning")}`.trim();
    default:
      if (notice) return say("returned", { notice });
      return wanted && !listening ? say("follows") : "";
  }
}

/**
 * @param {StudioFormat} format
 * @param {Pick<RingStats, "exact" | "contextRate" | "ratio">} ring
 * @param {boolean} untouched whether the page's volume leaves the samples as they are
 * @returns {{exact: boolean, why: string}} why not, or what it means
 */
export function exactness({ exact, rate }, ring, untouched) {
  if (!exact) return { exact: false, why: say("not_exact.mix") };
  if (ring.contextRate !== rate) return { exact: false, why: say("not_exact.rate", { rate: kilohertz(ring.contextRate) }) };
  if (ring.ratio !== 1) return { exact: false, why: say("not_exact.clock") };
  if (!untouched) return { exact: false, why: say("not_exact.volume") };
  return { exact: ring.exact, why: say(ring.exact ? "is_exact" : "not_exact.gap") };
}

/**
 * @param {number | null} outputMs
 * @returns {string} a warning, or ""
 */
export function outputWarning(outputMs) {
  if (outputMs === null || outputMs < LARGE_OUTPUT_MS) return "";
  return say("bluetooth", { ms: milliseconds(outputMs) });
}

/**
 * @param {StudioFormat} format
 * @returns {string} "24 bit, 44.1 kHz"
 */
export function formatLine({ bits, rate }) {
  return say("format", { bits, rate: kilohertz(rate) });
}

/**
 * @param {import("../studio/link.js").LightFormat} light
 * @returns {string} "Opus, 192 kb/s, 5 ms"
 */
export function lightLine({ bps, frameMs }) {
  return say("light", { kbps: kilobits(bps), ms: frameMs });
}

/**
 * @param {StudioFormat} format
 * @param {import("../studio/link.js").LightFormat | null} light what is sent, if it is light
 * @param {import("../listen/path.js").MediaPath | null} path
 * @returns {string} "1.5 Mb/s by UDP, 345 packets a second"
 */
export function trafficLine({ mbps, packetsPerS, redundancy }, light, path) {
  const [rate, packets] = light ? [light.mbps, 1000 / light.frameMs] : [mbps, packetsPerS];
  const values = { mbps: number(rate, 1, 1), path: byPath(path), packets: count(packets) };
  return say(redundancy && !light ? "traffic.twice" : "traffic", values);
}
