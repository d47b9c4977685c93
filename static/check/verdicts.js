// @ts-check
/** What each test found, what that means, and what to do about it. Pure: findings in, phrases out (words/check.js). */

import { sayPhrase } from "../words/check.js";
import { doorWords } from "../ui/refusals.js";

/** @typedef {import("../connection/problems.js").Problem} Problem */
/** @typedef {import("../words/check.js").Key} Key */
/** @typedef {import("../words/check.js").Phrase} Phrase */
/** @typedef {"waits" | "good" | "warn" | "bad" | "none"} State none: not tested, or nothing to test */
/**
 * @typedef {object} Line
 * @property {State} state
 * @property {Phrase | null} found in a few words; goes into the report, and has nothing of the person in it
 * @property {string} [todo] what helps, in the page's language
 */

/** The tests in their order. */
export const TESTS = /** @type {const} */ ([
  "server",
  "access",
  "webrtc",
  "opus",
  "udp",
  "tcp",
  "turn",
  "jitter",
  "secure",
  "worklet",
  "transform",
  "midi",
  "clock",
]);

/** @typedef {typeof TESTS[number]} TestId */

/**
 * @param {State} state
 * @param {Key} key
 * @param {Record<string, string | number>} [values]
 * @returns {{state: State, found: Phrase}}
 */
const line = (state, key, values = {}) => ({ state, found: { key, values } });

/** @param {Key} key @param {Record<string, string | number>} [values] */
const todo = (key, values) => ({ todo: sayPhrase(values === undefined ? { key } : { key, values }) });

/** As many digits as anybody reads. @param {number} value */
const short = (value) => (value < 9.95 ? Math.round(10 * value) / 10 : Math.round(value));

/** @param {number | null} roundTripMs of the quickest request; null if none was answered @returns {Line} */
export function serverLine(roundTripMs) {
  if (roundTripMs === null) return { ...line("bad", "silent"), ...todo("todo.server") };
  return line("good", "answers", { ms: short(roundTripMs) });
}

/**
 * @param {any} rights what the server says of the room; null if it says nothing
 * @param {boolean} known whether a room could be found
 * @param {boolean} token whether this tab has a link's token
 * @returns {Line}
 */
export function accessLine(rights, known, token) {
  if (!known) return { ...line("none", "access.none"), ...todo("todo.room") };
  if (rights === null) return line("none", "access.unsaid");
  if (rights.listen?.allowed === null) return line("none", "access.later");
  if (rights.listen?.allowed !== true) return { ...line("bad", "access.no"), todo: why(rights.listen) };
  if (rights.perform?.allowed === true) return line("good", "access.play");
  if (!token || rights.perform?.allowed === null) return line("good", "access.listen");
  return { ...line("warn", "access.noplay"), todo: why(rights.perform) };
}

/** @param {any} right that is refused */
const why = (right) => doorWords(String(right?.error ?? ""), String(right?.message ?? "")).detail;

/**
 * @typedef {object} Features what a browser has
 * @property {boolean} webrtc
 * @property {boolean | null} opus null where the browser does not say
 * @property {boolean} secure
 * @property {boolean} worklet
 * @property {boolean} transform
 * @property {boolean} midi
 * @property {"granted" | "denied" | "prompt" | null} midiPermission null where the browser does not say
 */

/** @param {Features} features @returns {Line} */
export const webrtcLine = ({ webrtc }) => (webrtc ? line("good", "there") : { ...line("bad", "missing.off"), ...todo("todo.newer") });

/** @param {Features} features @param {boolean} decoded whether sound of the session was decoded @returns {Line} */
export function opusLine({ webrtc, opus }, decoded) {
  if (decoded) return line("good", "opus.came");
  if (!webrtc || opus === false) return { ...line("bad", "opus.no"), ...todo("todo.newer") };
  return opus ? line("good", "opus.yes") : line("none", "opus.unsaid");
}

/** @param {Features} features @param {string} origin which says where somebody is, and is not in the report @returns {Line} */
export function secureLine({ secure }, origin) {
  return secure ? line("good", "secure.yes") : { ...line("warn", "secure.no"), ...todo("todo.secure", { origin }) };
}

/** @param {Features} features @returns {Line} */
export function workletLine({ worklet, secure }) {
  if (worklet) return line("good", "there");
  return secure ? { ...line("bad", "missing"), ...todo("todo.newer") } : line("none", "secure.needed");
}

/** @param {Features} features @returns {Line} */
export function transformLine({ transform, secure }) {
  if (transform) return line("good", "there");
  return secure ? { ...line("warn", "transform.no"), ...todo("todo.newer") } : line("none", "secure.needed");
}

/** @param {Features} features @returns {Line} */
export function midiLine({ midi, midiPermission, secure }) {
  if (!secure) return line("none", "secure.needed");
  if (!midi) return { ...line("warn", "missing"), ...todo("todo.midi") };
  if (midiPermission === "denied") return { ...line("bad", "midi.denied"), ...todo("todo.midi.denied") };
  return line("good", midiPermission === "granted" ? "midi.granted" : "midi.asks");
}

/**
 * @typedef {{kind: "connected", afterMs: number} | {kind: "blocked"} | {kind: "refused", problem: Problem} | {kind: "missing"} | {kind: "no_room"}
 *   | {kind: "no_webrtc"}} Way what became of a session by one way; missing: the server offers no such way
 */

/**
 * @param {"udp" | "tcp" | "turn"} name
 * @param {Way} way
 * @param {boolean} others whether another way works
 * @returns {Line}
 */
export function wayLine(name, way, others) {
  switch (way.kind) {
    case "connected":
      return line("good", "way.connected", { ms: short(way.afterMs) });
    case "refused":
      return { ...line("none", refusedKey(way.problem)), todo: way.problem.message };
    case "no_webrtc":
      return line("none", "way.webrtc");
    case "no_room":
      return line("none", "way.room");
    case "missing":
      return name === "turn" ? line("none", "way.none") : line("none", "way.none.by", { by: name.toUpperCase() });
    case "blocked":
      return { ...line(others ? "warn" : "bad", "way.blocked"), ...todo(`todo.${name}`) };
  }
}

/** @param {Problem} problem @returns {Key} */
function refusedKey({ code, why }) {
  if (why === "full") return "way.full";
  if (code === "not_allowed") return "way.closed";
  return code === "server_unreachable" ? "silent" : "way.refused";
}

/**
 * @typedef {object} Measured what came in some seconds
 * @property {number} seconds
 * @property {number} packets
 * @property {number} lost
 * @property {number} jitterMs the worst second's
 * @property {number | null} rttMs
 */

/** Up to here a line is good, and up to there it will do: variation in ms, and the share of lost packets in percent. */
export const LIMITS = Object.freeze({ good: { jitterMs: 5, percent: 0.5 }, fair: { jitterMs: 20, percent: 3 } });

/** @param {Measured | null} measured null where no way was found @returns {Line} */
export function jitterLine(measured) {
  if (measured === null) return line("none", "jitter.none");
  const { packets, lost, jitterMs, rttMs, seconds } = measured;
  if (packets === 0) return { ...line("bad", "jitter.silent", { seconds }), ...todo("todo.silent") };
  const share = (100 * Math.max(0, lost)) / (packets + Math.max(0, lost));
  const within = (/** @type {{jitterMs: number, percent: number}} */ limit) => jitterMs <= limit.jitterMs && share <= limit.percent;
  const state = within(LIMITS.good) ? "good" : within(LIMITS.fair) ? "warn" : "bad";
  const values = { ms: short(jitterMs), percent: short(share), trip: short(rttMs ?? 0) };
  const found = line(state, rttMs === null ? "jitter" : "jitter.trip", values);
  return state === "good" ? found : { ...found, ...todo("todo.line") };
}

/** Beyond this a clock is wrong, in ms. */
export const CLOCK_LIMIT_MS = 5_000;

/** @param {{offsetMs: number, errorMs: number} | null} clock how far the server's is ahead @returns {Line} */
export function clockLine(clock) {
  if (clock === null) return line("none", "access.unsaid");
  const { offsetMs, errorMs } = clock;
  const by = Math.abs(offsetMs);
  if (by <= errorMs) return line("good", "clock.same");
  const key = offsetMs < 0 ? "clock.ahead" : "clock.behind";
  const found = line(by <= CLOCK_LIMIT_MS ? "good" : "warn", key, { s: short(by / 1000), error: short(errorMs) });
  return by <= CLOCK_LIMIT_MS ? found : { ...found, ...todo("todo.clock") };
}
