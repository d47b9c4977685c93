// @ts-check
/** What is known of a Studio session at one moment. */

import { PER_MS } from "../channel/clock.js";

/** @typedef {import("./audio.js").RingStats} RingStats */
/** @typedef {import("./audio.js").StudioAudio} StudioAudio */
/** @typedef {import("./link.js").StudioFormat} StudioFormat */

/**
 * @typedef {object} StudioStats
 * @property {number} atMs of performance.now()
 * @property {RingStats} ring
 * @property {StudioFormat} format
 * @property {number | null} browserMs from the instrument's converter to the worklet
 * @property {boolean} measured whether `browserMs` is by the media clock; else it is the ring, a block and half a round trip
 * @property {number | null} outputMs from the worklet to the ear; null where the browser does not say
 * @property {number | null} rttMs
 * @property {import("../listen/path.js").MediaPath | null} path the way that the samples take; null while it is not known
 * @property {import("../listen/path.js").NetworkKind} network that this device is on
 * @property {boolean} busy whether this computer was too busy to play evenly when the quality that plays was chosen
 * @property {boolean} busyNow whether it is
 * @property {boolean} untouched whether the volume leaves the samples as they are
 */

/**
 * @param {number} nowMs of performance.now()
 * @param {RingStats} ring
 * @param {StudioAudio} audio
 * @param {StudioFormat} format
 * @param {import("./link.js").StudioLink} link
 * @param {import("./reporter.js").Reporter | null} reporter
 * @param {number | null} played media time of what leaves the worklet; null while it is not known
 * @param {{then: boolean, now: boolean}} busy whether this computer was busy when the quality was chosen, and is
 * @returns {StudioStats}
 */
export function readingOf(nowMs, ring, audio, format, link, reporter, played, busy) {
  const media = link.clock?.mediaAt(nowMs) ?? null;
  const measured = played !== null && media !== null;
  const clockMs = measured ? (media - played) / PER_MS : 0;
  const light = format.quality === "light" ? format.light : null;
  const blockMs = light ? light.frameMs : (format.frames / format.rate) * 1000;
  const rttMs = link.clock?.rttMs ?? reporter?.rttMs ?? null;
  const guessMs = rttMs === null ? null : ring.levelMs + blockMs + rttMs / 2;
  return {
    atMs: nowMs,
    ring,
    format,
    browserMs: measured ? clockMs : guessMs,
    measured,
    outputMs: audio.outputMs,
    rttMs,
    path: reporter?.path ?? null,
    network: reporter?.network ?? "other",
    busy: busy.then,
    busyNow: busy.now,
    untouched: audio.untouched,
  };
}
