// @ts-check
/**
 * Carries out what `QualityLoop` decides: asks the server for one quality or for both, and lets the ring change from one to the
 * other once both are there, so that nobody hears more than a cross-fade. Used for one Studio session; it reads no clock.
 *
 * The loop takes seconds to judge, and weather is heard at once. So with the first gap of the samples light comes beside them, on
 * guard, and fills their gaps, until the loop has judged or there was no gap for a while.
 */

import { Limits } from "./limits.js";
import { QualityLoop } from "./quality.js";

/** @typedef {import("./quality.js").Choice} Choice */
/** @typedef {import("./quality.js").Pin} Pin */
/** @typedef {import("./quality.js").Quality} Quality */
/** @typedef {import("./engine/splice.js").Turn} Turn */
/** @typedef {import("./limits.js").Verdict} Verdict */
/** @typedef {Quality | "both"} Wish what the server is asked for */

/**
 * @typedef {object} Figures of the ring, as `RingStats`; counts are since the session began
 * @property {Turn} turn
 * @property {number} lostMs
 * @property {number} madeUpMs what light's decoder made up
 * @property {number} repaired blocks of the samples that a repeat brought
 * @property {number} missed packets of light that did not come by themselves
 * @property {number} underruns
 * @property {number} jitterMs
 * @property {number} levelMs
 * @property {number} targetMs
 * @property {number} rate of the ring, Hz
 * @property {number} payloads
 * @property {number} lost blocks that had not come when they were due
 * @property {number} besideCame frames of the samples that came in trials, and beside light on guard
 * @property {number} besideEnd position after the newest of them
 * @property {number} besideJitterMs
 */

/**
 * @typedef {object} Steps the session's link
 * @property {(wish: Wish) => void} change asks the server
 * @property {(turn: Turn) => void} turn tells the ring; "to-light" and "to-exact" are over by themselves
 */

const READING_MS = 1_000;
/** Both qualities come for at least this long before light is left alone: its encoder has to begin, too. */
const JOINED_LEAST_MS = 400;
/** The ring has this long to grow to what light needs. */
const JOINED_MOST_MS = 4_000;
/** The ring counts as grown when its level is at most this far below its target. */
const GROWN_MS = 1.5;
/** Light stays on guard until there was no gap for so long. */
const GUARD_MS = 6_000;
/** A change that is not over by then is over all the same: one of the two does not come. */
const CHANGING_MS = 1_000;

export class Chooser {
  #loop;
  #steps;
  #format;
  /** @type {Turn} what the ring was told last */
  #turn;
  #sinceMs;
  #readMs;
  /** @type {Figures | null} of the last reading */
  #before = null;
  #lostMs = 0;
  #repairedMs = 0;
  /** Whether the samples are broken, so that nothing is gained by waiting. */
  #urgent = false;
  /** Gaps of the samples so far. */
  #gaps = 0;
  /** When the last of them was. */
  #gapMs = -Infinity;
  /** @type {Limits | null} null before what is played is heard */
  #limits = null;

  /**
   * @param {Choice} begun
   * @param {Pin} pin
   * @param {{exact: boolean, light: boolean}} offered by the server and this browser
   * @param {{mbps: number, blockMs: number, frameMs: number}} format mbps of the samples; durations of a block and of a packet of light
   * @param {Steps} steps
   * @param {number} nowMs monotonic
   */
  constructor(begun, pin, offered, format, steps, nowMs) {
    this.#loop = new QualityLoop(begun, pin, offered, format.mbps, nowMs);
    this.#format = format;
    this.#steps = steps;
    this.#turn = begun.stage;
    this.#sinceMs = this.#readMs = nowMs;
  }

  /** @returns {Choice} */
  get choice() {
    return this.#loop.choice;
  }

  /** What plays is heard from now on, and `look` may find that it should not be. @param {number} nowMs */
  heard(nowMs) {
    this.#limits ??= new Limits(nowMs);
  }

  /** How long nothing has come. @param {number} nowMs */
  quietMs(nowMs) {
    return this.#limits?.quietMs(nowMs) ?? 0;
  }

  /**
   * This browser cannot decode light.
   *
   * @param {number} nowMs
   * @returns {boolean} whether the samples are what is heard, and go on
   */
  withoutLight(nowMs) {
    this.#loop.withoutLight(nowMs);
    if (!this.#hearsExact || this.#turn === "to-exact") return false;
    if (this.#turn !== "exact") this.#alone("exact", nowMs);
    return true;
  }

  /** @param {Pin} pin @param {number} nowMs */
  pin(pin, nowMs) {
    this.#follow(this.#loop.pin(pin, nowMs), nowMs, false);
  }

  /** The server has no place for what was asked for, and goes on with what it sends. @param {number} nowMs */
  refused(nowMs) {
    if (this.#turn === "guard" || this.#turn === "join" || this.#turn === "to-light") {
      this.#loop.lightRefused(nowMs);
      this.#set("exact", nowMs);
    } else {
      this.#loop.refused(nowMs);
      this.#set("light", nowMs);
    }
  }

  /**
   * Takes in how the ring stands, about ten times a second.
   *
   * @param {number} nowMs
   * @param {Figures} ring
   * @param {number | null} rttMs
   * @returns {Verdict | null} why Studio is to be left: nothing lighter is left to try
   */
  look(nowMs, ring, rttMs) {
    this.#guard(nowMs, ring);
    if (this.#before === null || nowMs - this.#readMs >= READING_MS) this.#read(nowMs, ring, rttMs);
    this.#goOn(nowMs, ring);
    const { payloads, lost, underruns, targetMs } = ring;
    const verdict = this.#limits?.judge({ atMs: nowMs, payloads, lost, underruns, targetMs }) ?? null;
    if (verdict === null || verdict === "quiet") return verdict;
    const changing = this.#turn === "join" || this.#turn === "to-light" || this.#turn === "to-exact";
    if (!changing && !this.#loop.lightIsLeft) return verdict;
    if (!changing) this.#follow(this.#loop.giveWay(nowMs), nowMs, true);
    return null;
  }

  /**
   * Lets light come beside the samples with the first of their gaps.
   *
   * @param {number} nowMs
   * @param {Figures} ring
   */
  #guard(nowMs, { lost, underruns }) {
    const gaps = lost + underruns;
    const more = this.#before !== null && gaps > this.#gaps;
    this.#gaps = gaps;
    if (!more) return;
    this.#gapMs = nowMs;
    if (this.#turn === "exact" && this.#loop.lightIsLeft) this.#both("guard", nowMs);
  }

  /**
   * @param {number} nowMs
   * @param {Figures} ring
   * @param {number | null} rttMs
   */
  #read(nowMs, ring, rttMs) {
    const before = this.#before;
    this.#before = ring;
    if (before) {
      const light = (ring.missed - before.missed) * this.#format.frameMs - (ring.madeUpMs - before.madeUpMs);
      const exact = (ring.repaired - before.repaired) * this.#format.blockMs;
      this.#repairedMs += Math.max(0, this.#hearsExact ? exact : light);
      // What light's decoder makes up beside the samples is hardly heard.
      this.#lostMs += ring.lostMs - before.lostMs + (this.#hearsExact ? 0 : ring.madeUpMs - before.madeUpMs);
      // What light has filled was missing all the same.
      const elapsedMs = nowMs - this.#readMs;
      if (this.#turn === "guard" && before.turn === "guard") this.#repairedMs += (1 - besideOf(before, ring, elapsedMs).share) * elapsedMs;
    }
    const beside = this.#turn === "trial" && before?.turn === "trial" ? besideOf(before, ring, nowMs - this.#readMs) : null;
    this.#readMs = nowMs;
    const { underruns, targetMs } = ring;
    // Packets of light leave with the blocks of the capture, whose grid is another one: so much is not the network's.
    const jitterMs = this.#hearsExact ? ring.jitterMs : Math.max(0, ring.jitterMs - this.#format.blockMs);
    const reading = { atMs: nowMs, lostMs: this.#lostMs, repairedMs: this.#repairedMs, underruns, jitterMs, targetMs, rttMs, beside };
    // While both come, what is heard is made of both, and says little about either.
    if (this.#turn === "join" || this.#turn === "to-light" || this.#turn === "to-exact") return;
    const urgent = before !== null && ring.lostMs - before.lostMs > 0.1 * READING_MS;
    this.#follow(this.#loop.judge(reading), nowMs, urgent);
  }

  get #hearsExact() {
    return this.#turn === "exact" || this.#turn === "guard" || this.#turn === "join" || this.#turn === "to-exact";
  }

  /**
   * @param {Choice} choice
   * @param {number} nowMs
   * @param {boolean} urgent see `#urgent`
   */
  #follow({ stage }, nowMs, urgent) {
    if (stage === "light") {
      if (this.#turn === "trial") this.#alone("light", nowMs);
      else if (this.#hearsExact) this.#join(nowMs, urgent);
    } else if (stage === "trial") {
      if (this.#turn === "light") this.#both("trial", nowMs);
    } else if (this.#turn === "trial") {
      this.#set("to-exact", nowMs);
    } else if (this.#turn === "join") {
      this.#alone("exact", nowMs);
    } else if (this.#turn === "light" || this.#turn === "to-light") {
      // Exact was pinned: no trial, but both have to be there for the change.
      this.#both("trial", nowMs);
    }
  }

  /** @param {number} nowMs @param {boolean} urgent */
  #join(nowMs, urgent) {
    this.#urgent = urgent;
    if (this.#turn === "guard") this.#set("join", nowMs);
    else if (this.#turn !== "join") this.#both("join", nowMs);
  }

  /**
   * @param {number} nowMs
   * @param {Figures} ring
   */
  #goOn(nowMs, ring) {
    const sinceMs = nowMs - this.#sinceMs;
    switch (this.#turn) {
      case "guard":
        if (nowMs - this.#gapMs >= GUARD_MS) this.#alone("exact", nowMs);
        break;
      case "join": {
        const grown = this.#urgent || ring.levelMs >= ring.targetMs - GROWN_MS;
        if (sinceMs >= JOINED_MOST_MS || (sinceMs >= JOINED_LEAST_MS && ring.turn === "joined" && grown)) this.#set("to-light", nowMs);
        break;
      }
      case "trial":
        // Without a trial of the loop's this is the way to a pinned quality.
        if (this.#loop.choice.stage === "exact" && sinceMs >= JOINED_LEAST_MS) this.#set("to-exact", nowMs);
        break;
      case "to-light":
        if (ring.turn === "light" || sinceMs >= CHANGING_MS) this.#alone("light", nowMs);
        break;
      case "to-exact":
        if (ring.turn === "exact" || sinceMs >= CHANGING_MS) this.#alone("exact", nowMs);
        break;
    }
  }

  /** @param {"guard" | "join" | "trial"} turn @param {number} nowMs */
  #both(turn, nowMs) {
    this.#steps.change("both");
    this.#set(turn, nowMs);
  }

  /** @param {Quality} quality @param {number} nowMs */
  #alone(quality, nowMs) {
    this.#steps.change(quality);
    this.#set(quality, nowMs);
  }

  /** @param {Turn} turn @param {number} nowMs */
  #set(turn, nowMs) {
    this.#turn = turn;
    this.#sinceMs = nowMs;
    this.#steps.turn(turn);
    // What one quality lacked says nothing about the other.
    if (this.#limits) this.#limits = new Limits(nowMs);
  }
}

/**
 * How the samples came beside light.
 *
 * @param {Figures} before
 * @param {Figures} now
 * @param {number} elapsedMs
 */
function besideOf(before, now, elapsedMs) {
  const came = now.besideCame - before.besideCame;
  const passed = now.besideEnd - before.besideEnd;
  const due = (now.rate * elapsedMs) / 1000;
  // What came last tells what should have come until then; if that is far behind, the clock tells it.
  const share = passed > due / 2 ? came / passed : came / due;
  return { share: Math.min(1, Math.max(0, share)), jitterMs: now.besideJitterMs };
}
