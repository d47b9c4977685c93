// @ts-check
/**
 * A delay of the listener's own: the browser's jitter buffer waits at least so long (W3C, WebRTC Extensions, `jitterBufferTarget`).
 * It holds for Listen; Studio's ring has a control of its own.
 */

/** No browser's buffer holds more, in ms: Chromium's ends at 1.5 s with packets of 10 ms. */
export const LONGEST_MS = 1500;
/** After the delay is lowered, browsers take this long to play faster until the buffer is as short, in ms. */
const EASE_MS = 30_000;

/** @param {unknown} ms @returns {number} whole milliseconds, 0 to `LONGEST_MS`; 0 for what is no number */
export const ownDelayOf = (ms) => (typeof ms === "number" && ms > 0 ? Math.min(LONGEST_MS, Math.round(ms)) : 0);

/** @typedef {RTCRtpReceiver & {jitterBufferTarget?: number | null}} Receiver */

export class OwnDelay {
  /** @type {Pick<RTCPeerConnection, "getReceivers"> | null} */
  #peer = null;
  #ms;
  #formerMs = 0;
  #easedAtMs = 0;

  /** @param {number} ms */
  constructor(ms) {
    this.#ms = ownDelayOf(ms);
  }

  /** Whether this browser lets a page set it. */
  get works() {
    return typeof RTCRtpReceiver !== "undefined" && "jitterBufferTarget" in RTCRtpReceiver.prototype;
  }

  /** What was chosen. */
  get ms() {
    return this.#ms;
  }

  /** Holds for this connection from now on. @param {Pick<RTCPeerConnection, "getReceivers">} peer */
  follow(peer) {
    this.#peer = peer;
    if (this.#ms > 0) this.#apply();
  }

  /** @param {number} ms @param {number} nowMs */
  set(ms, nowMs) {
    this.#formerMs = this.excusedMs(nowMs);
    this.#easedAtMs = nowMs + EASE_MS;
    this.#ms = ownDelayOf(ms);
    this.#apply();
  }

  /** How much of what one is behind the listener has chosen, and no network has caused. @param {number} nowMs */
  excusedMs(nowMs) {
    return nowMs < this.#easedAtMs ? Math.max(this.#ms, this.#formerMs) : this.#ms;
  }

  #apply() {
    for (const receiver of /** @type {Receiver[]} */ (this.#peer?.getReceivers() ?? [])) {
      try {
        receiver.jitterBufferTarget = this.#ms > 0 ? this.#ms : null;
      } catch {
        // A browser with a smaller buffer keeps the one that it has.
      }
    }
  }
}
