// @ts-check
/**
 * What this listener's ears hear at this moment, in the room's media time. In Listen mode it is observed at the receiver; who plays
 * the sound in another way (Studio) says it himself.
 */

import { PER_MS } from "../channel/clock.js";
import { PlayoutClock, sourceMs } from "../channel/playout.js";

/**
 * A reading says when a packet was decoded. Its first sample then waits behind what was decoded before it (0 to 10 ms) and for the
 * blocks of 10 ms in which browsers hand sound on. In Chromium 156 this came to 19 ms up to an AudioWorklet and 13 ms up to
 * the sound system, whose monitor heard it 13 ms after the reading and `outputLatency`.
 */
const HANDING_ON_MS = 16;

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

  /** @param {Playout | null} playout null: the receiver's again */
  setPlayout(playout) {
    this.#playout = playout;
  }

  /** Another connection: what was known of the old one's buffer is void. */
  reset() {
    this.#own = new PlayoutClock();
  }

  /** The output latency that is counted, in milliseconds; Studio counts its own. */
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
   * From the instrument to the ear.
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
