// @ts-check
/** Tells the server how a Studio session does: how its ring stands, and once a second how its sound arrives. Used for one session. */

import { mediaPath, networkKind, selectedPair } from "../listen/path.js";

/** @typedef {import("./audio.js").RingStats} RingStats */
/** @typedef {import("./link.js").StudioLink} StudioLink */

const PERIOD_MS = 1_000;
/**
 * The browser's own statistics are asked for this often, once the path is known. They take all threads of WebRTC 5 to 10 ms on a
 * slow machine, which the samples would have to wait for; the round trip is known from the clock, too.
 */
const ASK_MS = 15_000;

export class Reporter {
  #link;
  #ringToldMs = 0;
  #ringUnderruns = 0;
  /** What the last report of the sound counted from. */
  #soundTold = { atMs: 0, underruns: 0, lost: 0 };
  /** @type {number | null} */
  #rttMs = null;
  /** @type {import("../listen/path.js").MediaPath | null} */
  #path = null;
  #askedMs = -Infinity;
  /** @type {import("../listen/path.js").NetworkKind} */
  #network = "other";

  /** @param {StudioLink} link */
  constructor(link) {
    this.#link = link;
  }

  /** Round trip of the media's path as ICE last measured it; null while it has not. */
  get rttMs() {
    return this.#rttMs;
  }

  /** The kind of network that this device is on. */
  get network() {
    return this.#network;
  }

  /** The way that the media takes; null while it is not known. */
  get path() {
    return this.#path;
  }

  /**
   * Reports what is due: once a second, and the ring also at once after an underrun.
   *
   * @param {number} nowMs
   * @param {RingStats} ring
   * @param {number | null} outputMs from the worklet to the ear; null where the browser does not say
   */
  look(nowMs, ring, outputMs) {
    if (nowMs - this.#ringToldMs < PERIOD_MS && ring.underruns <= this.#ringUnderruns) return;
    this.#ringToldMs = nowMs;
    this.#ringUnderruns = ring.underruns;
    this.#link.report({
      level_ms: rounded(ring.levelMs),
      target_ms: rounded(ring.targetMs),
      level_p5_ms: rounded(ring.levelP5Ms),
      level_p95_ms: rounded(ring.levelP95Ms),
      underruns: ring.underruns,
      lost: ring.lost,
      repaired: ring.repaired,
      duplicates: ring.duplicates,
      // Those of light, which alone has no bits.
      ...(ring.bits === 0 ? { packets: ring.payloads, missed: ring.missed } : {}),
      drift_ppm: rounded(ring.driftPpm),
      ratio: ring.ratio,
      ...(outputMs === null ? {} : { output_ms: rounded(outputMs) }),
    });
    if (nowMs - this.#soundTold.atMs >= PERIOD_MS) this.#reportSound(nowMs, ring);
    if (this.#path !== null && nowMs - this.#askedMs < ASK_MS) return;
    this.#askedMs = nowMs;
    this.#askRoundTrip();
  }

  /**
   * @param {number} nowMs
   * @param {RingStats} ring
   */
  #reportSound(nowMs, { levelMs, targetMs, underruns, lost }) {
    const before = this.#soundTold;
    this.#soundTold = { atMs: nowMs, underruns, lost };
    this.#link.reportSound({
      interval_ms: before.atMs === 0 ? null : nowMs - before.atMs,
      studio_level_ms: levelMs,
      studio_target_ms: targetMs,
      studio_underruns: underruns - before.underruns,
      studio_lost: lost - before.lost,
      ...(this.#path === null ? {} : { relayed: this.#path === "relay" ? 1 : 0 }),
    });
  }

  async #askRoundTrip() {
    const stats = [...((await this.#link.stats())?.values() ?? [])];
    const seconds = selectedPair(stats)?.currentRoundTripTime;
    if (seconds) this.#rttMs = seconds * 1000;
    this.#path = mediaPath(stats);
    this.#network = networkKind(stats);
  }
}

/** @param {number} value */
function rounded(value) {
  return Number.isFinite(value) ? Math.round(value * 1000) / 1000 : 0;
}
