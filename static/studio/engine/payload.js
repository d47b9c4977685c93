// @ts-check
/**
 * Reading a Studio payload: a block of PCM as it comes in an RTP packet or a DataChannel message. Pure.
 *
 *   0   FF 00    no Opus decoder takes it: code 3 with a frame count of 0 (RFC 6716, section 3.4, R5)
 *   2   u8       version, 1
 *   3   u8       bits a sample: 16 or 24
 *   4   u8       flags: 1 the previous block follows, 2 this is a repeat
 *   5   u8       channels, 2
 *   6   u16      frames in a block
 *   8   u32      rate in Hz
 *   12  u32      epoch: one run of the capture
 *   16  u64      device frame number of the block's first frame
 *   24  block    interleaved signed samples, then the previous block, if flagged
 *
 * Numbers are little-endian. The layout's home is `rtcserver/channel/PROTOCOL.md`, "Studio payload". On a DataChannel a
 * payload comes after four bytes that stand for the RTP timestamp.
 */

const VERSION = 1;
const HEADER_SIZE = 24;
const STAMP_SIZE = 4;
const CHANNELS = 2;
const FLAG_PREVIOUS = 1;
const FLAG_REPEAT = 2;
/** Most frames in a block, by bits a sample: what a datagram of 1,200 bytes holds. */
const MAX_FRAMES = Object.freeze({ 16: 256, 24: 128 });
const MIN_RATE = 8_000;
const MAX_RATE = 192_000;

/**
 * @typedef {object} Block one payload, read
 * @property {16 | 24} bits
 * @property {number} frames
 * @property {number} rate Hz
 * @property {number} epoch
 * @property {number} firstFrame device frame number
 * @property {boolean} repeat
 * @property {number} samplesAt where the block's samples begin, in bytes
 * @property {number | null} previousAt where those of the block before begin
 */

/**
 * Whether these bytes claim to be a Studio payload; Opus never begins like this.
 *
 * @param {Uint8Array} bytes
 */
export function isStudio(bytes) {
  return bytes.length >= 2 && bytes[0] === 0xff && bytes[1] === 0;
}

/**
 * @param {unknown} data a message of the `studio` channel
 * @returns {{rtp: number, payload: Uint8Array} | null} null when it is none
 */
export function splitMessage(data) {
  if (!(data instanceof ArrayBuffer) || data.byteLength < STAMP_SIZE) return null;
  return { rtp: new DataView(data).getUint32(0, true), payload: new Uint8Array(data, STAMP_SIZE) };
}

/**
 * @param {Uint8Array} bytes
 * @returns {Block | string} what is wrong with it, if something is; then nothing of it may be used
 */
export function readPayload(bytes) {
  if (bytes.length < HEADER_SIZE || !isStudio(bytes)) return "no Studio payload";
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint8(2) !== VERSION) return `unknown version ${view.getUint8(2)}`;
  const bits = view.getUint8(3);
  const flags = view.getUint8(4);
  const frames = view.getUint16(6, true);
  const rate = view.getUint32(8, true);
  if ((bits !== 16 && bits !== 24) || view.getUint8(5) !== CHANNELS) return "unknown format";
  if (frames < 1 || frames > MAX_FRAMES[bits]) return `${frames} frames in a block`;
  if (rate < MIN_RATE || rate > MAX_RATE) return `a rate of ${rate} Hz`;
  const high = view.getUint32(20, true);
  if (high >= 1 << 21) return "a frame number beyond 2^53";
  const size = (frames * CHANNELS * bits) / 8;
  const previous = (flags & FLAG_PREVIOUS) !== 0;
  if (bytes.length !== HEADER_SIZE + size * (previous ? 2 : 1)) return `${bytes.length} bytes do not hold its blocks`;
  return {
    bits,
    frames,
    rate,
    epoch: view.getUint32(12, true),
    firstFrame: high * 2 ** 32 + view.getUint32(16, true),
    repeat: (flags & FLAG_REPEAT) !== 0,
    samplesAt: HEADER_SIZE,
    previousAt: previous ? HEADER_SIZE + size : null,
  };
}

/**
 * One sample as a float that holds its very value: every 24-bit integer over 2^23 is a float32.
 *
 * @param {Uint8Array} bytes
 * @param {number} at where the sample begins
 * @param {16 | 24} bits
 * @returns {number} −1 to just under 1
 */
export function sampleAt(bytes, at, bits) {
  const low = /** @type {number} */ (bytes[at]);
  const middle = /** @type {number} */ (bytes[at + 1]);
  if (bits === 16) return ((low << 16) | (middle << 24)) / 0x80000000;
  return ((low << 8) | (middle << 16) | (/** @type {number} */ (bytes[at + 2]) << 24)) / 0x80000000;
}
