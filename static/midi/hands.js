// @ts-check
/**
 * Merges what one performer presses on several inputs at once: a key that a mouse and a MIDI keyboard both hold sounds until both
 * let go, and the pedal is down while one of them holds it. Pure: input goes in, MIDI messages come out.
 */

const RELEASE_VELOCITY = 64;
/** Number of the sustain pedal's controller. */
export const SUSTAIN = 64;

/** @typedef {string} InputName names an input: one pointer, the computer's keys, a device */

export class Hands {
  /** channel << 7 | note → the inputs that hold it @type {Map<number, Set<InputName>>} */
  #keys = new Map();
  /** channel → input → pedal value @type {Map<number, Map<InputName, number>>} */
  #pedals = new Map();

  /** Notes that are pressed, on whatever channel. @returns {Set<number>} */
  get pressed() {
    return new Set([...this.#keys.keys()].map((key) => key & 0x7f));
  }

  /** Whether one of the inputs holds the sustain pedal. */
  get sustained() {
    return [...this.#pedals.values()].some((values) => Math.max(0, ...values.values()) > 0);
  }

  /**
   * @param {InputName} source
   * @param {number} channel 0–15
   * @param {number} note 0–127
   * @param {number} velocity 1–127
   * @returns {number[][]} a note-on, also when the key is down already: a key that is struck again sounds again
   */
  down(source, channel, note, velocity) {
    const key = (channel << 7) | note;
    const holders = this.#keys.get(key) ?? new Set();
    holders.add(source);
    this.#keys.set(key, holders);
    return [[0x90 | channel, note, Math.max(1, Math.min(127, Math.round(velocity)))]];
  }

  /**
   * @param {InputName} source
   * @param {number} channel
   * @param {number} note
   * @param {number} [velocity]
   * @returns {number[][]} nothing while another input holds the key
   */
  up(source, channel, note, velocity = RELEASE_VELOCITY) {
    const key = (channel << 7) | note;
    const holders = this.#keys.get(key);
    if (!holders?.delete(source) || holders.size > 0) return [];
    this.#keys.delete(key);
    return [[0x80 | channel, note, velocity]];
  }

  /**
   * @param {InputName} source
   * @param {number} channel
   * @param {number} value 0–127
   * @returns {number[][]} the highest value of all inputs, if that changes
   */
  pedal(source, channel, value) {
    const values = this.#pedals.get(channel) ?? new Map();
    const before = Math.max(0, ...values.values());
    if (value > 0) values.set(source, value);
    else values.delete(source);
    this.#pedals.set(channel, values);
    const now = Math.max(0, ...values.values());
    return now === before ? [] : [[0xb0 | channel, SUSTAIN, now]];
  }

  /** Lets go of everything that an input held, when it is gone. @param {InputName} source @returns {number[][]} */
  leave(source) {
    const keys = [...this.#keys.keys()].flatMap((key) => this.up(source, key >> 7, key & 0x7f));
    return [...keys, ...[...this.#pedals.keys()].flatMap((channel) => this.pedal(source, channel, 0))];
  }

  /** Forgets what is held, after a panic or the server has let go of it. */
  clear() {
    this.#keys.clear();
    this.#pedals.clear();
  }
}
