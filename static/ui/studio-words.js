// @ts-check
/** Says in plain words how Studio does. Pure. */

import { MOST_LOST, MOST_TARGET_MS, OVER_MS } from "../studio/limits.js";
import { byPath, count, kilobits, kilohertz, milliseconds, percent } from "./format.js";

/** @typedef {import("../studio/session.js").StudioSession} StudioSession */
/** @typedef {import("../studio/link.js").StudioFormat} StudioFormat */
/** @typedef {import("../studio/audio.js").RingStats} RingStats */
/** @typedef {import("../studio/quality.js").Choice} Choice */
/** @typedef {import("../listen/path.js").NetworkKind} NetworkKind */

export const LISTEN_MEANS = "Safe on every network and device, about a twentieth of a second behind the keys.";
export const STUDIO_MEANS = "To play along, as soon as a browser can: the instrument’s own samples, compressed where the network asks for it.";

/** What a performer may hold, with its name. @type {[import("../studio/quality.js").Pin, string][]} */
export const PINS = [
  ["automatic", "Automatic"],
  ["exact", "Exact samples"],
  ["light", "Compressed"],
];

/** @type {Readonly<Record<NetworkKind, string>>} */
const NETWORKS = { wifi: "Wi-Fi", cable: "cable", mobile: "mobile network", other: "network" };

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
    if (why.cause === "full") return "Exact samples, as all places for compressed sound are taken.";
    return why.cause === "pinned" ? "Exact samples, as you chose." : "Exact samples.";
  }
  const trying = stage === "trial" ? " Trying the exact samples again." : "";
  const reason = busy && (why.cause === "jitter" || why.cause === "uneven") ? BUSY : reasonOf(why, NETWORKS[kind], needMbps);
  return `${reason}${trying}`;
}

const BUSY = "Compressed, since this computer is too busy to play exact samples evenly.";

/**
 * @param {import("../studio/quality.js").Why} why
 * @param {string} network
 * @param {number} needMbps
 */
function reasonOf(why, network, needMbps) {
  switch (why.cause) {
    case "jitter":
      return `Compressed, your ${network} varies by ${milliseconds(why.ms)} ms.`;
    case "loss":
      return `Compressed, your ${network} loses ${percent(why.percent)} of what is sent.`;
    case "line":
      return `Compressed, your line carries about ${why.mbps.toFixed(1)} Mb/s and exact samples take ${needMbps.toFixed(1)}.`;
    case "uneven":
      return "Compressed, since exact samples came too unevenly to play.";
    case "full":
      return "Compressed, as all places for exact samples are taken.";
    case "pinned":
      return "Compressed, as you chose.";
    case "only":
      return "Compressed, as this server sends no exact samples here.";
    case "good":
      return "Compressed, until your network has been even for a while.";
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
      return "Asking the server for Studio. You hear Listen meanwhile.";
    case "proving":
      return "Checking that the sound reaches this page, and not a decoder.";
    case "starting":
      return "Filling the ring.";
    case "playing":
      return heard;
    case "returning":
      return `${notice} Going back to Listen.`.trim();
    default:
      if (notice) return `${notice} You are in Listen.`;
      return wanted && !listening ? "Press Listen: Studio follows by itself." : "";
  }
}

/** Names the limits beyond which Studio is left, for people who want to know. */
export const LIMITS_LINE =
  "Studio plays exact samples where the network carries them, and compressed sound elsewhere. It goes back to Listen by itself " +
  `when even that loses more than ${Math.round(MOST_LOST * 100)} % for ${OVER_MS / 1000} s, when the ring has to be deeper than ` +
  `${MOST_TARGET_MS} ms, or when it keeps running empty.`;

/**
 * @param {StudioFormat} format
 * @param {Pick<RingStats, "exact" | "contextRate" | "ratio">} ring
 * @param {boolean} untouched whether the page's volume leaves the samples as they are
 * @returns {{exact: boolean, why: string}} why not, or what it means
 */
export function exactness({ exact, rate }, ring, untouched) {
  if (!exact) return { exact: false, why: "a mix, rounded by the server" };
  if (ring.contextRate !== rate) return { exact: false, why: `resampled to ${kilohertz(ring.contextRate)} here` };
  if (ring.ratio !== 1) return { exact: false, why: "following the instrument’s clock" };
  if (!untouched) return { exact: false, why: "turned down here" };
  return { exact: ring.exact, why: ring.exact ? "every sample as the device gave it" : "bridging a gap" };
}

/**
 * @param {number | null} outputMs
 * @returns {string} a warning, or ""
 */
export function outputWarning(outputMs) {
  if (outputMs === null || outputMs < LARGE_OUTPUT_MS) return "";
  return `Your output adds ${milliseconds(outputMs)} ms by itself. Bluetooth does that; for playing along use a cable.`;
}

/**
 * @param {StudioFormat} format
 * @returns {string} "24 bit, 44.1 kHz"
 */
export function formatLine({ bits, rate }) {
  return `${bits} bit, ${kilohertz(rate)}`;
}

/**
 * @param {import("../studio/link.js").LightFormat} light
 * @returns {string} "Opus, 192 kb/s, 5 ms"
 */
export function lightLine({ bps, frameMs }) {
  return `Opus, ${kilobits(bps)} kb/s, ${frameMs} ms`;
}

/**
 * @param {StudioFormat} format
 * @param {import("../studio/link.js").LightFormat | null} light what is sent, if it is light
 * @param {import("../listen/path.js").MediaPath | null} path
 * @returns {string} "1.5 Mb/s by UDP, 345 packets a second"
 */
export function trafficLine({ mbps, packetsPerS, redundancy }, light, path) {
  const [rate, packets] = light ? [light.mbps, 1000 / light.frameMs] : [mbps, packetsPerS];
  const twice = redundancy && !light ? ", each block twice" : "";
  return `${rate.toFixed(1)} Mb/s${byPath(path)}, ${count(packets)} packets a second${twice}`;
}
