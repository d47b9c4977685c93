// @ts-check
/**
 * One session's `midi` and `telemetry` channels: signs in, keeps the session's one media clock by its pings, hands on what is
 * played, and sends what this performer plays until it is acknowledged. Used once; another session has another link.
 */

import { MediaClock } from "../channel/clock.js";
import { ProtocolError, unpackDown } from "../channel/codec.js";
import { DownReceiver } from "../channel/down.js";
import { auth, hello, parseServer } from "../channel/telemetry.js";
import { UpSender } from "../channel/up.js";
import { sendOn } from "./channels.js";

/** @typedef {import("../channel/telemetry.js").ServerMessage} ServerMessage */
/** @typedef {import("../channel/telemetry.js").Welcome} Welcome */
/** @typedef {import("../channel/down.js").Heard} Heard */

/**
 * @typedef {object} LinkTell never called after close()
 * @property {(message: ServerMessage) => void} message everything the server says on `telemetry`
 * @property {(heard: Heard[]) => void} notes what was learned, not yet heard
 * @property {() => void} released the server let go of all that this performer held
 */

/**
 * @typedef {object} Attached a session whose channels are in use
 * @property {ChannelLink} link
 * @property {() => void} close
 * @property {(sound: import("../channel/telemetry.js").Report) => void} report tells the server how the sound of the session
 *   arrives, and adds what is known of its notes and its clock
 */
/**
 * @typedef {(peer: RTCPeerConnection, channels: import("./channels.js").Channels) => Attached} Attach puts a session's channels to
 *   use, before its offer
 */

/** After this long without a reply, in milliseconds, what is played is taken not to arrive. */
const LOST_MS = 2_000;

export class ChannelLink {
  /** Called when the server says that it ends this session. @type {(leaving: import("../channel/telemetry.js").Leaving) => void} */
  onLeaving = () => {};
  /** Called when the server says what this session is sent. @type {(tier: import("../channel/telemetry.js").TierMessage) => void} */
  onTier = () => {};
  clock = new MediaClock();
  counters = { malformed: 0, unknown: 0, unsent: 0 };
  #receiver = new DownReceiver();
  #owner = new AbortController();
  #midi;
  #telemetry;
  #credentials;
  #tell;
  /** @type {UpSender | null} */
  #up = null;
  #performs = false;
  /** @type {Welcome | null} */
  #welcome = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #timerMs = Infinity;

  /**
   * @param {import("./channels.js").Channels} channels not yet open
   * @param {{name: string, token: string | null}} credentials
   * @param {LinkTell} tell
   */
  constructor({ midi, telemetry }, credentials, tell) {
    this.#credentials = { ...credentials };
    this.#tell = tell;
    this.#midi = midi;
    this.#telemetry = telemetry;
    const { signal } = this.#owner;
    telemetry.addEventListener("open", () => this.#signIn(), { signal });
    telemetry.addEventListener("message", ({ data }) => this.#onJson(data), { signal });
    midi.addEventListener("open", () => this.#turn(), { signal });
    midi.addEventListener("message", ({ data }) => this.#onBytes(data), { signal });
  }

  /** What the server said of this session; null until then. */
  get welcome() {
    return this.#welcome;
  }

  /** Counters of the received events; see `DownReceiver`. */
  get received() {
    return this.#receiver.counters;
  }

  /** The state of the room's instrument, by cell. @returns {Map<number, number>} */
  cells() {
    return this.#receiver.cells();
  }

  /** Whether what is played now reaches the server. */
  get playable() {
    return this.#up !== null && this.#midi.readyState === "open" && this.#up.silentMs(performance.now()) < LOST_MS;
  }

  /**
   * @param {readonly number[]} message
   * @param {number} atMs when the input happened
   * @returns {boolean} whether it is on its way
   */
  play(message, atMs) {
    if (!this.#up || this.#midi.readyState !== "open") return false;
    const accepted = this.#up.push(message, Math.min(atMs, performance.now()));
    this.#turn();
    return accepted.length > 0;
  }

  /** @param {boolean} everyone */
  panic(everyone) {
    this.#up?.panic(performance.now(), { everyone });
    this.#turn();
  }

  /** Signs in as a performer, if there is a token, now or once the channel is open. */
  perform() {
    if (this.#performs) return;
    this.#performs = true;
    if (this.#telemetry.readyState === "open") this.#authorise();
  }

  /** Sends a message of `channel/telemetry.js`. @param {string} text JSON @returns {boolean} whether it left */
  say(text) {
    const left = sendOn(this.#telemetry, text);
    if (!left) this.counters.unsent += 1;
    return left;
  }

  /** @param {string} name */
  rename(name) {
    this.#credentials.name = name;
    if (this.#welcome?.role === "performer") this.#authorise();
    if (this.#welcome?.role === "listener") this.say(hello(name));
  }

  close() {
    if (this.#owner.signal.aborted) return;
    this.#owner.abort();
    clearTimeout(this.#timer);
    this.#midi.close();
    this.#telemetry.close();
  }

  #signIn() {
    this.say(hello(this.#credentials.name));
    if (this.#performs) this.#authorise();
  }

  #authorise() {
    const { name, token } = this.#credentials;
    if (token) this.say(auth(token, name));
  }

  /** @param {unknown} data */
  #onJson(data) {
    /** @type {ServerMessage} */
    let message;
    try {
      message = parseServer(data);
    } catch (error) {
      // Types that this page does not know come from a newer server; those of Studio are read by studio/link.js.
      this.counters[error instanceof ProtocolError && error.code === "unknown_type" ? "unknown" : "malformed"] += 1;
      return;
    }
    if (message.type === "welcome") this.#welcomed(message);
    if (message.type === "leaving") {
      this.onLeaving(message);
      return;
    }
    if (message.type === "tier") {
      this.onTier(message);
      return;
    }
    this.#tell.message(message);
  }

  /** @param {Welcome} welcome */
  #welcomed(welcome) {
    this.#welcome = welcome;
    if (welcome.role === "performer") this.#up ??= new UpSender(performance.now());
    else this.#up = null;
    this.#turn();
  }

  /** @param {unknown} data */
  #onBytes(data) {
    const now = performance.now();
    let message;
    try {
      message = unpackDown(data);
    } catch {
      this.counters.malformed += 1;
      return;
    }
    if (message.kind === "notes") {
      const heard = this.#receiver.receive(message);
      if (heard.length > 0) this.#tell.notes(heard);
      return;
    }
    this.clock.add(message, now);
    if (this.#up?.receive(message, now).length) this.#tell.released();
    this.#arm();
  }

  /** Sends what is due. */
  #turn() {
    clearTimeout(this.#timer);
    this.#timerMs = Infinity;
    if (this.#owner.signal.aborted || this.#midi.readyState !== "open") return;
    const now = performance.now();
    for (const message of this.#up?.poll(now) ?? []) if (!sendOn(this.#midi, message)) this.counters.unsent += 1;
    if (this.clock.nextPingMs <= now) sendOn(this.#midi, this.clock.ping(now));
    this.#arm();
  }

  #arm() {
    const due = Math.min(this.clock.nextPingMs, this.#up?.nextMs ?? Infinity);
    if (due === this.#timerMs) return;
    clearTimeout(this.#timer);
    this.#timerMs = due;
    this.#timer = setTimeout(() => this.#turn(), Math.max(0, due - performance.now()));
  }
}
