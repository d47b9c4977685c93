// @ts-check
/** What can go wrong on the way to the sound, each in one sentence a musician can act on. Pure. */

import { say } from "../words/problems.js";
import { saidOr } from "../words/say.js";

/**
 * @typedef {object} Problem
 * @property {string} code stable, for tests and styling: "room_unknown", "ice_failed", …
 * @property {string} message a sentence
 * @property {boolean} retry whether trying again by itself makes sense
 * @property {boolean} [soon] whether the sound is expected back at any moment, so that it is asked for often
 * @property {string[]} [addresses] where the media was tried
 * @property {number} [retryAfterMs] what the server asked for
 * @property {string} [why] the server's own word for it: "full", "bad_token", …
 * @property {string} [todo] what whoever runs the server can do about it, which is no use to others
 */

/** @type {Problem} */
export const SERVER_UNREACHABLE = {
  code: "server_unreachable",
  message: say("unreachable"),
  retry: true,
  soon: true,
};

/** @type {Problem} */
export const CONNECTION_LOST = {
  code: "connection_lost",
  message: say("lost"),
  retry: true,
  soon: true,
};

/** @type {Problem} */
export const NO_MEDIA = {
  code: "no_media",
  message: say("no_media"),
  retry: true,
  soon: true,
};

/** @type {Problem} */
export const WEBRTC_MISSING = {
  code: "webrtc_missing",
  message: say("webrtc_missing"),
  retry: false,
};

/** @type {Problem} */
export const STUDIO_REFUSED = {
  code: "studio_refused",
  message: say("studio_refused"),
  retry: false,
};

/** The code of the problem that a server which is being stopped announces. */
export const SERVER_STOPS = "server_stops";

/** The code of the problem that a performer ended the session: a page does not come back from it by itself. */
export const REMOVED = "removed";

/**
 * @param {string} reason of the server's `leaving`
 * @param {string} message its sentence
 * @returns {Problem}
 */
export function leaving(reason, message) {
  return reason === REMOVED ? { code: REMOVED, message, retry: false } : { code: reason, message, retry: true, soon: true };
}

/**
 * @param {unknown} error what the browser threw while it made the offer or took the answer
 * @returns {Problem}
 */
export function negotiationFailed(error) {
  const reason = error instanceof Error ? error.message : String(error);
  return { code: "negotiation_failed", message: say("negotiation", { reason }), retry: false };
}

/**
 * The problem of a session whose signaling worked and whose media does not arrive: nearly always the server advertises an address
 * that cannot be reached.
 *
 * @param {string[]} addresses the candidates of the server's answer
 * @returns {Problem}
 */
export function iceFailed(addresses) {
  const tcp = addresses.some((address) => address.endsWith("(TCP)"));
  const kind = addresses.length === 0 ? "ice.none" : tcp ? "ice.tcp" : "ice.udp";
  return { code: "ice_failed", message: say(kind), todo: say(`${kind}.todo`), retry: true, addresses };
}

/**
 * @param {number} status HTTP status of the refusal
 * @param {string} said the server's own sentence, or ""
 * @param {number} [retryAfterMs]
 * @param {string} [why] the server's word, or ""
 * @returns {Problem}
 */
export function refused(status, said, retryAfterMs, why = "") {
  if (status === 404) {
    return { code: "room_unknown", message: saidOr(said, say("room_unknown")), retry: false };
  }
  if (status === 401 || status === 403) {
    return { code: "not_allowed", message: said || say("not_allowed"), retry: false, why };
  }
  if (status === 503 || status === 429) {
    if (why === "no_address") {
      const message = say("no_address");
      return { code: "server_busy", message, todo: said, retry: true, soon: true, retryAfterMs: retryAfterMs ?? 0, why };
    }
    const message = saidOr(said, say("server_busy"));
    return { code: "server_busy", message, retry: true, soon: true, retryAfterMs: retryAfterMs ?? 0, why };
  }
  // What a proxy says of a server that is away (RFC 9110, sections 15.6.3 and 15.6.5).
  if (status === 502 || status === 504) return SERVER_UNREACHABLE;
  if (status >= 500) {
    return { code: "server_error", message: said || say("server_error", { status }), retry: true };
  }
  return { code: "refused", message: said || say("refused", { status }), retry: false };
}

/**
 * Reads a Retry-After header (RFC 9110, section 10.2.3): seconds or a date.
 *
 * @param {string | null} value
 * @param {number} nowMs wall clock, milliseconds since 1970
 * @returns {number | undefined} milliseconds from now
 */
export function parseRetryAfter(value, nowMs) {
  if (value === null || value.trim() === "") return undefined;
  if (/^\s*\d+\s*$/.test(value)) return Number(value) * 1000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : Math.max(0, at - nowMs);
}

/**
 * The stable word of a JSON error body, or "" when the body is anything else.
 *
 * @param {string} body
 * @returns {string}
 */
export function codeOf(body) {
  try {
    const { error } = JSON.parse(body);
    return typeof error === "string" ? error : "";
  } catch {
    return "";
  }
}

/**
 * The sentence of a JSON error body, or "" when the body is anything else.
 *
 * @param {string} body
 * @returns {string}
 */
export function sentenceOf(body) {
  try {
    const { message } = JSON.parse(body);
    return typeof message === "string" ? message.slice(0, 400) : "";
  } catch {
    return "";
  }
}
