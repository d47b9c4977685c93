// @ts-check
/**
 * What each test found, what that means, and what to do about it. Pure: findings in, words out. All texts of the test page are here.
 */

import { doorWords } from "../ui/refusals.js";
import { milliseconds, percent } from "../ui/format.js";

/** @typedef {import("../connection/problems.js").Problem} Problem */
/** @typedef {"waits" | "good" | "warn" | "bad" | "none"} State none: not tested, or nothing to test */
/**
 * @typedef {object} Line
 * @property {State} state
 * @property {string} found in a few words; goes into the report, and has nothing of the person in it
 * @property {string} [todo] what helps, a sentence
 */

/** @typedef {keyof typeof TESTS} TestId */

/** The tests in their order: name, and what each is for. */
export const TESTS = Object.freeze({
  server: { name: "Server", means: "Whether this page reaches the server by HTTP." },
  access: { name: "Access", means: "Whether you may listen here, and whether your link lets you play." },
  webrtc: { name: "WebRTC", means: "What brings the sound here. Without it there is only the sound by HTTP, some seconds later." },
  opus: { name: "Opus", means: "How the sound is packed. Without it nothing can be heard by WebRTC." },
  udp: { name: "UDP", means: "The quickest way for the sound. Where it is blocked, TCP or a relay has to do." },
  tcp: { name: "TCP", means: "The way for the sound where UDP is blocked. Lost packets make it pause." },
  turn: { name: "TURN relay", means: "A way round firewalls that block all else, if the server’s owner has set one up." },
  jitter: { name: "This line", means: "How evenly packets come for ten seconds, and how many get lost. What comes unevenly has to be waited for." },
  secure: { name: "Secure page", means: "Studio, MIDI keyboards and copying need a page that comes by https, or from this very machine." },
  worklet: { name: "AudioWorklet", means: "Studio plays its samples by it." },
  transform: { name: "Encoded Transform", means: "Studio takes its samples out of the stream by it. Without it they come on a DataChannel." },
  midi: { name: "Web MIDI", means: "MIDI keyboards on this computer play the instrument by it. The keys on the screen need nothing." },
  clock: { name: "Clock", means: "How far this device’s clock is from the server’s. Links expire by the server’s." },
});

export const STATES = Object.freeze({ waits: "Testing…", good: "Good", warn: "Not so good", bad: "Does not work", none: "Not tested" });

const NEWER = "A current Chrome, Edge, Firefox or Safari has it.";
const CLOSER = "A cable, or a place nearer to the Wi-Fi’s router, helps.";

/** @param {number | null} roundTripMs of the quickest request; null if none was answered @returns {Line} */
export function serverLine(roundTripMs) {
  if (roundTripMs === null) {
    return {
      state: "bad",
      found: "The server does not answer.",
      todo: "See whether this device is on the right network, and whether the server runs. Then test again.",
    };
  }
  return { state: "good", found: `It answers in ${milliseconds(roundTripMs)} ms.` };
}

/**
 * @param {any} rights what the server says of the room; null if it says nothing
 * @param {boolean} known whether a room could be found
 * @param {boolean} token whether this tab has a link's token
 * @returns {Line}
 */
export function accessLine(rights, known, token) {
  if (!known) {
    return { state: "none", found: "No room could be tried.", todo: "Open this page from the page of a room, or by a link that is valid." };
  }
  if (rights === null) return { state: "none", found: "The server does not say." };
  if (rights.listen?.allowed === null) return { state: "none", found: "Whether you may listen is decided when you press Listen." };
  if (rights.listen?.allowed !== true) {
    const { detail } = doorWords(String(rights.listen?.error ?? ""), String(rights.listen?.message ?? ""));
    return { state: "bad", found: "You may not listen.", todo: detail };
  }
  if (rights.perform?.allowed === true) return { state: "good", found: "You may listen and play." };
  if (!token || rights.perform?.allowed === null) return { state: "good", found: "You may listen." };
  const { detail } = doorWords(String(rights.perform?.error ?? ""), String(rights.perform?.message ?? ""));
  return { state: "warn", found: "You may listen; this link does not let you play.", todo: detail };
}

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
export function webrtcLine({ webrtc }) {
  return webrtc ? { state: "good", found: "It is there." } : { state: "bad", found: "It is missing, or switched off.", todo: NEWER };
}

/** @param {Features} features @param {boolean} decoded whether sound of the session was decoded @returns {Line} */
export function opusLine({ webrtc, opus }, decoded) {
  if (decoded) return { state: "good", found: "Sound came and was decoded." };
  if (!webrtc || opus === false) return { state: "bad", found: "This browser does not decode it.", todo: NEWER };
  return { state: opus ? "good" : "none", found: opus ? "This browser decodes it." : "This browser does not say." };
}

/** @param {Features} features @param {string} origin @returns {Line} */
export function secureLine({ secure }, origin) {
  if (secure) return { state: "good", found: "It is secure." };
  // An address says where somebody is, and the report goes to strangers.
  const todo = `Open the page by https instead of ${origin}. Whoever runs the server turns that on by “--tls auto”.`;
  return { state: "warn", found: "It is not secure: Listen works, Studio and MIDI keyboards do not.", todo };
}

/** @param {Features} features @returns {Line} */
export function workletLine({ worklet, secure }) {
  if (worklet) return { state: "good", found: "It is there." };
  return secure ? { state: "bad", found: "It is missing.", todo: NEWER } : waitsForSecure();
}

/** @param {Features} features @returns {Line} */
export function transformLine({ transform, secure }) {
  if (transform) return { state: "good", found: "It is there." };
  if (!secure) return waitsForSecure();
  return { state: "warn", found: "It is missing: Studio takes a DataChannel, of which the server has few places.", todo: NEWER };
}

/** @param {Features} features @returns {Line} */
export function midiLine({ midi, midiPermission, secure }) {
  if (!secure) return waitsForSecure();
  if (!midi) return { state: "warn", found: "It is missing.", todo: "Chrome, Edge and Firefox have it. The keys on the screen play without it." };
  if (midiPermission === "denied") {
    const todo = "You or a rule have forbidden it. Allow MIDI devices in the site’s settings, left of the address, and load the page again.";
    return { state: "bad", found: "It is there, but not allowed.", todo };
  }
  return { state: "good", found: midiPermission === "granted" ? "It is there and allowed." : "It is there, and asks before it is used." };
}

/** @returns {Line} */
const waitsForSecure = () => ({ state: "none", found: "It needs a secure page." });

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
      return { state: "good", found: `Connected in ${milliseconds(way.afterMs)} ms.` };
    case "refused":
      return { state: "none", found: refusedWords(way.problem), todo: way.problem.message };
    case "no_webrtc":
      return { state: "none", found: "It needs WebRTC." };
    case "no_room":
      return { state: "none", found: "It needs a room that you may listen to." };
    case "missing":
      return { state: "none", found: name === "turn" ? "This server has none." : `This server offers no way by ${name.toUpperCase()}.` };
    case "blocked":
      return { state: others ? "warn" : "bad", found: "No connection.", todo: BLOCKED[name] };
  }
}

/** @type {Readonly<Record<"udp" | "tcp" | "turn", string>>} */
const BLOCKED = Object.freeze({
  udp:
    "A firewall between here and the server blocks UDP, or the server names an address that cannot be reached from here. Try " +
    "another network, or ask whoever runs the server: its UDP port has to be open, and “public_host” has to name an address of it.",
  tcp: "A proxy or a firewall lets only HTTP pass. If UDP works, nothing is missing.",
  turn: "The relay does not answer, or refuses. Ask whoever runs the server to look at it.",
});

/** @param {Problem} problem */
function refusedWords({ code, why }) {
  if (why === "full") return "The room is full at this moment.";
  if (code === "not_allowed") return "You may not listen here.";
  if (code === "server_unreachable") return "The server does not answer.";
  return "The server refuses at this moment.";
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
  if (measured === null) return { state: "none", found: "It needs a connection." };
  const { packets, lost, jitterMs, rttMs, seconds } = measured;
  if (packets === 0) {
    const todo = "The connection stands and brings nothing. Test again; if it stays so, tell whoever runs the server.";
    return { state: "bad", found: `No packet came in ${seconds} s.`, todo };
  }
  const share = (100 * Math.max(0, lost)) / (packets + Math.max(0, lost));
  const trip = rttMs === null ? "" : `, round trip ${milliseconds(rttMs)} ms`;
  const found = `Varies by up to ${milliseconds(jitterMs)} ms, ${percent(share)} lost${trip}.`;
  const within = (/** @type {{jitterMs: number, percent: number}} */ limit) => jitterMs <= limit.jitterMs && share <= limit.percent;
  if (within(LIMITS.good)) return { state: "good", found };
  return { state: within(LIMITS.fair) ? "warn" : "bad", found, todo: CLOSER };
}

/** Beyond this a clock is wrong, in ms. */
export const CLOCK_LIMIT_MS = 5_000;

/** @param {{offsetMs: number, errorMs: number} | null} clock how far the server's is ahead @returns {Line} */
export function clockLine(clock) {
  if (clock === null) return { state: "none", found: "The server does not say." };
  const { offsetMs, errorMs } = clock;
  const by = Math.abs(offsetMs);
  const written = by < 10_000 ? `${milliseconds(by)} ms` : `${Math.round(by / 1000)} s`;
  const side = offsetMs < 0 ? "ahead of" : "behind";
  const found = by <= errorMs ? "They agree." : `This clock is ${written} ${side} the server’s (± ${milliseconds(errorMs)} ms).`;
  if (by <= CLOCK_LIMIT_MS) return { state: "good", found };
  return { state: "warn", found, todo: "Set this device’s clock, or let it follow the network’s time; if it is right, the server’s is wrong." };
}
