// @ts-check
/**
 * Owns the listening: it runs the session's reducer, carries out its effects, and is the only one that reconnects.
 * At any time there is at most one connection.
 */

import { WhepConnection, insteadOf } from "../connection/whep.js";
import { INITIAL, step } from "./session.js";
import { SETTLING_MS, readCounters, snapshot } from "./stats.js";

/** @typedef {import("./session.js").Session} Session */
/** @typedef {import("./session.js").SessionEvent} SessionEvent */
/** @typedef {import("./stats.js").Snapshot} Snapshot */
/** @typedef {import("./stats.js").Counters} Counters */

/**
 * @typedef {object} Output where the sound goes
 * @property {(stream: MediaStream) => Promise<boolean>} play resolves to whether the browser wants a tap first
 * @property {() => void} stop
 */
/**
 * @typedef {(peer: RTCPeerConnection, channels?: import("../connection/channels.js").Channels) => {close: () => void, link?: import("../connection/link.js").ChannelLink}} AttachStage opens
 *   what else a connection carries, before its offer, or takes the channels that are there
 */

/** How often the statistics are read while there is no sound, and while there is, in milliseconds. */
const EAGER_READ_MS = 200;
const STEADY_READ_MS = 1000;
/** The same while nobody sees the page, and how often it is looked then whether the sound goes on. */
const HIDDEN_READ_MS = 3000;
const HIDDEN_LOOK_MS = 1000;
/** What timers may be early by. */
const EARLY_MS = 20;

export class Listener {
  /** Tells the id of a session of this page that the next one takes the place of; see `insteadOf`. */
  instead = () => "";
  #url;
  #output;
  #onSession;
  #onSnapshot;
  #attach;
  #ready;
  /** @type {{close: () => void} | null} */
  #attached = null;
  #owner = new AbortController();
  /** @type {Session} */
  #session = INITIAL;
  /** @type {WhepConnection | null} */
  #connection = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #wake;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #reading;
  /** @type {Counters | null} */
  #counters = null;
  /** @type {Counters | null} */
  #firstPackets = null;
  /** @type {Counters | null} */
  #settled = null;
  /** @type {Snapshot | null} */
  #snapshot = null;

  /**
   * @param {string} url of the room's WHEP endpoint
   * @param {Output} output
   * @param {(session: Session) => void} onSession after every change
   * @param {(snapshot: Snapshot, counters: Counters) => void} onSnapshot after every reading of the statistics
   * @param {AttachStage} attach
   * @param {{take: () => import("../connection/ready.js").Prepared | null}} [ready] offers that are made already
   */
  constructor(url, output, onSession, onSnapshot, attach, ready = { take: () => null }) {
    this.#url = url;
    this.#output = output;
    this.#onSession = onSession;
    this.#onSnapshot = onSnapshot;
    this.#attach = attach;
    this.#ready = ready;
    const { signal } = this.#owner;
    const hurry = () => this.hurry();
    addEventListener("online", hurry, { signal });
    // Another network, as far as the browser says (Chromium's Network Information API).
    /** @type {{connection?: EventTarget}} */ (navigator).connection?.addEventListener("change", hurry, { signal });
    const seen = () => {
      if (document.hidden) return;
      hurry();
      if (this.#connection) this.#readIn(0, this.#connection, this.#session.generation);
    };
    document.addEventListener("visibilitychange", seen, { signal });
  }

  get session() {
    return this.#session;
  }

  /** The secret id of the current session; "" while there is none. */
  get id() {
    return this.#connection?.id ?? "";
  }

  /** The last reading of the statistics on the current connection. */
  get snapshot() {
    return this.#snapshot;
  }

  listen() {
    this.#dispatch({ type: "listen" });
  }

  stop() {
    this.#dispatch({ type: "stop" });
  }

  /** A performer ended the session that was heard instead of this one. @param {string} message the server's sentence */
  removed(message) {
    this.#dispatch({ type: "removed", message });
  }

  /** Tries to connect now, if it waits for its next attempt; looks after a connection that gives no sound. */
  hurry() {
    this.#dispatch({ type: "hurry" });
  }

  /**
   * @param {boolean} blocked whether the browser wants a tap before it plays
   */
  playback(blocked) {
    this.#dispatch({ type: "playback", generation: this.#session.generation, blocked });
  }

  close() {
    if (this.#owner.signal.aborted) return;
    this.stop();
    this.#owner.abort();
  }

  /**
   * @param {SessionEvent} event
   */
  #dispatch(event) {
    if (this.#owner.signal.aborted) return;
    const before = this.#session;
    const { session, effects } = step(before, event, { nowMs: performance.now(), random: Math.random() });
    this.#session = session;
    for (const effect of effects) {
      if (effect.type === "ask") {
        this.#ask(effect.generation);
        continue;
      }
      if (effect.type === "restart") {
        this.#restart(effect.generation);
        continue;
      }
      this.#hangUp();
      if (effect.type === "open") this.#dial(effect.generation);
    }
    if (session === before) return;
    this.#setWake();
    // An effect may have changed the session again, so it is read anew.
    this.#onSession(this.#session);
  }

  #setWake() {
    clearTimeout(this.#wake);
    const { wakeAtMs } = this.#session;
    if (wakeAtMs === null) return;
    // A timer may fire a little early; the reducer ignores a clock that is not due, so look again.
    const look = () => {
      const leftMs = wakeAtMs - performance.now();
      if (leftMs > 0) this.#wake = setTimeout(look, leftMs);
      else this.#dispatch({ type: "clock" });
    };
    look();
  }

  /**
   * @param {number} generation
   */
  #dial(generation) {
    const instead = this.instead();
    const connection = new WhepConnection(
      this.#url,
      {
        answered: (addresses) => this.#dispatch({ type: "answered", generation, addresses }),
        refused: (problem) => this.#dispatch({ type: "refused", generation, problem }),
        transport: (state) => this.#dispatch({ type: "transport", generation, state }),
        stream: (stream) => this.#play(generation, stream),
      },
      { headers: insteadOf(instead), prepare: (peer, _, channels) => this.#open(peer, generation, channels) },
      instead === "" ? this.#ready.take() : null,
    );
    this.#connection = connection;
    connection.open();
    this.#read(connection, generation);
  }

  /**
   * @param {RTCPeerConnection} peer
   * @param {number} generation
   * @param {import("../connection/channels.js").Channels} [channels]
   */
  #open(peer, generation, channels) {
    const attached = this.#attach(peer, channels);
    this.#attached = attached;
    if (!attached.link) return;
    attached.link.onLeaving = ({ reason, message, after_ms: afterMs }) =>
      this.#dispatch({ type: "leaving", generation, reason, message, afterMs });
  }

  /** @param {number} generation */
  async #ask(generation) {
    const found = (await this.#connection?.ask()) ?? "silent";
    this.#dispatch({ type: "asked", generation, found });
  }

  /** @param {number} generation */
  async #restart(generation) {
    const found = (await this.#connection?.restart()) ?? "silent";
    this.#dispatch({ type: "asked", generation, found });
  }

  #hangUp() {
    clearTimeout(this.#reading);
    this.#attached?.close();
    this.#attached = null;
    this.#connection?.close();
    this.#connection = null;
    this.#counters = this.#firstPackets = this.#settled = null;
    this.#snapshot = null;
    this.#output.stop();
  }

  /**
   * @param {number} generation
   * @param {MediaStream} stream
   */
  async #play(generation, stream) {
    const blocked = await this.#output.play(stream);
    this.#dispatch({ type: "playback", generation, blocked });
  }

  /**
   * @param {WhepConnection} connection
   * @param {number} generation
   */
  async #read(connection, generation) {
    const sinceMs = performance.now() - (this.#counters?.atMs ?? -Infinity);
    const { hidden } = document;
    const lookMs = hidden ? HIDDEN_LOOK_MS : EAGER_READ_MS;
    const steadyMs = hidden ? HIDDEN_READ_MS : STEADY_READ_MS;
    // The statistics are dear, and whether the sound goes on is cheap to see.
    if (this.#session.phase === "live" && connection.flows() && sinceMs < steadyMs - EARLY_MS) {
      this.#readIn(lookMs, connection, generation);
      return;
    }
    const report = await connection.stats();
    if (connection !== this.#connection) return;
    const counters = report && readCounters(report.values(), performance.now(), connection.redundant);
    if (counters) this.#take(counters, connection.stereo, generation);
    if (connection === this.#connection) this.#readIn(this.#session.phase === "live" ? lookMs : EAGER_READ_MS, connection, generation);
  }

  /**
   * @param {number} ms
   * @param {WhepConnection} connection
   * @param {number} generation
   */
  #readIn(ms, connection, generation) {
    clearTimeout(this.#reading);
    this.#reading = setTimeout(() => this.#read(connection, generation), ms);
  }

  /**
   * @param {Counters} counters
   * @param {boolean | null} stereo
   * @param {number} generation
   */
  #take(counters, stereo, generation) {
    if (counters.packets > 0) this.#firstPackets ??= counters;
    if (this.#firstPackets && counters.atMs - this.#firstPackets.atMs >= SETTLING_MS) this.#settled ??= counters;
    const latest = snapshot(this.#counters, counters, stereo, this.#settled);
    this.#counters = counters;
    this.#snapshot = latest;
    this.#dispatch({ type: "media", generation, packets: latest.packets, elapsedMs: latest.elapsedMs });
    this.#onSnapshot(latest, counters);
  }
}
