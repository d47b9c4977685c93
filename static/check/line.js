// @ts-check
/**
 * One short session with the server, by one way only: the same session as a listener's, with the same rights and limits, whose sound
 * nobody hears. A second one takes the first one's place, so that a test needs one place of a room.
 */

import { haveIceServers, iceServers } from "../connection/ice-servers.js";
import { SERVER_UNREACHABLE, codeOf, negotiationFailed, parseRetryAfter, refused, sentenceOf } from "../connection/problems.js";
import { withLocalName } from "../connection/sdp.js";
import { FROM_PAGE } from "../connection/server.js";
import { authorization } from "../connection/token.js";
import { insteadOf } from "../connection/whep.js";
import { readCounters } from "../listen/stats.js";
import { hasWay, onlyBy } from "./candidates.js";

/** @typedef {import("./verdicts.js").Way} Way */
/** @typedef {import("./verdicts.js").Measured} Measured */
/** @typedef {"udp" | "tcp" | "turn"} WayName */

/** How long a connection may take, and the server for its answer, in ms. */
const CONNECT_MS = 8_000;
const ANSWER_MS = 8_000;

export class TestSession {
  #url;
  #name;
  /** @type {RTCPeerConnection | null} */
  #peer = null;
  /** @type {string | null} */
  #location = null;
  #audio = new Audio();

  /**
   * @param {string} url of the room's WHEP endpoint
   * @param {WayName} name
   */
  constructor(url, name) {
    this.#url = url;
    this.#name = name;
  }

  /** See `WhepConnection`. */
  get id() {
    return this.#location?.split("/").at(-1) ?? "";
  }

  /**
   * @param {string} instead the id of the session that this one takes the place of; "" for none
   * @returns {Promise<Way>} what became of it; it stays open if it is connected
   */
  async open(instead) {
    if (this.#name === "turn" && !haveIceServers()) return { kind: "missing" };
    try {
      const way = await this.#connect(instead);
      if (way.kind !== "connected") this.close();
      return way;
    } catch (error) {
      this.close();
      return { kind: "refused", problem: negotiationFailed(error) };
    }
  }

  /**
   * Looks at what comes, once a second.
   *
   * @param {number} seconds
   * @param {(done: number) => void} tell after each second
   * @returns {Promise<Measured>}
   */
  async measure(seconds, tell) {
    const first = await this.#read();
    let last = first;
    let jitterMs = 0;
    for (let done = 1; done <= seconds; done += 1) {
      await new Promise((resolve) => setTimeout(resolve, 1000));
      last = await this.#read();
      jitterMs = Math.max(jitterMs, (last?.jitterS ?? 0) * 1000);
      tell(done);
    }
    return {
      seconds,
      packets: (last?.packets ?? 0) - (first?.packets ?? 0),
      lost: (last?.lost ?? 0) - (first?.lost ?? 0),
      jitterMs,
      rttMs: last?.rttS === null || last?.rttS === undefined ? null : last.rttS * 1000,
    };
  }

  /** Whether sound was decoded. */
  async decoded() {
    return ((await this.#read())?.played ?? 0) > 0;
  }

  close() {
    this.#audio.pause();
    this.#audio.srcObject = null;
    this.#peer?.close();
    this.#peer = null;
    const location = this.#location;
    this.#location = null;
    if (location) fetch(location, { method: "DELETE", keepalive: true }).catch(() => {});
  }

  /**
   * @param {string} instead
   * @returns {Promise<Way>}
   */
  async #connect(instead) {
    const servers = this.#name === "turn" ? await iceServers(this.#url) : [];
    if (this.#name === "turn" && servers.length === 0) return { kind: "missing" };
    const peer = new RTCPeerConnection({
      iceServers: servers,
      bundlePolicy: "max-bundle",
      iceTransportPolicy: this.#name === "turn" ? "relay" : "all",
    });
    this.#peer = peer;
    peer.addTransceiver("audio", { direction: "recvonly" });
    peer.addEventListener("track", ({ track }) => this.#swallow(track));
    await peer.setLocalDescription(await peer.createOffer());
    const beganMs = performance.now();
    const answer = await this.#post(peer.localDescription?.sdp ?? "", instead);
    if (typeof answer !== "string") return { kind: "refused", problem: answer };
    if (!hasWay(answer, this.#name)) return { kind: "missing" };
    await peer.setRemoteDescription({ type: "answer", sdp: onlyBy(answer, this.#name) });
    const connected = await until(peer, "connectionstatechange", () => peer.connectionState, CONNECT_MS);
    return connected ? { kind: "connected", afterMs: performance.now() - beganMs } : { kind: "blocked" };
  }

  /** Lets the sound be decoded, and heard by nobody. @param {MediaStreamTrack} track */
  #swallow(track) {
    this.#audio.muted = true;
    this.#audio.srcObject = new MediaStream([track]);
    this.#audio.play().catch(() => {});
  }

  /**
   * @param {string} offer
   * @param {string} instead
   * @returns {Promise<string | import("../connection/problems.js").Problem>} the answer, or why there is none
   */
  async #post(offer, instead) {
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(), ANSWER_MS);
    try {
      const headers = { "Content-Type": "application/sdp", ...FROM_PAGE, ...authorization(this.#url), ...insteadOf(instead) };
      const response = await fetch(this.#url, { method: "POST", headers, body: offer, signal: limit.signal });
      const body = await response.text();
      if (!response.ok) {
        const afterMs = parseRetryAfter(response.headers.get("Retry-After"), Date.now());
        return refused(response.status, sentenceOf(body), afterMs, codeOf(body));
      }
      const location = response.headers.get("Location");
      this.#location = location === null ? null : new URL(location, response.url).href;
      return withLocalName(body, new URL(response.url).hostname);
    } catch {
      return SERVER_UNREACHABLE;
    } finally {
      clearTimeout(timer);
    }
  }

  async #read() {
    const report = await this.#peer?.getStats().catch(() => null);
    return report ? readCounters(report.values(), performance.now()) : null;
  }
}

/**
 * @param {RTCPeerConnection} peer
 * @param {string} event
 * @param {() => string} state
 * @param {number} limitMs
 * @returns {Promise<boolean>} whether it became "connected" before it failed and in time
 */
function until(peer, event, state, limitMs) {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), limitMs);
    const look = () => {
      if (state() !== "connected" && state() !== "failed" && state() !== "closed") return;
      clearTimeout(timer);
      resolve(state() === "connected");
    };
    peer.addEventListener(event, look);
    look();
  });
}
