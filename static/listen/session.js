// @ts-check
/**
 * The listening session as a pure reducer: events and the time go in, a new session and effects come out.
 *
 *            listen            transport connected        packets
 *     idle ─────────► connecting ───────────────► buffering ─────► live
 *      ▲                 │  ▲                        │    ◄─────────┤
 *      │ stop (any)      │  │ clock, hurry, listen   │  1.5 s quiet │
 *      │                 ▼  │                        │              │
 *      │             reconnecting ◄──────────────────┴──────────────┘  closed, leaving, quiet or disconnected for 15 s
 *      └── failed ◄── (a problem that trying again does not mend)
 *
 * A connection on which packets are missing is kept, and the server is asked whether it still has the session, several times a
 * second: only its "gone" (or 15 s of quiet) ends it, since a network that pauses is not a server that is gone. If the server
 * has it, this device may have another address now: ICE is restarted, a few times, before the session is given up.
 *
 * Every connection has a generation; an event of an earlier one is ignored. All waiting is in `wakeAtMs`: the owner
 * sets one timer for it and sends `clock`. Times are milliseconds of one monotonic clock.
 */

import { CONNECTION_LOST, NO_MEDIA, REMOVED, SERVER_STOPS, SERVER_UNREACHABLE, iceFailed, leaving } from "../connection/problems.js";
import { askAgainMs, backoffMs, soonMs } from "./backoff.js";
import { DISCONNECTED_GRACE_MS, FIRST_SOUND_MS, MAX_RESTARTS, QUIET_ASK_MS, QUIET_RECONNECT_MS } from "./trouble.js";
import { due, mayRestart, patienceMs, troubled } from "./trouble.js";

/** @typedef {import("../connection/problems.js").Problem} Problem */
/** @typedef {"idle" | "connecting" | "buffering" | "live" | "reconnecting" | "failed"} Phase */
/** @typedef {import("../connection/whep.js").TransportState} TransportState */

/**
 * @typedef {object} Session
 * @property {Phase} phase
 * @property {number} generation how many connections were opened so far; names the current one
 * @property {number} attempt consecutive failures; 0 once the sound was steady for a while
 * @property {boolean} answered the server has answered the current offer
 * @property {string[]} addresses where the server's answer says the media is
 * @property {Problem | null} problem why it is reconnecting or has failed
 * @property {boolean} blocked the browser wants a tap before it plays sound
 * @property {boolean} heard packets have arrived on the current connection
 * @property {number} quietMs how long no packet has arrived, by the statistics' own intervals
 * @property {number | null} askAtMs when the server is to be asked whether it still has the session; null while packets come, and
 *   while its answer is awaited
 * @property {boolean} asking its answer is awaited
 * @property {number | null} disconnectedAtMs since when the transport is disconnected
 * @property {number | null} liveSinceMs
 * @property {number} restarts of ICE, since the sound was last steady
 * @property {number} restartedAtMs when the last of them was asked for
 * @property {number | null} wakeAtMs when the session wants a `clock` event
 */

/**
 * @typedef {{type: "listen"} | {type: "stop"} | {type: "clock"} | {type: "hurry"} | {type: "removed", message: string}} OwnEvent
 *   `hurry`: the network is back, the page is visible again, or somebody pressed "Try now"; `removed`: a performer ended the session
 *   that was heard instead of this one
 * @typedef {{type: "answered", generation: number, addresses: string[]}
 *   | {type: "refused", generation: number, problem: Problem}
 *   | {type: "transport", generation: number, state: TransportState}
 *   | {type: "media", generation: number, packets: number, elapsedMs: number}
 *   | {type: "asked", generation: number, found: "there" | "gone" | "silent"}
 *   | {type: "leaving", generation: number, reason: string, message: string, afterMs: number}
 *   | {type: "playback", generation: number, blocked: boolean}} ConnectionEvent
 * @typedef {OwnEvent | ConnectionEvent} SessionEvent
 */

/**
 * @typedef {{type: "open" | "ask" | "restart", generation: number} | {type: "close"}} Effect `ask` and `restart` (of ICE) are
 *   answered by `asked`
 */
/** @typedef {{nowMs: number, random: number}} Moment `random` in [0, 1) */
/** @typedef {{session: Session, effects: Effect[]}} Step */

/** Time limit from the offer to the server's answer. All times here are in milliseconds. */
export const ANSWER_TIMEOUT_MS = 12_000;
/** Time limit from the answer to a connected transport. */
export const TRANSPORT_TIMEOUT_MS = 12_000;
/** After this long without packets the page says that it buffers. */
export const QUIET_BUFFERING_MS = 1_500;
/** Attempts, of some twenty seconds, in which a server that announced its stop is believed to be back soon. */
const BACK_ATTEMPTS = 57;
/** After this long with sound earlier failures are forgotten. */
export const STEADY_MS = 10_000;

/** @type {Readonly<Session>} */
export const INITIAL = Object.freeze({
  phase: "idle",
  generation: 0,
  attempt: 0,
  answered: false,
  addresses: [],
  problem: null,
  blocked: false,
  heard: false,
  quietMs: 0,
  askAtMs: null,
  asking: false,
  disconnectedAtMs: null,
  liveSinceMs: null,
  restarts: 0,
  restartedAtMs: -Infinity,
  wakeAtMs: null,
});

/**
 * What each phase does with each event. An event that is missing here changes nothing in that phase.
 *
 * @type {Record<Phase, {[T in SessionEvent["type"]]?: (session: Session, event: Extract<SessionEvent, {type: T}>, at: Moment) => Step}>}
 */
const TRANSITIONS = {
  idle: { listen: begin, removed },
  connecting: { stop, removed, answered, refused, transport, playback, leaving: left, clock },
  buffering: { stop, removed, refused, transport, playback, media, asked, leaving: left, clock, hurry },
  live: { stop, removed, refused, transport, playback, media, asked, leaving: left, clock, hurry },
  reconnecting: { stop, removed, listen: reopen, hurry: (session, event, at) => (mayHurry(session) ? reopen(session, event, at) : stay(session)), clock },
  failed: { stop, listen: begin, hurry: (session, _event, at) => (session.problem?.retry ? begin(session, _event, at) : stay(session)) },
};

/**
 * @param {Session} session
 * @param {SessionEvent} event
 * @param {Moment} at
 * @returns {Step}
 */
export function step(session, event, at) {
  if ("generation" in event && event.generation !== session.generation) return stay(session);
  const handle = /** @type {((session: Session, event: SessionEvent, at: Moment) => Step) | undefined} */ (
    TRANSITIONS[session.phase][event.type]
  );
  return handle ? handle(session, event, at) : stay(session);
}

/**
 * Whether the next attempt may be made at once. A server that is full or was asked too often says when to come again.
 *
 * @param {Session} session
 * @returns {boolean}
 */
export function mayHurry(session) {
  return session.phase === "reconnecting" && !session.problem?.retryAfterMs;
}

/**
 * The state in one word: the phase, or "blocked" when only a tap is missing.
 *
 * @param {Session} session
 * @returns {Phase | "blocked"}
 */
export function stateOf(session) {
  return session.blocked && (session.phase === "buffering" || session.phase === "live") ? "blocked" : session.phase;
}

/**
 * @param {Session} session
 * @param {Partial<Session>} [changes]
 * @param {Effect[]} [effects]
 * @returns {Step}
 */
function stay(session, changes, effects = []) {
  return { session: changes ? Object.freeze({ ...session, ...changes }) : session, effects };
}

/**
 * @param {Session} session
 * @param {SessionEvent} _event
 * @param {Moment} at
 */
function begin(session, _event, at) {
  return open({ ...session, attempt: 0, problem: null }, at);
}

/**
 * @param {Session} session
 * @param {SessionEvent} _event
 * @param {Moment} at
 */
function reopen(session, _event, at) {
  return open(session, at);
}

/**
 * @param {Session} session
 * @param {Moment} at
 * @returns {Step}
 */
function open(session, { nowMs }) {
  const generation = session.generation + 1;
  const { attempt, problem } = session;
  return stay(
    { ...INITIAL, phase: "connecting", generation, attempt, problem, wakeAtMs: nowMs + ANSWER_TIMEOUT_MS },
    {},
    [{ type: "open", generation }],
  );
}

/**
 * @param {Session} session
 * @returns {Step}
 */
function stop(session) {
  return stay({ ...INITIAL, generation: session.generation }, {}, [{ type: "close" }]);
}

/**
 * Gives this connection up: until the next attempt, or for good when another attempt cannot help.
 *
 * @param {Session} session
 * @param {Problem} problem
 * @param {Moment} at
 * @returns {Step}
 */
function giveUp(session, problem, { nowMs, random }) {
  const attempt = session.attempt + 1;
  // A server that said it would be back in a moment is not yet one that does not answer.
  const announced = session.problem?.code === SERVER_STOPS && problem === SERVER_UNREACHABLE && attempt <= BACK_ATTEMPTS;
  if (announced && session.problem) problem = session.problem;
  const base = { ...INITIAL, generation: session.generation, attempt, problem, addresses: session.addresses };
  if (!problem.retry) return stay({ ...base, phase: "failed" }, {}, [{ type: "close" }]);
  const waitMs = problem.soon ? soonMs : backoffMs;
  const wakeAtMs = nowMs + waitMs(attempt, random, problem.retryAfterMs);
  return stay({ ...base, phase: "reconnecting", wakeAtMs }, {}, [{ type: "close" }]);
}

/**
 * @param {Session} session
 * @param {{addresses: string[]}} event
 * @param {Moment} at
 */
function answered(session, { addresses }, { nowMs }) {
  return stay(session, { answered: true, addresses, wakeAtMs: nowMs + TRANSPORT_TIMEOUT_MS });
}

/**
 * @param {Session} session
 * @param {{problem: Problem}} event
 * @param {Moment} at
 */
function refused(session, { problem }, at) {
  return giveUp(session, problem, at);
}

/**
 * @param {Session} session
 * @param {{state: TransportState}} event
 * @param {Moment} at
 * @returns {Step}
 */
function transport(session, { state }, at) {
  switch (state) {
    case "connected":
      if (session.phase !== "connecting") {
        const askAtMs = session.quietMs === 0 ? null : session.askAtMs;
        return stay(session, due({ ...session, disconnectedAtMs: null, askAtMs }));
      }
      return stay(session, { phase: "buffering", quietMs: 0, wakeAtMs: null });
    case "disconnected":
      if (session.phase === "connecting" || session.disconnectedAtMs !== null) return stay(session);
      return stay(session, due(troubled(session, at.nowMs, DISCONNECTED_GRACE_MS)));
    case "failed": {
      if (!session.heard || session.restarts >= MAX_RESTARTS) return ended(session, at);
      const { disconnectedAtMs, asking } = troubled(session, at.nowMs - DISCONNECTED_GRACE_MS, 0);
      return asking ? stay(session, { disconnectedAtMs }) : ask({ ...session, disconnectedAtMs });
    }
    case "closed":
      return ended(session, at);
    default:
      return stay(session);
  }
}

/**
 * @param {Session} session
 * @param {Moment} at
 */
function ended(session, at) {
  return giveUp(session, session.phase === "connecting" ? iceFailed(session.addresses) : CONNECTION_LOST, at);
}

/**
 * Takes in a reading of the statistics. Quiet time is counted by the readings' own intervals and not by the clock, since timers of
 * a page in the background fire rarely.
 *
 * @param {Session} session
 * @param {{packets: number, elapsedMs: number}} event
 * @param {Moment} at
 * @returns {Step}
 */
function media(session, { packets, elapsedMs }, at) {
  if (packets > 0) {
    if (session.phase === "buffering") {
      return stay(session, { phase: "live", heard: true, problem: null, quietMs: 0, liveSinceMs: at.nowMs });
    }
    const steady = session.liveSinceMs !== null && at.nowMs - session.liveSinceMs >= STEADY_MS;
    const attempt = steady ? 0 : session.attempt;
    const restarts = steady && at.nowMs - session.restartedAtMs >= STEADY_MS ? 0 : session.restarts;
    if (session.quietMs === 0 && attempt === session.attempt && restarts === session.restarts) return stay(session);
    const askAtMs = session.disconnectedAtMs === null ? null : session.askAtMs;
    return stay(session, due({ ...session, quietMs: 0, attempt, restarts, askAtMs }));
  }
  const quietMs = session.quietMs + elapsedMs;
  if (quietMs >= (session.heard ? QUIET_RECONNECT_MS : FIRST_SOUND_MS)) return giveUp(session, NO_MEDIA, at);
  const quiet = { ...session, quietMs, phase: quietMs >= QUIET_BUFFERING_MS ? /** @type {const} */ ("buffering") : session.phase };
  const first = session.heard && quietMs >= QUIET_ASK_MS && session.askAtMs === null && !session.asking;
  return first ? ask(quiet) : stay(quiet, {});
}

/**
 * @param {Session} session
 * @returns {Step}
 */
function ask(session) {
  const { generation } = session;
  return stay(session, due({ ...session, askAtMs: null, asking: true }), [{ type: "ask", generation }]);
}

/**
 * @param {Session} session
 * @param {{found: "there" | "gone" | "silent"}} event
 * @param {Moment} at
 * @returns {Step}
 */
function asked(session, { found }, at) {
  const answered = { ...session, asking: false };
  const { quietMs, disconnectedAtMs, generation } = session;
  // Those who lose a server together ask at different moments, and so they do not come back at the same one.
  if (found === "gone" && (quietMs > 0 || disconnectedAtMs !== null)) return open({ ...answered, problem: CONNECTION_LOST }, at);
  if (quietMs === 0 && disconnectedAtMs === null) return stay(answered, {});
  if (found === "there" && mayRestart(session, at.nowMs)) {
    const { restarts } = session;
    const restarted = { ...session, asking: true, askAtMs: null, restarts: restarts + 1, restartedAtMs: at.nowMs };
    return stay(session, due(restarted), [{ type: "restart", generation }]);
  }
  return stay(session, due({ ...answered, askAtMs: at.nowMs + askAgainMs(found, at.random) }));
}

/**
 * The server ends the session, and says when to come again.
 *
 * @param {Session} session
 * @param {{reason: string, message: string, afterMs: number}} event
 * @param {Moment} at
 * @returns {Step}
 */
function left(session, { reason, message, afterMs }, at) {
  const { generation, attempt, addresses } = session;
  const problem = leaving(reason, message);
  const gone = { ...INITIAL, generation, attempt, addresses, problem };
  if (!problem.retry) return stay({ ...gone, phase: "failed" }, {}, [{ type: "close" }]);
  if (afterMs <= 0) return open(gone, at);
  return stay({ ...gone, phase: "reconnecting", wakeAtMs: at.nowMs + afterMs }, {}, [{ type: "close" }]);
}

/**
 * @param {Session} session
 * @param {{message: string}} event
 * @param {Moment} at
 */
function removed(session, { message }, at) {
  return left(session, { reason: REMOVED, message, afterMs: 0 }, at);
}

/**
 * @param {Session} session
 * @param {{blocked: boolean}} event
 */
function playback(session, { blocked }) {
  return stay(session, { blocked });
}

/**
 * @param {Session} session
 * @param {SessionEvent} _event
 * @param {Moment} at
 * @returns {Step}
 */
function clock(session, _event, at) {
  if (session.wakeAtMs === null || at.nowMs < session.wakeAtMs) return stay(session);
  if (session.phase === "reconnecting") return open(session, at);
  if (session.phase === "connecting") {
    return giveUp(session, session.answered ? iceFailed(session.addresses) : SERVER_UNREACHABLE, at);
  }
  const isOver = session.disconnectedAtMs !== null && at.nowMs >= session.disconnectedAtMs + patienceMs(session);
  if (!isOver && session.askAtMs !== null && at.nowMs >= session.askAtMs) return ask(session);
  return giveUp(session, CONNECTION_LOST, at);
}

/**
 * Asks the server at once, if the transport is disconnected or packets are missing: the rest of the grace is not waited for.
 *
 * @param {Session} session
 * @param {SessionEvent} _event
 * @param {Moment} at
 * @returns {Step}
 */
function hurry(session, _event, at) {
  const { disconnectedAtMs, quietMs, heard, asking } = session;
  if (disconnectedAtMs === null && quietMs === 0) return stay(session);
  if (!heard) return disconnectedAtMs === null ? stay(session) : open({ ...session, problem: CONNECTION_LOST }, at);
  const parted = disconnectedAtMs === null ? null : Math.min(disconnectedAtMs, at.nowMs - DISCONNECTED_GRACE_MS);
  return asking ? stay(session) : ask({ ...session, disconnectedAtMs: parted });
}
