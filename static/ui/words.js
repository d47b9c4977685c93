// @ts-check
/** Says in plain words how listening goes. Pure: session and room in, sentences out. */

import { REMOVED, SERVER_STOPS } from "../connection/problems.js";
import { mayHurry, stateOf } from "../listen/session.js";
import { say as sayFigure } from "../words/figures.js";
import { kilohertz } from "./format.js";
import { doorWords, waitDetail, waitHeadline } from "./refusals.js";
import { behindWords, verdictWords } from "./verdict-words.js";
import { say } from "../words/room.js";
import { saidOr } from "../words/say.js";

/** @typedef {import("../listen/session.js").Session} Session */
/** @typedef {import("../connection/room.js").Room} Room */
/** @typedef {import("../connection/room.js").Asked<Room>} AskedRoom */
/** @typedef {import("../listen/verdict.js").Verdict} Verdict */

/**
 * @typedef {object} Words
 * @property {string} state the session's state, or "silent" when it is live and the instrument gives nothing
 * @property {"rest" | "busy" | "good" | "warn" | "bad"} tone
 * @property {string} headline
 * @property {string} behind how far behind the instrument one hears, to be put behind the headline; "" where that is not said
 * @property {string} detail a sentence, or ""
 * @property {string[]} addresses where the media was tried, when that is the problem
 * @property {boolean} canHurry whether "Try now" makes sense
 * @property {boolean} canCheck whether a test of this browser and its way to the server may tell what is wrong
 * @property {boolean} canLeave whether the other rooms are the way on
 * @property {"Listen" | "Stop" | "Tap to hear" | "Try again" | "Listen again"} action what the big button does
 */

/**
 * @param {Session} session
 * @param {AskedRoom} asked
 * @param {string} roomName
 * @param {Verdict | null} [verdict] how the sound arrives; null while that is not known
 * @returns {Words}
 */
export function describe(session, asked, roomName, verdict = null) {
  const state = stateOf(session);
  const room = asked.kind === "known" ? asked.value : null;
  switch (state) {
    case "idle":
      return idle(asked, roomName);
    case "connecting":
      return connecting(session, room?.owner === true);
    case "buffering": {
      const detail = say(session.heard ? "buffering.again" : "buffering.first");
      return words("buffering", "busy", say("buffering"), detail);
    }
    case "blocked":
      return {
        ...words("blocked", "warn", say("blocked"), say("blocked.why")),
        action: "Tap to hear",
      };
    case "live":
      return live(room, verdict);
    case "reconnecting":
      return {
        ...words("reconnecting", "warn", again(session.problem), waitDetail(session.problem, room?.owner === true)),
        addresses: session.problem?.addresses ?? [],
        canHurry: mayHurry(session),
        canCheck: testable(session.problem),
      };
    case "failed":
      return failed(session, asked, roomName);
  }
}

/**
 * @param {Session} session
 * @param {number} nowMs
 * @returns {number | null} whole seconds until the next attempt
 */
export function secondsLeft(session, nowMs) {
  if (session.phase !== "reconnecting" || session.wakeAtMs === null) return null;
  const leftMs = session.wakeAtMs - nowMs;
  // Nobody counts the parts of a second that pass between two of many attempts.
  return session.problem?.soon && leftMs < 1000 ? null : Math.max(0, Math.ceil(leftMs / 1000));
}

/**
 * @param {Room} room
 * @returns {string} "MONTAGE, 8 channels, 44.1 kHz"
 */
export function instrumentLine({ instrument }) {
  const parts = [instrument.name || instrument.title];
  if (instrument.channels > 0) parts.push(sayFigure("channels", { n: instrument.channels }));
  if (instrument.rate > 0) parts.push(kilohertz(instrument.rate));
  return parts.filter(Boolean).join(", ");
}

/**
 * @param {AskedRoom} asked
 * @param {string} roomName
 * @returns {Words}
 */
function idle(asked, roomName) {
  if (asked.kind === "missing") return { ...(asked.ended ? roomEnded() : unknownRoom(roomName, "")), action: "Listen" };
  if (asked.kind === "unreachable") {
    return { ...words("unreachable", "bad", say("unreachable"), say("unreachable.why")), action: "Listen" };
  }
  if (asked.kind === "refused") {
    const { headline, detail } = doorWords(asked.why, asked.message || say("refused.untold"));
    return { ...words("refused", "warn", headline, say("refused.try", { detail })), action: "Listen" };
  }
  const silent = asked.kind === "known" && asked.value.instrument.state === "silent";
  if (silent) return { ...instrumentSilent(asked.value), state: "idle", action: "Listen" };
  return { ...words("idle", "rest", say("idle"), say("idle.do")), action: "Listen" };
}

/**
 * @param {Session} session
 * @param {boolean} owner
 * @returns {Words}
 */
function connecting({ answered, attempt, problem }, owner) {
  // The last problem stays readable while the next attempt runs.
  if (problem?.soon) return words("connecting", "warn", again(problem), waitDetail(problem, owner));
  if (problem) {
    const headline = say(attempt > 0 ? "reconnecting.now" : "connecting");
    return { ...words("connecting", "busy", headline, waitDetail(problem, owner)), addresses: problem.addresses ?? [] };
  }
  const detail = say(answered ? "connecting.answered" : "connecting.asking");
  return words("connecting", "busy", say("connecting"), detail);
}

/**
 * The headline while the sound is asked for again, the same in all attempts.
 *
 * @param {import("../connection/problems.js").Problem | null} problem
 */
const again = (problem) => (problem?.code === SERVER_STOPS ? say("stops") : (waitHeadline(problem) ?? say("reconnecting")));

/** Problems of the browser and its way to the server, about which a test may tell more. */
const TESTABLE = new Set(["ice_failed", "no_media", "negotiation_failed", "webrtc_missing", "connection_lost", "server_error"]);

/** @param {import("../connection/problems.js").Problem | null} problem */
const testable = (problem) => problem !== null && TESTABLE.has(problem.code);

/**
 * @param {Room | null} room
 * @param {Verdict | null} verdict
 * @returns {Words}
 */
function live(room, verdict) {
  if (room?.instrument.state === "silent") return instrumentSilent(room);
  const note = room?.instrument.note ?? "";
  if (verdict === null) return words("live", "good", say("live"), note);
  const { tone: usual, headline, detail, canCheck } = verdictWords(verdict.kind);
  const tone = verdict.bad ? "bad" : usual;
  const behind = verdict.behindMs === null ? "" : `, ${behindWords(verdict.behindMs)}`;
  return { ...words("live", tone, headline, [detail, note].filter(Boolean).join(" ")), behind, canCheck };
}

/**
 * @param {Room} room
 * @returns {Words}
 */
function instrumentSilent({ instrument }) {
  if (instrument.starting) {
    const reason = sentence(instrument.error || say("starting.why"));
    return words("silent", "busy", say("starting"), say("starting.then", { reason }));
  }
  const reason = sentence(instrument.error || say("silent.why"));
  return words("silent", "warn", say("silent"), say("silent.then", { reason }));
}

/**
 * @param {Session} session
 * @param {AskedRoom} asked
 * @param {string} roomName
 * @returns {Words}
 */
function failed(session, asked, roomName) {
  const told = { ...failure(session, asked, roomName), canCheck: testable(session.problem) };
  return { ...told, action: [session.problem?.code, session.problem?.why].includes(REMOVED) ? "Listen again" : "Try again" };
}

/**
 * @param {Session} session
 * @param {AskedRoom} asked
 * @param {string} roomName
 * @returns {Words}
 */
function failure({ problem }, asked, roomName) {
  const message = problem?.message ?? "";
  switch (problem?.code) {
    case "room_unknown":
      return asked.kind === "known" || (asked.kind === "missing" && asked.ended) ? roomEnded() : unknownRoom(roomName, message);
    case REMOVED:
      return words("failed", "bad", say("removed"), say("removed.then", { message }));
    case "not_allowed": {
      const { headline, detail } = doorWords(problem.why ?? "", message);
      return words("failed", "bad", headline, detail);
    }
    case "webrtc_missing":
      return words("failed", "bad", say("failed.webrtc"), message);
    default:
      return words("failed", "bad", say("failed"), message);
  }
}

/**
 * @param {string} roomName
 * @param {string} message
 */
function unknownRoom(roomName, message) {
  const detail = saidOr(message, say("missing.why", { room: roomName }));
  return { ...words("failed", "bad", say("missing"), detail), canLeave: true };
}

/** @returns {Words} */
function roomEnded() {
  return { ...words("failed", "bad", say("missing.ended"), say("missing.ended.why")), canLeave: true };
}

/**
 * @param {string} state
 * @param {Words["tone"]} tone
 * @param {string} headline
 * @param {string} detail
 * @returns {Words}
 */
function words(state, tone, headline, detail) {
  return { state, tone, headline, behind: "", detail, addresses: [], canHurry: false, canCheck: false, canLeave: false, action: "Stop" };
}

/**
 * @param {string} text
 * @returns {string} with a full stop
 */
function sentence(text) {
  return /[.!?。]$/.test(text) ? text : `${text}.`;
}
