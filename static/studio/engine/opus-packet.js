// @ts-check
/** The framing of Opus packets (RFC 6716, section 3): how long one lasts, and the packet that stands for a loss. Pure. */

/** The longest packet lasts 120 ms: this many frames of 2.5 ms. */
const MAX_UNITS = 48;
const UNITS_A_SECOND = 400;
/** The largest frame within a packet, in bytes (section 3.2.1, R2). */
const MAX_FRAME_BYTES = 1275;
/** Units of 2.5 ms a frame, by the configuration's place in its mode (table 2). */
const SILK_UNITS = [4, 8, 16, 24];
const HYBRID_UNITS = [4, 8];
const CELT_UNITS = [1, 2, 4, 8]; // 1 << place
/** Configurations below are SILK, from the second on CELT; hybrid ones lie between. */
const FIRST_HYBRID = 12;
const FIRST_CELT = 16;
/** Of the first CELT configuration for the full bandwidth. */
const FIRST_FULLBAND = 28;
const STEREO = 4;

/** A stereo packet of one frame of 5 ms, fullband CELT: its table-of-contents byte. */
export const TOC_5_MS = ((FIRST_FULLBAND + 1) << 3) | STEREO;

/**
 * How many samples a channel a packet decodes to.
 *
 * @param {Uint8Array} packet
 * @param {number} rate of the decoder, Hz
 * @returns {number} 0 when the packet breaks one of the rules R1 to R7 of section 3.4: then it is not Opus
 */
export function framesOf(packet, rate) {
  const toc = packet[0];
  if (toc === undefined) return 0;
  const units = unitsOf(toc);
  const count = countOf(packet, toc & 3);
  return count * units > MAX_UNITS ? 0 : (count * units * rate) / UNITS_A_SECOND;
}

/**
 * A packet that decodes to what libopus makes of a loss: its frames are empty (section 3.2.1).
 *
 * @param {number} toc table-of-contents byte of the last packet before the loss; the frames are as long as that one's if they can be
 * @param {number} units that are lost, each 2.5 ms; 1 to 48
 * @returns {[number, number]} the two bytes of the packet
 */
export function lossPacket(toc, units) {
  const own = unitsOf(toc);
  if (units % own === 0) return [toc | 3, units / own];
  let size = CELT_UNITS.length - 1;
  while (units % (1 << size) !== 0) size -= 1;
  const bandwidth = toc >> 3 >= FIRST_CELT ? (toc >> 3) & ~3 : FIRST_FULLBAND;
  return [((bandwidth + size) << 3) | (toc & STEREO) | 3, units >> size];
}

/**
 * Units of 2.5 ms that hold this many samples, at least one, at most as many as a packet can have.
 *
 * @param {number} frames
 * @param {number} rate
 */
export function unitsIn(frames, rate) {
  return Math.max(1, Math.min(MAX_UNITS, Math.ceil((frames * UNITS_A_SECOND) / rate)));
}

/** @param {number} toc @returns {number} units of 2.5 ms that each of the packet's frames lasts */
function unitsOf(toc) {
  const config = toc >> 3;
  const units = config >= FIRST_CELT ? CELT_UNITS[config & 3] : config >= FIRST_HYBRID ? HYBRID_UNITS[config & 1] : SILK_UNITS[config & 3];
  return /** @type {number} */ (units);
}

/**
 * The frames in a packet.
 *
 * @param {Uint8Array} packet of one byte or more
 * @param {number} code 0 to 3
 * @returns {number} 0 when they do not fit in it
 */
function countOf(packet, code) {
  const { length } = packet;
  switch (code) {
    case 0:
      return length - 1 <= MAX_FRAME_BYTES ? 1 : 0;
    case 1: // two of one size (R3)
      return length % 2 === 1 && (length - 1) / 2 <= MAX_FRAME_BYTES ? 2 : 0;
    case 2: {
      // two, the first one's size is told (R4)
      const first = sizeAt(packet, 1);
      if (first === null) return 0;
      const second = length - first.end - first.size;
      return second >= 0 && second <= MAX_FRAME_BYTES ? 2 : 0;
    }
    default:
      return countOfMany(packet);
  }
}

/**
 * The frames in a packet of code 3 (section 3.2.5).
 *
 * @param {Uint8Array} packet
 * @returns {number} 0 when they do not fit in it
 */
function countOfMany(packet) {
  const head = packet[1];
  if (head === undefined) return 0;
  const count = head & 63;
  if (count === 0 || count > MAX_UNITS) return 0; // R5
  let at = 2;
  let end = packet.length;
  if (head & 64) {
    for (let more = 255; more === 255; ) {
      const padding = packet[at];
      if (padding === undefined) return 0;
      more = padding;
      end -= more === 255 ? 254 : more;
      at += 1;
    }
  }
  if (!(head & 128)) {
    // All of one size (R6).
    const size = (end - at) / count;
    return Number.isInteger(size) && size >= 0 && size <= MAX_FRAME_BYTES ? count : 0;
  }
  let told = 0;
  for (let index = 1; index < count; index += 1) {
    const next = sizeAt(packet, at);
    if (next === null) return 0;
    told += next.size;
    at = next.end;
  }
  const last = end - at - told;
  return last >= 0 && last <= MAX_FRAME_BYTES ? count : 0; // R7
}

/**
 * @param {Uint8Array} packet
 * @param {number} at
 * @returns {{size: number, end: number} | null} a frame's size in bytes, and where its one or two bytes end
 */
function sizeAt(packet, at) {
  const first = packet[at];
  if (first === undefined) return null;
  if (first < 252) return { size: first, end: at + 1 };
  const second = packet[at + 1];
  return second === undefined ? null : { size: second * 4 + first, end: at + 2 };
}
