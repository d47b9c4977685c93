// @ts-check
/**
 * A studio without a network and a loudspeaker: blocks with known samples, traces of when they arrive, a device that
 * asks for samples by its own clock, and what came out. All in virtual time, all from seeds.
 */

import { readFileSync } from "node:fs";

import { Receiver } from "../../../../static/studio/engine/receiver.js";
import { Renderer } from "../../../../static/studio/engine/renderer.js";
import { RING_BYTES, Ring } from "../../../../static/studio/engine/ring.js";
import { Control, Figure } from "../../../../static/studio/engine/slots.js";

export const RATE = 44_100;

/**
 * @typedef {object} Arrival
 * @property {number} atMs
 * @property {Uint8Array} bytes
 * @property {number} [rtp]
 */

/** Numbers from 0 to 1, always the same ones. @param {number} seed */
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    let mixed = state ^ (state >>> 15);
    mixed = Math.imul(mixed, 0x2c1b3c6d);
    mixed ^= mixed >>> 12;
    return (mixed >>> 0) / 2 ** 32;
  };
}

/**
 * The instrument: two tones in 24 bits, so that a frame that is missing or doubled shows.
 *
 * @param {number} frame device frame number
 * @param {number} side
 * @returns {number} a 24-bit integer
 */
export function sample(frame, side) {
  const hz = side === 0 ? 441 : 662;
  return Math.round(0.5 * 8_388_607 * Math.sin((2 * Math.PI * hz * (frame % RATE)) / RATE)) + 0;
}

/**
 * @param {object} options
 * @param {number} options.first device frame number of the first frame
 * @param {number} [options.frames]
 * @param {16 | 24} [options.bits]
 * @param {number} [options.rate]
 * @param {number} [options.epoch]
 * @param {number} [options.flags]
 * @param {(frame: number, side: number) => number} [options.sound]
 * @returns {Uint8Array}
 */
export function payload({ first, frames = 128, bits = 24, rate = RATE, epoch = 7, flags = 0, sound = sample }) {
  const width = bits / 8;
  const size = frames * 2 * width;
  const blocks = flags & 1 ? 2 : 1;
  const bytes = new Uint8Array(24 + size * blocks);
  const view = new DataView(bytes.buffer);
  bytes.set([0xff, 0, 1, bits, flags, 2]);
  view.setUint16(6, frames, true);
  view.setUint32(8, rate, true);
  view.setUint32(12, epoch, true);
  view.setUint32(16, first % 2 ** 32, true);
  view.setUint32(20, Math.floor(first / 2 ** 32), true);
  const put = (/** @type {number} */ at, /** @type {number} */ from) => {
    for (let frame = 0; frame < frames; frame += 1) {
      for (const side of [0, 1]) {
        const value = bits === 24 ? sound(from + frame, side) : sound(from + frame, side) >> 8;
        for (let byte = 0; byte < width; byte += 1) bytes[at++] = (value >> (8 * byte)) & 255;
      }
    }
  };
  put(24, first);
  if (blocks === 2) put(24 + size, first - frames);
  return bytes;
}

/**
 * Blocks of a capture that leave as soon as they are full.
 *
 * @param {object} options
 * @param {number} options.seconds
 * @param {number} [options.frames] in a block
 * @param {16 | 24} [options.bits]
 * @param {number} [options.rate] nominal
 * @param {number} [options.ppm] how fast the instrument's clock is
 * @param {number} [options.epoch]
 * @param {number} [options.first]
 * @param {number} [options.startMs]
 * @param {boolean} [options.previous] each payload carries the block before, too
 * @param {(index: number) => number | null | number[]} [options.delayMs] of each block on the way; null: lost;
 *   several: it comes more than once
 * @param {boolean} [options.inOrder] nothing overtakes
 * @param {(frame: number, side: number) => number} [options.sound]
 * @returns {Arrival[]}
 */
export function trace(options) {
  const { seconds, frames = 128, bits = 24, rate = RATE, ppm = 0, epoch = 7, first = 1_000_000, startMs = 0 } = options;
  const delayMs = options.delayMs ?? (() => 1);
  /** @type {Arrival[]} */
  const arrivals = [];
  let latest = 0;
  for (let index = 0; (index * frames) / rate < seconds; index += 1) {
    const leftMs = startMs + (((index + 1) * frames) / rate) * 1000 * (1 - ppm * 1e-6);
    const from = first + index * frames;
    const flags = options.previous && index > 0 ? 1 : 0;
    const delays = [delayMs(index)].flat();
    for (const delay of delays) {
      if (delay === null) continue;
      latest = options.inOrder === false ? leftMs + delay : Math.max(latest, leftMs + delay);
      const rtp = Math.round((index * frames * 48_000) / rate) >>> 0;
      arrivals.push({ atMs: latest, bytes: payload({ first: from, frames, bits, rate, epoch, flags, sound: options.sound }), rtp });
    }
  }
  return arrivals;
}

/** What a listener got. */
export class Heard {
  /** @param {number} frames */
  constructor(frames) {
    this.left = new Float32Array(frames);
    this.right = new Float32Array(frames);
    /** Of each quantum: the position of its first frame, and whether it is a copy. */
    this.positions = new Float64Array(frames / 128);
    this.exact = new Uint8Array(frames / 128);
    /** Device frame number = position + this, at each quantum. */
    this.offsets = new Float64Array(frames / 128);
    this.frames = 0;
    /** Mean level of each call of the device in ms, from the ring's figures, once a quarter of a second. */
    this.levels = /** @type {number[]} */ ([]);
    this.targets = /** @type {number[]} */ ([]);
    this.ratios = /** @type {number[]} */ ([]);
    this.figures = new Float64Array(0);
    this.underrunsAtMs = /** @type {number[]} */ ([]);
  }

  /** The largest step between neighbouring samples, after `fromS` seconds. */
  step(fromS = 0) {
    let largest = 0;
    for (let i = Math.max(1, Math.round(fromS * RATE)); i < this.frames; i += 1) {
      largest = Math.max(largest, Math.abs((this.left[i] ?? 0) - (this.left[i - 1] ?? 0)));
    }
    return largest;
  }

  /**
   * The null test: the largest difference of exact quanta from what the instrument played.
   *
   * @param {(frame: number, side: number) => number} [sound]
   * @returns {{worst: number, share: number}} share of the quanta that were exact
   */
  nulls(sound = sample) {
    let worst = 0;
    let exact = 0;
    const quanta = this.frames / 128;
    for (let quantum = 0; quantum < quanta; quantum += 1) {
      if (!this.exact[quantum]) continue;
      exact += 1;
      for (let i = 0; i < 128; i += 1) {
        const frame = (this.positions[quantum] ?? 0) + i + (this.offsets[quantum] ?? 0);
        const at = quantum * 128 + i;
        worst = Math.max(worst, Math.abs((this.left[at] ?? 0) - sound(frame, 0) / 2 ** 23));
        worst = Math.max(worst, Math.abs((this.right[at] ?? 0) - sound(frame, 1) / 2 ** 23));
      }
    }
    return { worst, share: exact / quanta };
  }
}

/**
 * Traces of real runs: `recorded.json`. Arrivals in the worker, and when the worklet was asked for each quantum.
 *
 * @returns {Record<string, {about: string, arrivals: Arrival[], callsMs: number[]}>}
 */
export function recorded() {
  const traces = JSON.parse(readFileSync(new URL("recorded.json", import.meta.url), "utf8"));
  return Object.fromEntries(
    traces.map((/** @type {any} */ { name, about, arrival_steps_tenth_ms: steps, block_steps: blocks, repeats, call_steps_ms: calls }) => {
      const repeated = new Set(repeats);
      let atMs = 0;
      let block = 0;
      const arrivals = steps.map((/** @type {number} */ step, /** @type {number} */ index) => {
        atMs += step / 10;
        block += blocks[index];
        return { atMs, bytes: payload({ first: 1_000_000 + block * 128, flags: repeated.has(index) ? 2 : 0 }) };
      });
      let callMs = 0;
      return [name, { about, arrivals, callsMs: calls.map((/** @type {number} */ step) => (callMs += step)) }];
    }),
  );
}

/**
 * A recorded trace several times, one after the other.
 *
 * @param {{arrivals: Arrival[], callsMs: number[]}} trace without repeats
 * @param {number} times
 */
export function again({ arrivals, callsMs }, times) {
  const frameOf = (/** @type {Arrival} */ { bytes }) => new DataView(bytes.buffer).getUint32(16, true);
  const frames = frameOf(/** @type {Arrival} */ (arrivals.at(-1))) - frameOf(/** @type {Arrival} */ (arrivals[0])) + 128;
  const spanMs = (frames / RATE) * 1000;
  const rounds = Array.from({ length: times }, (_, round) => round);
  return {
    arrivals: rounds.flatMap((round) =>
      arrivals.map((one) => ({ atMs: one.atMs + round * spanMs, bytes: payload({ first: frameOf(one) + round * frames }) })),
    ),
    callsMs: rounds.flatMap((round) => callsMs.filter((atMs) => atMs < spanMs).map((atMs) => atMs + round * spanMs)),
  };
}

/**
 * Plays a trace.
 *
 * @param {Arrival[]} arrivals
 * @param {object} [options]
 * @param {number} [options.rate] of the audio context
 * @param {number} [options.device] frames that the device takes at a time
 * @param {number} [options.ppm] how fast the loudspeaker's clock is
 * @param {number} [options.startMs] when the context starts
 * @param {[number, number][]} [options.stalls] when the device does not ask: from, to, in ms
 * @param {boolean} [options.shared]
 * @param {number} [options.place] what the player chose between tight and safe
 * @param {number[]} [options.callsMs] when each single quantum was asked for, instead of a device that takes so many
 * @returns {Heard & {ring: Ring}}
 */
export function play(arrivals, options = {}) {
  const { rate = RATE, ppm = 0, startMs = -100, stalls = [], shared = true, place, callsMs } = options;
  const device = callsMs ? 128 : (options.device ?? 128);
  const ring = new Ring(shared ? new SharedArrayBuffer(RING_BYTES) : new ArrayBuffer(RING_BYTES));
  const receiver = new Receiver(ring);
  if (place !== undefined) ring.store(Control.place, place + 1);
  const renderer = new Renderer(ring, rate);
  const sorted = [...arrivals].sort((a, b) => a.atMs - b.atMs);
  const endMs = Math.min(sorted.at(-1)?.atMs ?? 0, callsMs?.at(-1) ?? Infinity);
  const periodMs = (device / rate) * 1000 * (1 - ppm * 1e-6);
  const heard = new Heard((Math.ceil((endMs - startMs + 1000) / periodMs) * device) + 256);
  const left = new Float32Array(128);
  const right = new Float32Array(128);
  let next = 0;
  let surplus = 0;
  let underruns = 0;
  let told = -1;
  let call = 0;
  for (let atMs = startMs; atMs <= endMs; atMs += periodMs) {
    if (callsMs) atMs = callsMs[call++] ?? Infinity;
    if (atMs > endMs) break;
    const stall = stalls.find(([from, to]) => atMs >= from && atMs < to);
    if (stall) atMs = stall[1];
    while (next < sorted.length && /** @type {Arrival} */ (sorted[next]).atMs <= atMs) {
      const { bytes, rtp, atMs: at } = /** @type {Arrival} */ (sorted[next++]);
      receiver.take(bytes, at, rtp, 1_000_000 + Math.floor(at));
    }
    for (; surplus < device; surplus += 128) {
      const quantum = heard.frames / 128;
      const position = renderer.position;
      // The worklet's clock has whole milliseconds.
      renderer.render(left, right, 1_000_000 + Math.floor(atMs));
      heard.left.set(left, heard.frames);
      heard.right.set(right, heard.frames);
      heard.positions[quantum] = position;
      heard.offsets[quantum] = ring.figures[Figure.frameOffset] ?? 0;
      heard.exact[quantum] = renderer.exact ? 1 : 0;
      heard.frames += 128;
    }
    surplus -= device;
    if ((ring.figures[Figure.underruns] ?? 0) > underruns) {
      underruns = ring.figures[Figure.underruns] ?? 0;
      heard.underrunsAtMs.push(atMs);
    }
    if (Math.floor(atMs / 250) !== told) {
      told = Math.floor(atMs / 250);
      heard.levels.push(ring.figures[Figure.levelMs] ?? 0);
      heard.targets.push(ring.figures[Figure.targetMs] ?? 0);
      heard.ratios.push(ring.figures[Figure.ratio] ?? 0);
    }
  }
  heard.figures = ring.figures.slice();
  return Object.assign(heard, { ring });
}
