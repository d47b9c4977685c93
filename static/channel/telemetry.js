// @ts-check
/** The JSON of the `telemetry` channel, the client's half. PROTOCOL.md, "telemetry"; checked by `rtcserver/channel/telemetry.py`. Pure. */

import { ProtocolError, VERSION } from "./codec.js";

/** UTF-8 bytes of the largest message. */
const MAX_BYTES = 4096;

/** What a report may say; the ranges are in `STATS_FIELDS` of `rtcserver/channel/telemetry.py`. */
export const STATS_FIELDS = Object.freeze(
  /** @type {const} */ ([
    "interval_ms",
    "packets",
    "lost",
    "discarded",
    "nacks",
    "bytes",
    "played",
    "concealed",
    "silent_concealed",
    "concealments",
    "inserted",
    "removed",
    "buffer_ms",
    "target_ms",
    "jitter_ms",
    "rtt_ms",
    "playout_ms",
    "output_ms",
    "latency_ms",
    "studio_level_ms",
    "studio_target_ms",
    "studio_lost",
    "studio_underruns",
    "studio_trimmed_ms",
    "midi_events",
    "midi_missed",
    "midi_repaired",
    "midi_skew_ms",
    "clock_rtt_ms",
    "hidden",
    "relayed",
  ]),
);

/** @typedef {Partial<Record<typeof STATS_FIELDS[number], number | null>>} Report */
/** @typedef {{id: number, name: string}} Performer */
/**
 * @typedef {object} Welcome
 * @property {"welcome"} type
 * @property {number} version
 * @property {string} session
 * @property {string} room
 * @property {"listener" | "performer"} role
 * @property {number | null} performer
 * @property {string} mode
 * @property {number} rtp_offset rtp timestamp = (media time + this) mod 2³²
 * @property {number} media_time
 * @property {Record<string, unknown> | null} profile
 * @property {Performer[]} performers
 * @property {Record<string, unknown> | null} player
 * @property {unknown} [demo] midi/demo.js reads it
 * @property {boolean} [muted] nothing is taken that this session plays
 * @property {Record<string, unknown>} limits
 */
/** @typedef {{type: "performers", performers: Performer[]}} Performers */
/** @typedef {{type: "selected", sound: string, channel: number | null, by: number}} Selected */
/**
 * @typedef {{type: "player", state: "stopped" | "playing" | "paused", file: string | null, name: string | null,
 *   position_s: number, duration_s: number, tempo: number, by: number | null, media_time: number}} PlayerState
 */
/**
 * @typedef {object} TierMessage what the session is sent
 * @property {"tier"} type
 * @property {string} tier
 * @property {string | null} pinned the tier that this session has chosen
 * @property {number} frame_ms of its packets
 * @property {{tier: string, bps: number}[]} tiers those it may have, from the best on
 */
/** @typedef {{type: "demo", demo: unknown}} DemoMessage the demo piece begins, or null: it gives way */
/** @typedef {{type: "leaving", reason: string, message: string, after_ms: number}} Leaving the last message of a session */
/** @typedef {{type: "error", code: string, message: string, of?: string}} ErrorMessage */
/** @typedef {Welcome | Performers | Selected | PlayerState | DemoMessage | TierMessage | Leaving | ErrorMessage} ServerMessage */

/** @param {string | null} [name] null: none is said */
export const hello = (name) => pack({ type: "hello", version: VERSION, ...(name === null || name === undefined ? {} : { name }) });

/** @param {string} token @param {string | null} [name] */
export const auth = (token, name) => pack({ type: "auth", token, ...(name ? { name } : {}) });

/** @param {string} sound an id of the profile's list @param {number | null} [channel] 0–15 */
export const select = (sound, channel) =>
  pack({ type: "select", sound, ...(channel === null || channel === undefined ? {} : { channel }) });

/**
 * @param {{action: "play", file?: string} | {action: "pause" | "stop"} | {action: "seek", position_s: number}
 *   | {action: "tempo", tempo: number}} command
 */
export const player = (command) => pack({ type: "player", ...command });

/** Be sent one tier, or by null what the network carries. @param {string | null} tier high, middle or low */
export const tier = (tier) => pack({ type: "tier", tier });

/**
 * A report, once a second. What is no finite number is left out; three decimals are enough.
 *
 * @param {Report} report
 */
export function stats(report) {
  /** @type {Record<string, number | string>} */
  const found = { type: "stats" };
  for (const name of STATS_FIELDS) {
    const value = report[name];
    if (typeof value === "number" && Number.isFinite(value)) found[name] = Math.round(value * 1000) / 1000;
  }
  return pack(found);
}

/**
 * Parse what a server sends.
 *
 * @param {unknown} text
 * @returns {ServerMessage}
 * @throws {ProtocolError} and nothing else
 */
export function parseServer(text) {
  if (typeof text !== "string") throw new ProtocolError("the telemetry channel carries text, not bytes");
  if (text.length > MAX_BYTES || new TextEncoder().encode(text).length > MAX_BYTES) {
    throw new ProtocolError(`more than ${MAX_BYTES} bytes`, "too_large");
  }
  /** @type {any} */
  let members;
  try {
    members = JSON.parse(text);
  } catch {
    throw new ProtocolError("not JSON");
  }
  if (typeof members !== "object" || members === null || Array.isArray(members)) {
    throw new ProtocolError("not a JSON object");
  }
  if (!["welcome", "performers", "selected", "player", "demo", "tier", "leaving", "error"].includes(members.type)) {
    throw new ProtocolError("the type of this message is unknown", "unknown_type");
  }
  if (members.type === "welcome") {
    if (members.version !== VERSION) throw new ProtocolError(`a server of another version`, "unknown_version");
    integer(members.rtp_offset, 0, 0xffff_ffff, "rtp_offset");
    integer(members.media_time, -Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, "media_time");
  }
  if (members.type === "tier") {
    const { tiers } = members;
    const sound = Array.isArray(tiers) && tiers.every((one) => typeof one?.tier === "string" && Number.isInteger(one.bps) && one.bps > 0);
    const { frame_ms: frameMs } = members;
    if (typeof frameMs !== "number" || frameMs < 0 || frameMs > 1_000) throw new ProtocolError("frame_ms is not a number in 0–1000");
    if (!sound) throw new ProtocolError("tiers is not a list of tiers and their bits a second");
  }
  if (members.type === "leaving") integer(members.after_ms, 0, 120_000, "after_ms");
  return members;
}

/** @param {unknown} value @param {number} low @param {number} high @param {string} name */
function integer(value, low, high, name) {
  if (!Number.isInteger(value) || Number(value) < low || Number(value) > high) {
    throw new ProtocolError(`${name} is not an integer in ${low}–${high}`);
  }
}

/** @param {Record<string, unknown>} members */
function pack(members) {
  const text = JSON.stringify(members);
  if (new TextEncoder().encode(text).length > MAX_BYTES) throw new ProtocolError("too large to be sent", "too_large");
  return text;
}
