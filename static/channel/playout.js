// @ts-check
/**
 * Estimates which media time the listener hears now. Pure.
 *
 * In Listen mode the observations come from `RTCRtpReceiver.getSynchronizationSources()`: the RTP timestamp that left the
 * jitter buffer, and when. In Studio mode the worklet says which media time it plays. The output latency of the device is added
 * in both. Single observations lie 10 ms apart and jitter as much; the median of the last ones is followed smoothly.
 */

import { PER_MS } from "./clock.js";
import { modulo, unwrap } from "./codec.js";

/** The estimate follows the median of this many observations, unless the clock is made for another number. */
const WINDOW = 31;
/** How fast the shown time may run ahead or behind while it corrects itself: 10 %. */
const SLEW = 0.1;
/** A change beyond this means that the sound was interrupted, and not stretched: it is followed at once. */
const JUMP_MS = 150;
/** Without an observation for this long, nothing is known to be playing. */
const STALE_MS = 2000;

/**
 * The moment of a synchronization source on the clock of performance.now(). The specification adds the time origin; some browsers
 * give performance.now() itself.
 *
 * @param {number} timestamp of an RTCRtpSynchronizationSource
 * @param {number} timeOrigin performance.timeOrigin
 */
export function sourceMs(timestamp, timeOrigin) {
  return timestamp > timeOrigin / 2 ? timestamp - timeOrigin : timestamp;
}

export class PlayoutClock {
  /** How often the sound was found elsewhere by more than 150 ms, and was followed at once. */
  jumps = 0;
  /** @type {number[]} media time in ms less the page's clock, of the last observations */
  #offsets = [];
  #lastAtMs = -Infinity;
  #from = 0;
  #fromMs = 0;
  #target = 0;
  #window;

  /** @param {number} [window] observations whose median is followed; where they are rare, fewer of them */
  constructor(window = WINDOW) {
    this.#window = window;
  }

  /**
   * Takes in a reading of getSynchronizationSources().
   *
   * @param {object} reading
   * @param {number} reading.rtpTimestamp
   * @param {number} reading.atMs when that timestamp left the jitter buffer, see `sourceMs`
   * @param {number} reading.rtpOffset of the session, from `welcome`
   * @param {number} reading.nearMedia a media time within half a day of it: the media clock's
   * @param {number} reading.latencyMs from there to the ear: outputLatency, or a guess
   * @returns {boolean} whether it was new
   */
  observeRtp({ rtpTimestamp, atMs, rtpOffset, nearMedia, latencyMs }) {
    const low = modulo(rtpTimestamp - rtpOffset, 2 ** 32);
    return this.observe({ mediaTime: unwrap(low, Math.round(nearMedia)), atMs, latencyMs });
  }

  /**
   * Takes in that `mediaTime` left for the output device at `atMs`.
   *
   * @param {{mediaTime: number, atMs: number, latencyMs: number}} reading
   * @returns {boolean} whether it was new; polling twice between two packets is no second observation
   */
  observe({ mediaTime, atMs, latencyMs }) {
    if (!(atMs > this.#lastAtMs) || !Number.isFinite(mediaTime) || !Number.isFinite(latencyMs)) return false;
    const stale = atMs - this.#lastAtMs > STALE_MS;
    const shown = this.#shown(atMs);
    this.#lastAtMs = atMs;
    const offset = mediaTime / PER_MS - atMs - latencyMs;
    if (stale) this.#offsets = [];
    this.#offsets.push(offset);
    if (this.#offsets.length > this.#window) this.#offsets.shift();
    this.#target = median(this.#offsets);
    if (stale) {
      this.#from = this.#target;
    } else if (Math.abs(this.#target - shown) > JUMP_MS) {
      // The median shows the sound after the interruption; observations from before it are dropped.
      this.jumps += 1;
      this.#offsets = this.#offsets.slice(-Math.ceil(this.#window / 2)).filter((one) => Math.abs(one - offset) <= JUMP_MS);
      this.#target = median(this.#offsets);
      this.#from = this.#target;
    } else {
      this.#from = shown;
    }
    this.#fromMs = atMs;
    return true;
  }

  /**
   * The media time that is heard now, or null if nothing is known to be playing. It runs smoothly at 90–110 % of real time, except
   * at interruptions.
   *
   * @param {number} nowMs
   * @returns {number | null} samples, not rounded
   */
  heardAt(nowMs) {
    if (!(nowMs - this.#lastAtMs <= STALE_MS)) return null;
    return (nowMs + this.#shown(nowMs)) * PER_MS;
  }

  /** @param {number} nowMs */
  #shown(nowMs) {
    const away = this.#from - this.#target;
    const moved = Math.max(0, nowMs - this.#fromMs) * SLEW;
    return this.#target + Math.sign(away) * Math.max(0, Math.abs(away) - moved);
  }
}

/** @param {number[]} values at least one */
function median(values) {
  const ordered = [...values].sort((a, b) => a - b);
  const middle = ordered.length >> 1;
  const high = ordered[middle] ?? 0;
  return ordered.length % 2 === 1 ? high : ((ordered[middle - 1] ?? high) + high) / 2;
}
