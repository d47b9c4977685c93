// @ts-check
/**
 * The Studio session as a pure reducer, beside the listening one (listen/session.js): events and the time go in, a new state
 * and effects come out.
 *
 *            choose studio           201            5 frames in the worker         sound in the ring
 *     off ──────────────► opening ───────► proving ───────────────► starting ─────────────────► playing
 *      ▲                     │                │                        │                          │ lost, too bad a network,
 *      └─────────────────────┴────────────────┴────────────────────────┘                          ▼ choose listen
 *      ▲        refused, too slow, gone: Listen has been playing all along                    returning
 *      └──────────────────────────────────────────────────────────────────────────────────────────┘ Listen plays, or 10 s
 *
 * Listen plays until Studio does, and Studio until Listen does again: one of the two can always be heard. PCM is asked for
 * (`ready`) only after frames have come out of the transform, so that no decoder ever gets any.
 */

import { say } from "../words/studio-parts.js";

/** @typedef {"off" | "opening" | "proving" | "starting" | "playing" | "returning"} Phase */

/**
 * @typedef {object} StudioSession
 * @property {Phase} phase
 * @property {number} generation how many sessions were opened so far; names the current one
 * @property {string} notice why Studio is off or returning, in a sentence; "" if by choice
 * @property {boolean} offered whether to offer Studio again: it was left for a reason that may pass
 * @property {boolean} resumes whether Studio is to begin again by itself once Listen plays: its session ended, as after a
 *   restart of the server, and not for what the network or the browser can do
 * @property {number} sinceMs when it began to play
 * @property {number | null} wakeAtMs when the session wants a `clock` event
 */

/**
 * @typedef {{type: "studio"} | {type: "listen"} | {type: "stop"} | {type: "clock"} | {type: "listening"}} OwnEvent
 *   `listening`: Listen has sound now
 * @typedef {{type: "answered", generation: number} | {type: "proved", generation: number}
 *   | {type: "sounding", generation: number}
 *   | {type: "lost", generation: number, notice: string, again: boolean, ended?: boolean}} LinkEvent
 *   `lost`: refused, disconnected, or not worth going on; `again`: whether another attempt makes sense; `ended`: whether its
 *   session with the server is over
 * @typedef {OwnEvent | LinkEvent} StudioEvent
 */

/**
 * @typedef {{type: "open", generation: number} | {type: "ready"} | {type: "take-over"} | {type: "hand-back"}
 *   | {type: "fade-out"} | {type: "close"}} StudioEffect
 *   take-over: fade Studio in and Listen out, end Listen. hand-back: start Listen, unheard. fade-out: fade Listen in and
 *   Studio out, end Studio. close: end Studio at once.
 * @typedef {{studio: StudioSession, effects: StudioEffect[]}} StudioStep
 */

/** Time limits of the phases, in ms: from the offer to the server's answer, and from there to frames in the worker. */
export const OPENING_MS = 12_000;
export const PROVING_MS = 8_000;
/** Time limit from asking for PCM to sound in the ring. */
const STARTING_MS = 6_000;
/** Time limit for Listen to be back; after it Studio is ended all the same. */
const RETURNING_MS = 10_000;
/** Studio that has played for less does not begin again by itself, so that it does not come and go for ever. */
export const STEADY_MS = 10_000;

const SLOW_ANSWER = say("no_answer");
export const NO_FRAMES = say("no_frames");
const NO_SAMPLES = say("no_samples");

/** @type {Readonly<StudioSession>} */
export const OFF = Object.freeze({ phase: "off", generation: 0, notice: "", offered: false, resumes: false, sinceMs: 0, wakeAtMs: null });

/**
 * @type {Record<Phase, {[T in StudioEvent["type"]]?: (studio: StudioSession, event: Extract<StudioEvent, {type: T}>, nowMs: number) => StudioStep}>}
 */
const TRANSITIONS = {
  off: { studio: open, listen: forget },
  opening: { listen: drop, stop: drop, answered, proved: early, lost: dropFor, clock: (studio) => dropFor(studio, { notice: SLOW_ANSWER, again: true }) },
  proving: { listen: drop, stop: drop, proved, lost: dropFor, clock: (studio) => dropFor(studio, { notice: NO_FRAMES, again: false }) },
  starting: { listen: drop, stop: drop, sounding, lost: dropFor, clock: (studio) => dropFor(studio, { notice: NO_SAMPLES, again: true }) },
  playing: { listen: (studio, _event, nowMs) => giveBack(studio, "", false, nowMs), stop: drop, lost },
  returning: { studio: stayOn, stop: drop, listening: faded, clock: faded },
};

/**
 * @param {StudioSession} studio
 * @param {StudioEvent} event
 * @param {number} nowMs
 * @returns {StudioStep}
 */
export function step(studio, event, nowMs) {
  if ("generation" in event && event.generation !== studio.generation) return stay(studio);
  if (event.type === "clock" && (studio.wakeAtMs === null || nowMs < studio.wakeAtMs)) return stay(studio);
  const handle = /** @type {((studio: StudioSession, event: StudioEvent, nowMs: number) => StudioStep) | undefined} */ (
    TRANSITIONS[studio.phase][event.type]
  );
  return handle ? handle(studio, event, nowMs) : stay(studio);
}

/**
 * @param {StudioSession} studio
 * @param {Partial<StudioSession>} [changes]
 * @param {StudioEffect[]} [effects]
 * @returns {StudioStep}
 */
function stay(studio, changes, effects = []) {
  return { studio: changes ? Object.freeze({ ...studio, ...changes }) : studio, effects };
}

/**
 * @param {StudioSession} studio
 * @param {unknown} _event
 * @param {number} nowMs
 */
function open({ generation: before }, _event, nowMs) {
  const generation = before + 1;
  return stay({ ...OFF, phase: "opening", generation, wakeAtMs: nowMs + OPENING_MS }, {}, [{ type: "open", generation }]);
}

/**
 * @param {StudioSession} studio
 * @param {unknown} _event
 * @param {number} nowMs
 */
function answered(studio, _event, nowMs) {
  return stay(studio, { phase: "proving", wakeAtMs: nowMs + PROVING_MS });
}

/**
 * Frames may reach the worker before the page has finished with the answer; the server accepts `ready` then, too.
 *
 * @param {StudioSession} studio
 * @param {unknown} event
 * @param {number} nowMs
 */
function early(studio, event, nowMs) {
  return proved(studio, event, nowMs);
}

/**
 * @param {StudioSession} studio
 * @param {unknown} _event
 * @param {number} nowMs
 */
function proved(studio, _event, nowMs) {
  return stay(studio, { phase: "starting", wakeAtMs: nowMs + STARTING_MS }, [{ type: "ready" }]);
}

/**
 * @param {StudioSession} studio
 * @param {unknown} _event
 * @param {number} nowMs
 */
function sounding(studio, _event, nowMs) {
  return stay(studio, { phase: "playing", sinceMs: nowMs, wakeAtMs: null }, [{ type: "take-over" }]);
}

/**
 * @param {StudioSession} studio
 * @param {{notice: string, again: boolean, ended?: boolean}} why
 * @param {number} nowMs
 */
function lost(studio, { notice, again, ended = false }, nowMs) {
  const resumes = ended && again && nowMs - studio.sinceMs >= STEADY_MS;
  return giveBack({ ...studio, resumes }, notice, again, nowMs);
}

/**
 * @param {StudioSession} studio
 * @param {string} notice
 * @param {boolean} offered
 * @param {number} nowMs
 */
function giveBack(studio, notice, offered, nowMs) {
  return stay(studio, { phase: "returning", notice, offered, wakeAtMs: nowMs + RETURNING_MS }, [{ type: "hand-back" }]);
}

/** Keeps Studio, when it is chosen again before Listen is back. @param {StudioSession} studio */
function stayOn(studio) {
  // Only a return by choice can be taken back: a session that was lost cannot play on.
  if (studio.notice !== "") return stay(studio);
  return stay(studio, { phase: "playing", wakeAtMs: null }, [{ type: "take-over" }]);
}

/** @param {StudioSession} studio */
function faded(studio) {
  const { generation, notice, offered, resumes } = studio;
  return stay({ ...OFF, generation, notice, offered, resumes }, {}, [{ type: "fade-out" }]);
}

/** Ends Studio by choice. @param {StudioSession} studio */
function drop({ generation }) {
  return stay({ ...OFF, generation }, {}, [{ type: "close" }]);
}

/**
 * @param {StudioSession} studio
 * @param {{notice: string, again: boolean}} why
 */
function dropFor({ generation }, { notice, again }) {
  return stay({ ...OFF, generation, notice, offered: again }, {}, [{ type: "close" }]);
}

/** @param {StudioSession} studio */
function forget({ generation }) {
  return stay({ ...OFF, generation }, {});
}
