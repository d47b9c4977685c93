// @ts-check
/**
 * What a performer plays, on its way to the server. Twin of `UpSender` in `rtcserver/channel/up/sender.py`; PROTOCOL.md, "Up".
 * Pure: `nowMs` (performance.now()) goes in, messages come out.
 */

import { normalForm, owned, releases, writeOf } from "./cells.js";
import { MAX_HELD, MAX_PLAY_EVENTS, PANIC, PANIC_ALL, packPlay, unwrap } from "./codec.js";

/** Unacknowledged events are sent again after these times from the last new event, then every `REPEAT_MS`. */
const REPEATS_MS = [5, 10, 20, 40];
const REPEAT_MS = 40;
const KEEP_ALIVE_HOLDING_MS = 200;
const KEEP_ALIVE_MS = 1000;
const MAX_UNACKED = 256;

/** @typedef {import("./codec.js").Reply} Reply */

/** A performer's side: push what is played, send what `poll` returns, feed in the replies. */
export class UpSender {
  /** events: accepted. refused: not playable, or beyond 128 held cells. abandoned: never acknowledged. */
  counters = { events: 0, refused: 0, abandoned: 0, messages: 0, released: 0 };
  #epoch = 0;
  #newest = 0;
  #acked = 0;
  /** @type {{sequence: number, atMs: number, message: readonly number[]}[]} */
  #pending = [];
  /** @type {Map<number, number>} */
  #held = new Map();
  #unsent = false;
  #freshMs;
  #repeat = 0;
  #sentMs;
  #heardMs;

  /** @param {number} nowMs */
  constructor(nowMs) {
    this.#freshMs = nowMs;
    this.#sentMs = nowMs - KEEP_ALIVE_MS;
    this.#heardMs = nowMs;
  }

  /** Cell → value of the keys and pedals that are down. @returns {ReadonlyMap<number, number>} */
  get held() {
    return this.#held;
  }

  get epoch() {
    return this.#epoch;
  }

  /** Events that are not yet acknowledged. */
  get unacknowledged() {
    return this.#pending.length;
  }

  /** How long ago the last reply came; beyond 2 s the connection is as good as lost. @param {number} nowMs */
  silentMs(nowMs) {
    return nowMs - this.#heardMs;
  }

  /**
   * Plays one MIDI message.
   *
   * @param {readonly number[]} message
   * @param {number} nowMs when it was played: the moment of the input event
   * @returns {number[][]} what it became: [] if it is not playable, or changes nothing
   */
  push(message, nowMs) {
    const accepted = [];
    for (const event of normalForm(message, this.#held)) {
      const write = writeOf(0, event);
      if (write && owned(write.cell)) {
        if (write.value === 0) {
          if (!this.#held.delete(write.cell)) continue;
        } else if (!this.#held.has(write.cell) && this.#held.size >= MAX_HELD) {
          continue;
        } else {
          this.#held.set(write.cell, write.value);
        }
      }
      this.#append(event, nowMs);
      accepted.push(event);
    }
    if (accepted.length === 0) this.counters.refused += 1;
    return accepted;
  }

  /**
   * Releases all of one's own keys and pedals, or silences everyone.
   *
   * @param {number} nowMs
   * @param {{everyone?: boolean}} [options]
   */
  panic(nowMs, { everyone = false } = {}) {
    this.#held.clear();
    this.#append(everyone ? PANIC_ALL : PANIC, nowMs);
  }

  /** @param {readonly number[]} message @param {number} atMs */
  #append(message, atMs) {
    this.#newest += 1;
    this.counters.events += 1;
    if (this.#pending.length >= MAX_UNACKED) {
      this.#pending.shift();
      this.counters.abandoned += 1;
    }
    this.#pending.push({ sequence: this.#newest, atMs, message });
    this.#unsent = true;
    this.#freshMs = atMs;
    this.#repeat = 0;
  }

  /** When `poll` has something to send. */
  get nextMs() {
    if (this.#unsent) return this.#freshMs;
    if (this.#pending.length === 0) {
      return this.#sentMs + (this.#held.size > 0 ? KEEP_ALIVE_HOLDING_MS : KEEP_ALIVE_MS);
    }
    const repeat = REPEATS_MS[this.#repeat];
    return repeat === undefined ? this.#sentMs + REPEAT_MS : this.#freshMs + repeat;
  }

  /**
   * @param {number} nowMs
   * @returns {Uint8Array<ArrayBuffer>[]} the messages that are due now
   */
  poll(nowMs) {
    if (nowMs < this.nextMs) return [];
    for (
      let repeat = REPEATS_MS[this.#repeat];
      repeat !== undefined && this.#freshMs + repeat <= nowMs;
      repeat = REPEATS_MS[this.#repeat]
    ) {
      this.#repeat += 1;
    }
    this.#unsent = false;
    this.#sentMs = nowMs;
    const pending = this.#pending;
    const held = [...this.#held].sort((a, b) => a[0] - b[0]);
    /** @type {Uint8Array<ArrayBuffer>[]} */
    const out = [];
    for (let at = 0; at < Math.max(1, pending.length); at += MAX_PLAY_EVENTS) {
      const chunk = pending.slice(at, at + MAX_PLAY_EVENTS);
      out.push(
        packPlay({
          epoch: this.#epoch,
          newest: (chunk.at(-1)?.sequence ?? this.#newest) % 2 ** 32,
          clientUs: Math.floor(nowMs * 1000),
          events: chunk.map(({ atMs, message }) => ({
            message,
            ageUs: Math.max(0, Math.floor((nowMs - atMs) * 1000)),
          })),
          held: at + MAX_PLAY_EVENTS >= pending.length ? held : null,
          first: at === 0,
        }),
      );
    }
    this.counters.messages += out.length;
    return out;
  }

  /**
   * Takes in a reply.
   *
   * @param {Reply} reply
   * @param {number} nowMs
   * @returns {number[][]} the releases that the server did on its own: what was held is up now
   */
  receive(reply, nowMs) {
    this.#heardMs = nowMs;
    if (!reply.performer) return [];
    const raised = (reply.epoch - this.#epoch) & 0xff;
    if (raised >= 0x80) return [];
    if (raised > 0) {
      this.#epoch = reply.epoch;
      this.counters.abandoned += this.#pending.length;
      this.#pending = [];
      this.#unsent = false;
      const released = releases(this.#held.keys());
      this.counters.released += released.length;
      this.#held.clear();
      return released;
    }
    const acked = unwrap(reply.acked, this.#acked);
    if (acked > this.#acked && acked <= this.#newest) {
      this.#acked = acked;
      this.#pending = this.#pending.filter(({ sequence }) => sequence > acked);
    }
    return [];
  }
}
