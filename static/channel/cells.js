// @ts-check
/** Cells: the numbers under which keys, pedals and controllers are kept. Twin of `rtcserver/channel/cells.py`. Pure. */

import { LAST_PERFORMER, ROOM } from "./performers.js";

/** Controllers that are pedals, each held by whoever presses it: sustain, sostenuto, soft, hold 2. */
const PEDALS = new Set([64, 66, 67, 69]);
/** Controllers whose last value the room remembers. */
const ROOM_CONTROLLERS = new Set([0, 1, 2, 4, 7, 10, 11, 32, 65]);

const CONTROLLER = 0x080;
export const PROGRAM = 0x100;
export const BEND = 0x101;
const PRESSURE = 0x102;
export const BEND_CENTRE = 8192;
const NOTE_OFF_VELOCITY = 64;
const NOTES_OFF = new Set([120, 123, 124, 125, 126, 127]);

/** @typedef {readonly number[]} Message the bytes of one MIDI message */
/** @typedef {{performer: number, cell: number, value: number}} Write 0 in an owned cell is a release */

/**
 * Number of bytes of a channel message with this status (0x80–0xEF).
 *
 * @param {number} status
 */
export function messageLength(status) {
  return status >= 0xc0 && status <= 0xdf ? 2 : 3;
}

/** @param {Message} message whether these bytes are exactly one channel message */
function isChannelMessage(message) {
  const [status = 0, ...data] = message;
  return (
    Number.isInteger(status) &&
    status >= 0x80 &&
    status <= 0xef &&
    message.length === messageLength(status) &&
    data.every((byte) => Number.isInteger(byte) && byte >= 0 && byte < 0x80)
  );
}

/** @param {number} channel 0–15 @param {number} controller */
export const controllerCell = (channel, controller) => (channel << 12) | CONTROLLER | controller;

/** Whether the cell belongs to one performer: a key or a pedal. @param {number} cell */
export function owned(cell) {
  const slot = cell & 0xfff;
  return slot < CONTROLLER || PEDALS.has(slot - CONTROLLER);
}

/** Whether the cell is a key. @param {number} cell */
export const isNote = (cell) => (cell & 0xfff) < CONTROLLER;

/** Whether a state may hold this. @param {number} performer @param {number} cell @param {number} value */
export function valid(performer, cell, value) {
  if (owned(cell)) return performer >= 1 && performer <= LAST_PERFORMER && value >= 1 && value <= 127;
  const slot = cell & 0xfff;
  if (performer !== ROOM) return false;
  if (slot === BEND) return value < 16384;
  const known = slot === PROGRAM || slot === PRESSURE || (slot < PROGRAM && ROOM_CONTROLLERS.has(slot - CONTROLLER));
  return known && value <= 127;
}

/**
 * The cell that a message in normal form writes, or null for one that leaves no state.
 *
 * @param {number} performer
 * @param {Message} message
 * @returns {Write | null}
 */
export function writeOf(performer, message) {
  const [status = 0, first = 0, second = 0] = message;
  const channel = (status & 0x0f) << 12;
  switch (status & 0xf0) {
    case 0x90:
      return { performer, cell: channel | first, value: second };
    case 0x80:
      return { performer, cell: channel | first, value: 0 };
    case 0xb0: {
      const cell = channel | CONTROLLER | first;
      if (PEDALS.has(first)) return { performer, cell, value: second };
      return ROOM_CONTROLLERS.has(first) ? { performer: ROOM, cell, value: second } : null;
    }
    case 0xc0:
      return { performer: ROOM, cell: channel | PROGRAM, value: first };
    case 0xe0:
      return { performer: ROOM, cell: channel | BEND, value: first | (second << 7) };
    case 0xd0:
      return { performer: ROOM, cell: channel | PRESSURE, value: first };
    default:
      return null;
  }
}

/**
 * The message that writes `value` into `cell`: the inverse of `writeOf`.
 *
 * @param {number} cell
 * @param {number} value
 * @returns {number[]}
 */
export function messageOf(cell, value) {
  const channel = cell >> 12;
  const slot = cell & 0xfff;
  if (slot < CONTROLLER) return value === 0 ? [0x80 | channel, slot, NOTE_OFF_VELOCITY] : [0x90 | channel, slot, value];
  if (slot < PROGRAM) return [0xb0 | channel, slot - CONTROLLER, value];
  if (slot === PROGRAM) return [0xc0 | channel, value];
  if (slot === PRESSURE) return [0xd0 | channel, value];
  return [0xe0 | channel, value & 0x7f, value >> 7];
}

/**
 * What goes on the wire for one message, in order; [] if nothing does. The rules are PROTOCOL.md's "normal form".
 *
 * @param {Message} message
 * @param {ReadonlyMap<number, number>} held the performer's owned cells and their values
 * @returns {number[][]}
 */
export function normalForm(message, held) {
  if (!isChannelMessage(message)) return [];
  const [status = 0, first = 0, second = 0] = message;
  const channel = status & 0x0f;
  if ((status & 0xf0) === 0x90 && second === 0) return [[0x80 | channel, first, NOTE_OFF_VELOCITY]];
  if ((status & 0xf0) !== 0xb0 || first < 120) return [[...message]];
  const mine = [...held.keys()].filter((cell) => cell >> 12 === channel).sort((a, b) => a - b);
  if (NOTES_OFF.has(first)) return mine.filter(isNote).map((cell) => messageOf(cell, 0));
  if (first === 121) {
    return [
      ...mine.filter((cell) => !isNote(cell)).map((cell) => messageOf(cell, 0)),
      [0xe0 | channel, BEND_CENTRE & 0x7f, BEND_CENTRE >> 7],
      [0xb0 | channel, 1, 0],
      [0xb0 | channel, 11, 127],
      [0xd0 | channel, 0],
    ];
  }
  return [];
}

/**
 * The messages that end all that is held: keys, then pedals.
 *
 * @param {Iterable<number>} held cells
 */
export function releases(held) {
  const mine = [...held].filter(owned);
  mine.sort((a, b) => Number(!isNote(a)) - Number(!isNote(b)) || a - b);
  return mine.map((cell) => messageOf(cell, 0));
}
