// @ts-check
/**
 * The media time that this listener hears at this moment. In Listen mode it is observed at the receiver; Studio, which plays the
 * sound in its own way, sets a function that tells it.
 */

import { PER_MS } from "../channel/clock.js";
import { PlayoutClock, sourceMs } from "../channel/playout.js";

/**
 * Time from a packet's decoding, which a reading tells, to the output. The packet's first sample waits behind what was decoded before
 * it (0 to 10 ms), and for the blocks of 10 ms in which browsers hand sound on. In Chromium 156 it reached an AudioWorklet after
 * 19 ms, and the sound system's monitor 13 ms after the reading plus `outputLatency`.
 */
export const HANDING_ON_MS = 16;

/**
 * Each look at the receiver costs the page a fifth of a millisecond, as browsers ask another thread. A new clock looks in every frame
 * until it has its median; then the buffer's delay changes slowly, and it looks this often, in milliseconds.
 */
const LOOK_MS = 120;
/** Observations whose median is followed: of about a second. */
const OBSERVED = 9;

/** @typedef {import("../connection/link.js").ChannelLink} ChannelLink */
/** @typedef {(nowMs: number) => number | null} Playout media time heard at a time of performance.now(); null: unknown */

export class HeardClock {
  #latencyMs;
  /** @type {Playout | null} */
  #playout = null;
  #own = new PlayoutClock(OBSERVED);
  #looks = 0;
  #lookedMs = -Infinity;

  /** @param {() => number} latencyMs of the output device */
  constructor(latencyMs) {
    this.#latencyMs = latencyMs;
  }

  /** @param {Playout | null} playout tells what is heard; null: the receiver is observed again */
  setPlayout(playout) {
    this.#playout = playout;
  }

  /** Forgets what was known of the buffer, when the connection is another one. */
  reset() {
    this.#own = new PlayoutClock(OBSERVED);
    this.#looks = 0;
  }

  /** The output latency that is added here, in milliseconds: 0 while Studio plays, which adds its own. */
  get latencyMs() {
    return this.#playout ? 0 : this.#latencyMs();
  }

  /**
   * Looks at the receiver, where it is time for that; call it every frame, and before what it says is reported.
   *
   * @param {RTCPeerConnection} peer
   * @param {ChannelLink} link
   * @param {number} nowMs
   */
  observe(peer, link, nowMs) {
    const { welcome, clock } = link;
    const nearMedia = clock.mediaAt(nowMs);
    if (this.#playout || !welcome || nearMedia === null) return;
    if (this.#looks >= OBSERVED && nowMs - this.#lookedMs < LOOK_MS) return;
    this.#lookedMs = nowMs;
    for (const receiver of peer.getReceivers()) {
      if (receiver.track.kind !== "audio") continue;
      for (const source of receiver.getSynchronizationSources()) {
        const isNew = this.#own.observeRtp({
          rtpTimestamp: source.rtpTimestamp,
          atMs: sourceMs(source.timestamp, performance.timeOrigin),
          rtpOffset: welcome.rtp_offset,
          nearMedia,
          latencyMs: HANDING_ON_MS + this.#latencyMs(),
        });
        if (isNew) this.#looks += 1;
      }
    }
  }

  /** @param {number} nowMs @returns {number | null} media time, or null while nothing plays */
  at(nowMs) {
    return this.#playout ? this.#playout(nowMs) : this.#own.heardAt(nowMs);
  }

  /**
   * The delay from the instrument to the ear.
   *
   * @param {ChannelLink} link
   * @param {number} nowMs
   * @returns {number | null} milliseconds
   */
  delayMs(link, nowMs) {
    const [heard, media] = [this.at(nowMs), link.clock.mediaAt(nowMs)];
    return heard === null || media === null ? null : Math.max(0, (media - heard) / PER_MS);
  }
}
