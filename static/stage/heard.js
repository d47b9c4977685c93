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

/** @typedef {import("../connection/link.js").ChannelLink} ChannelLink */
/** @typedef {(nowMs: number) => number | null} Playout media time heard at a time of performance.now(); null: unknown */

export class HeardClock {
  #latencyMs;
  /** @type {Playout | null} */
  #playout = null;
  #own = new PlayoutClock();

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
    this.#own = new PlayoutClock();
  }

  /** The output latency that is added here, in milliseconds: 0 while Studio plays, which adds its own. */
  get latencyMs() {
    return this.#playout ? 0 : this.#latencyMs();
  }

  /**
   * Looks at the receiver; call it every frame.
   *
   * @param {RTCPeerConnection} peer
   * @param {ChannelLink} link
   * @param {number} nowMs
   */
  observe(peer, link, nowMs) {
    const { welcome, clock } = link;
    const nearMedia = clock.mediaAt(nowMs);
    if (this.#playout || !welcome || nearMedia === null) return;
    for (const receiver of peer.getReceivers()) {
      if (receiver.track.kind !== "audio") continue;
      for (const source of receiver.getSynchronizationSources()) {
        this.#own.observeRtp({
          rtpTimestamp: source.rtpTimestamp,
          atMs: sourceMs(source.timestamp, performance.timeOrigin),
          rtpOffset: welcome.rtp_offset,
          nearMedia,
          latencyMs: HANDING_ON_MS + this.#latencyMs(),
        });
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
