// @ts-check
/**
 * The client's half of the `midi` channel's bytes: unpacks what a server sends, packs what it reads. Layouts are drawn in
 * `rtcserver/channel/PROTOCOL.md`; twin of `messages.py` in `rtcserver/channel/down/` and `up/`. Pure.
 */

import { messageLength, valid } from "./cells.js";
import { LAST_PERFORMER } from "./performers.js";

export const VERSION = 1;
const KIND_NOTES = 1;
const KIND_REPLY = 2;
const KIND_PLAY = 17;
const KIND_PING = 18;

/** Number of bytes of the largest message. */
const MAX_MESSAGE = 1100;
export const MAX_PLAY_EVENTS = 64;
export const MAX_HELD = 128;
const MAX_NOTES_EVENTS = 96;

/** In `play`: release all that this performer holds. */
export const PANIC = Object.freeze([0xff, 0x00]);
/** In `play`: silence everyone. */
export const PANIC_ALL = Object.freeze([0xff, 0x01]);

/** Thrown for a message that is none of this protocol, or breaks one of its rules. */
export class ProtocolError extends Error {
  /** @param {string} message @param {string} [code] stable */
  constructor(message, code = "malformed") {
    super(message);
    this.name = "ProtocolError";
    this.code = code;
  }
}

/** @typedef {{performer: number, message: number[], mediaTime: number}} NoteEvent mediaTime: 48 kHz samples */
/** @typedef {{performer: number, cell: number, value: number}} OwnedCell */
/** @typedef {{first: number, last: number, cells: OwnedCell[]}} StatePart all cells whose key is in first–last */
/** @typedef {{kind: "notes", newest: number, mediaTime: number, events: NoteEvent[], state: StatePart | null}} Notes */
/**
 * @typedef {{kind: "reply", performer: boolean, epoch: number, acked: number, clientUs: number, mediaTime: number,
 *   heldUs: number}} Reply
 */
/** @typedef {{message: readonly number[], ageUs: number}} PlayEvent */
/**
 * @typedef {object} Play
 * @property {number} epoch
 * @property {number} newest number of the last event
 * @property {number} clientUs
 * @property {PlayEvent[]} events
 * @property {[cell: number, value: number][] | null} held ascending; null in all but the last message of a batch
 * @property {boolean} first whether `events` begins with the oldest one that is not acknowledged
 */

/**
 * Parse what a server sends.
 *
 * @param {unknown} data an ArrayBuffer, or a view of one
 * @returns {Notes | Reply}
 * @throws {ProtocolError} and nothing else
 */
export function unpackDown(data) {
  const view = viewOf(data);
  if (view.byteLength < 2 || view.byteLength > MAX_MESSAGE) {
    throw new ProtocolError(`${view.byteLength} bytes, not 2–${MAX_MESSAGE}`, "length");
  }
  const version = view.getUint8(0);
  if (version !== VERSION) throw new ProtocolError(`version ${version}, not ${VERSION}`, "unknown_version");
  const kind = view.getUint8(1);
  if (kind === KIND_NOTES) return unpackNotes(view);
  if (kind === KIND_REPLY) return unpackReply(view);
  throw new ProtocolError(`kind ${kind} is not one that a server sends`, "unknown_kind");
}

/** @param {Play} play @returns {Uint8Array<ArrayBuffer>} */
export function packPlay({ epoch, newest, clientUs, events, held, first }) {
  const bytes = new Uint8Array(20 + 8 * events.length + 3 * (held?.length ?? 0));
  const view = new DataView(bytes.buffer);
  view.setUint8(0, VERSION);
  view.setUint8(1, KIND_PLAY);
  view.setUint8(2, (first ? 1 : 0) | (held ? 2 : 0));
  view.setUint8(3, epoch);
  view.setUint32(4, newest);
  view.setBigInt64(8, BigInt(clientUs));
  view.setUint8(16, events.length);
  view.setUint8(17, held?.length ?? 0);
  let at = 20;
  for (const { message, ageUs } of events) {
    view.setUint32(at, Math.min(0xffff_ffff, ageUs));
    bytes.set(message, at + 4);
    at += 8;
  }
  for (const [cell, value] of held ?? []) {
    view.setUint16(at, cell);
    view.setUint8(at + 2, value);
    at += 3;
  }
  return bytes;
}

/** @param {number} clientUs @returns {Uint8Array<ArrayBuffer>} */
export function packPing(clientUs) {
  const bytes = new Uint8Array(12);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, VERSION);
  view.setUint8(1, KIND_PING);
  view.setBigInt64(4, BigInt(clientUs));
  return bytes;
}

/**
 * The integer closest to `near` whose low 32 bits are `number` (RFC 1982). Exact up to 2⁵³.
 *
 * @param {number} number
 * @param {number} near
 */
export function unwrap(number, near) {
  const away = modulo(number - near + 2 ** 31, 2 ** 32) - 2 ** 31;
  return near + away;
}

/** @param {number} value @param {number} by @returns {number} 0 to `by`, exclusive */
export function modulo(value, by) {
  return ((value % by) + by) % by;
}

/** @param {DataView} view @returns {Notes} */
function unpackNotes(view) {
  expect(view.byteLength >= 16, "the header is cut short");
  const flags = view.getUint8(2);
  const count = view.getUint8(3);
  expect((flags & ~1) === 0, "reserved flags are set");
  expect(count <= MAX_NOTES_EVENTS, "too many events");
  const mediaTime = safe(view.getBigInt64(8), "media time");
  const end = 16 + 8 * count;
  expect(view.byteLength >= end, "the events are cut short");
  /** @type {NoteEvent[]} */
  const events = [];
  for (let at = 16; at < end; at += 8) {
    const performer = view.getUint8(at + 4);
    expect(performer >= 1 && performer <= LAST_PERFORMER, "an event of nobody");
    const when = mediaTime + view.getInt32(at);
    expect(Number.isSafeInteger(when), "media time is beyond 2⁵³");
    events.push({ performer, message: channelMessage(view, at + 5), mediaTime: when });
  }
  if (!(flags & 1)) expect(view.byteLength === end, "bytes after the end");
  const state = flags & 1 ? unpackState(view, end) : null;
  return { kind: "notes", newest: view.getUint32(4), mediaTime, events, state };
}

/** @param {DataView} view @param {number} start @returns {StatePart} */
function unpackState(view, start) {
  expect(view.byteLength >= start + 8, "the state is cut short");
  const first = (view.getUint8(start) << 16) | view.getUint16(start + 1);
  const last = (view.getUint8(start + 3) << 16) | view.getUint16(start + 4);
  const count = view.getUint16(start + 6);
  expect(first <= last, "the range ends before it begins");
  expect(view.byteLength === start + 8 + 5 * count, "the cells do not fill the message");
  /** @type {OwnedCell[]} */
  const cells = [];
  let before = first - 1;
  for (let at = start + 8; at < view.byteLength; at += 5) {
    const performer = view.getUint8(at);
    const cell = view.getUint16(at + 1);
    const value = view.getUint16(at + 3);
    const key = (performer << 16) | cell;
    expect(before < key && key <= last, "a cell is out of order or range");
    expect(valid(performer, cell, value), "a cell that cannot be");
    cells.push({ performer, cell, value });
    before = key;
  }
  return { first, last, cells };
}

/** @param {DataView} view @returns {Reply} */
function unpackReply(view) {
  expect(view.byteLength === 28, "a reply of the wrong length");
  const flags = view.getUint8(2);
  const epoch = view.getUint8(3);
  const acked = view.getUint32(4);
  expect((flags & ~1) === 0, "reserved flags are set");
  expect(flags === 1 || (epoch === 0 && acked === 0), "an acknowledgement for a listener");
  return {
    kind: "reply",
    performer: flags === 1,
    epoch,
    acked,
    clientUs: safe(view.getBigInt64(8), "client time"),
    mediaTime: safe(view.getBigInt64(16), "media time"),
    heldUs: view.getUint32(24),
  };
}

/** @param {DataView} view @param {number} at @returns {number[]} status and data bytes, without padding */
function channelMessage(view, at) {
  const status = view.getUint8(at);
  const first = view.getUint8(at + 1);
  const second = view.getUint8(at + 2);
  expect(status >= 0x80 && status <= 0xef && first < 0x80 && second < 0x80, "not a channel message");
  if (messageLength(status) === 3) return [status, first, second];
  expect(second === 0, "padding is not zero");
  return [status, first];
}

/** @param {unknown} data @returns {DataView} */
function viewOf(data) {
  if (data instanceof ArrayBuffer) return new DataView(data);
  if (ArrayBuffer.isView(data)) return new DataView(data.buffer, data.byteOffset, data.byteLength);
  throw new ProtocolError("the midi channel carries bytes, not text");
}

/** @param {boolean} ok @param {string} why */
function expect(ok, why) {
  if (!ok) throw new ProtocolError(why);
}

/** @param {bigint} value @param {string} what @returns {number} */
function safe(value, what) {
  const number = Number(value);
  expect(Number.isSafeInteger(number), `${what} is beyond 2⁵³`);
  return number;
}
