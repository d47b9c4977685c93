// @ts-check
/** What can go wrong on the way to the sound, each in one sentence a musician can act on. Pure. */

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
  message: "The server does not answer. It may be restarting, or this device is on another network.",
  retry: true,
  soon: true,
};

/** @type {Problem} */
export const CONNECTION_LOST = {
  code: "connection_lost",
  message: "The connection was lost.",
  retry: true,
  soon: true,
};

/** @type {Problem} */
export const NO_MEDIA = {
  code: "no_media",
  message: "The connection stands, but no sound has arrived for a few seconds.",
  retry: true,
  soon: true,
};

/** @type {Problem} */
export const WEBRTC_MISSING = {
  code: "webrtc_missing",
  message: "This browser has no WebRTC, or it is switched off. A current Firefox, Chrome, Edge or Safari has it.",
  retry: false,
};

/** @type {Problem} */
export const STUDIO_REFUSED = {
  code: "studio_refused",
  message: "This server has no Studio mode that this page can play.",
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
  return { code: "negotiation_failed", message: `This browser and the server could not agree: ${reason}`, retry: false };
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
  if (addresses.length === 0) {
    return {
      code: "ice_failed",
      message: "The server answered, but named no address for the sound. Tell whoever runs it.",
      todo: "Set public_host in the server's configuration to an address that listeners can reach.",
      retry: true,
      addresses,
    };
  }
  return {
    code: "ice_failed",
    message:
      "The server answers, but the sound does not get through. A firewall may be in the way: try another network. If that does not help, tell whoever runs this server which addresses were tried " +
      `(below, ${tcp ? "over UDP and TCP" : "over UDP"}).`,
    todo:
      "The addresses below were tried" + (tcp ? ". " : " over UDP. ") +
      "If none of them can be reached from here, set public_host in the server's configuration to one that can; " +
      "if one can, a firewall is blocking its UDP port" +
      (tcp ? ", and whatever speaks no HTTP on its TCP port." : "."),
    retry: true,
    addresses,
  };
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
    return { code: "room_unknown", message: said || "There is no such room on this server.", retry: false };
  }
  if (status === 401 || status === 403) {
    return { code: "not_allowed", message: said || "This room is not open to you.", retry: false, why };
  }
  if (status === 503 || status === 429) {
    if (why === "no_address") {
      const message = "This server has no address for the sound that can be reached from here. Tell whoever runs it.";
      return { code: "server_busy", message, todo: said, retry: true, soon: true, retryAfterMs: retryAfterMs ?? 0, why };
    }
    const message = said || "The server has no place left just now.";
    return { code: "server_busy", message, retry: true, soon: true, retryAfterMs: retryAfterMs ?? 0, why };
  }
  // What a proxy says of a server that is away (RFC 9110, sections 15.6.3 and 15.6.5).
  if (status === 502 || status === 504) return SERVER_UNREACHABLE;
  if (status >= 500) {
    return { code: "server_error", message: said || `The server failed (HTTP ${status}).`, retry: true };
  }
  return { code: "refused", message: said || `The server refused the connection (HTTP ${status}).`, retry: false };
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
