// @ts-check
/**
 * Opus packets as they come in RTP, alone or with earlier frames beside the newest one (RED, RFC 2198, section 3). Pure.
 *
 * A RED payload has a header of four bytes for each earlier frame, oldest first, one byte for the newest, then the frames:
 *
 *     |1| payload type | timestamp offset, 14 bits | length, 10 bits |   … |0| payload type |
 */

/**
 * @typedef {object} Frame one Opus packet
 * @property {number} rtp RTP timestamp of its first sample, modulo 2^32
 * @property {Uint8Array} payload a view of the bytes that it came in
 * @property {number} samples at 48 kHz that it decodes to
 */

/** More earlier frames than any sender puts into a packet. */
const MAX_EARLIER = 8;
const RTP_MODULUS = 2 ** 32;
/** Samples at 48 kHz of a frame, by the configuration numbers of RFC 6716, table 2. */
const SILK = [480, 960, 1_920, 2_880];
const HYBRID = [480, 960];
const CELT = [120, 240, 480, 960];
/** RFC 6716, section 3.2.5: a packet holds no more than 120 ms. */
const MAX_SAMPLES = 5_760;

/**
 * @param {Uint8Array} bytes a payload whose payload type is that of RED
 * @param {number} rtp its RTP timestamp
 * @returns {Frame[] | string} oldest first, the newest last; or what is wrong with it, and then nothing of it may be used
 */
export function splitRed(bytes, rtp) {
  /** @type {{offset: number, length: number}[]} */
  const earlier = [];
  let at = 0;
  while (((bytes[at] ?? 0) & 0x80) !== 0) {
    if (at + 4 >= bytes.length) return "its headers are cut off";
    if (earlier.length === MAX_EARLIER) return "too many frames";
    const word = ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0);
    earlier.push({ offset: word >> 10, length: word & 0x3ff });
    at += 4;
  }
  if (at >= bytes.length) return "it has no header";
  at += 1;
  /** @type {Frame[]} */
  const frames = [];
  for (const { offset, length } of earlier) {
    // A sender may leave a frame out that was too long for its header.
    if (length > 0) {
      const frame = plain(bytes.subarray(at, at + length), (rtp - offset + RTP_MODULUS) % RTP_MODULUS);
      if (typeof frame === "string" || at + length > bytes.length) return "an earlier frame is cut off, or no Opus";
      frames.push(frame);
    }
    at += length;
  }
  const newest = plain(bytes.subarray(at), rtp);
  if (typeof newest === "string") return newest;
  frames.push(newest);
  return frames;
}

/**
 * @param {Uint8Array} payload of a packet without earlier frames
 * @param {number} rtp
 * @returns {Frame | string} what is wrong with it, if something is
 */
export function plain(payload, rtp) {
  const samples = samplesOf(payload);
  return samples === 0 ? "it is no Opus packet" : { rtp, payload, samples };
}

/**
 * @param {Uint8Array} payload an Opus packet
 * @returns {number} samples at 48 kHz that it decodes to (RFC 6716, section 3.1); 0 if it is none
 */
export function samplesOf(payload) {
  const toc = payload[0];
  if (toc === undefined) return 0;
  const configuration = toc >> 3;
  const one =
    configuration < 12
      ? (SILK[configuration & 3] ?? 0)
      : configuration < 16
        ? (HYBRID[configuration & 1] ?? 0)
        : (CELT[configuration & 3] ?? 0);
  const code = toc & 3;
  const count = code === 0 ? 1 : code < 3 ? 2 : (payload[1] ?? 0) & 0x3f;
  const samples = count * one;
  return samples > MAX_SAMPLES ? 0 : samples;
}
