// @ts-check
/** What both decoders of Opus hand out: rows of samples that are used again, so that a packet leaves no garbage. */

/** 120 ms at 48 kHz: the longest packet. */
export const MAX_FRAMES = 5_760;
/** No music decodes to more than this (full scale is 1); what is louder was no Opus, or another stream's. */
const LOUDEST = 8;

export class Planes {
  #rows;
  /** By their length: packets of one stream have one or two. @type {Map<number, Float32Array[]>} */
  #cut = new Map();

  /** @param {Float32Array[]} rows of MAX_FRAMES each */
  constructor(rows) {
    this.#rows = rows;
  }

  /** @param {number} channels */
  static of(channels) {
    return new Planes(Array.from({ length: channels }, () => new Float32Array(MAX_FRAMES)));
  }

  /** The first frames of each row. @param {number} frames @returns {Float32Array[]} */
  first(frames) {
    let rows = this.#cut.get(frames);
    if (!rows) {
      rows = this.#rows.map((row) => row.subarray(0, frames));
      if (this.#cut.size >= 64) this.#cut.clear();
      this.#cut.set(frames, rows);
    }
    return rows;
  }

  /** The same, silent. @param {number} frames */
  silent(frames) {
    const rows = this.first(frames);
    for (const row of rows) row.fill(0);
    return rows;
  }
}

/** Whether samples are such as music has. @param {Float32Array[]} rows */
export function plausible(rows) {
  for (const row of rows) {
    for (let frame = 0; frame < row.length; frame += 1) {
      const sample = /** @type {number} */ (row[frame]);
      // Not a number is not within either.
      if (!(sample <= LOUDEST && sample >= -LOUDEST)) return false;
    }
  }
  return true;
}
