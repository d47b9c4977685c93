// @ts-check
/**
 * Where the delay between the instrument and the ear comes from, hop by hop, from what is measured anyway. The hops add up to the
 * total that the page shows. Pure; all times are milliseconds.
 *
 * The total is measured where the page knows the media clock: the media time that the instrument has reached less the one that is
 * heard (channel/clock.js, channel/playout.js). The buffer is measured by the browser (`jitterBufferDelay`), or by Studio's ring;
 * the network is half of the round trip; the output is what the browser says of it. What is left of the total has no counter of its
 * own: in Listen it is the encoder's, since Opus frames and looks ahead; in Studio, where frames are short or none, it is given to
 * the network and the browser's threads.
 */

/** @typedef {"instrument" | "encoder" | "network" | "buffer" | "speaker"} HopName */

/**
 * @typedef {object} Hop
 * @property {HopName} name
 * @property {number} ms whole ones
 */

/**
 * @typedef {object} Strip
 * @property {number} totalMs the sum of the hops
 * @property {boolean} measured whether the total is by the media clock; else it is the sum of what is known of the hops
 * @property {boolean} guessedOutput whether this browser does not say what its output adds, so that 20 ms are assumed
 * @property {Hop[]} hops in the order of the way
 */

/** Mean time that a sample waits for its block to fill, as a share of the block. */
const FILLING = 0.5;
/** What restricted-low-delay Opus looks ahead (docs/latency.md). */
const LOOK_AHEAD_MS = 2.5;
/** Output latency that is assumed where the browser does not say it. */
export const USUAL_OUTPUT_MS = 20;

/**
 * @typedef {object} ListenReading
 * @property {number | null} totalMs from the instrument to the ear by the media clock; null while it is not known
 * @property {number | null} bufferMs
 * @property {number | null} rttMs
 * @property {number | null} outputMs what the browser says that its output adds; null where it does not say
 * @property {number} handingOnMs from the buffer to the output: this much of the output is known from measurements
 * @property {number} blockMs of the instrument; 0 when unknown
 * @property {number} frameMs of the packets; 0 when unknown
 */

/**
 * @param {ListenReading} reading
 * @returns {Strip | null} null while nothing is known of the buffer
 */
export function listenStrip({ totalMs, bufferMs, rttMs, outputMs, handingOnMs, blockMs, frameMs }) {
  if (bufferMs === null) return null;
  const parts = {
    instrument: FILLING * blockMs,
    encoder: FILLING * frameMs + LOOK_AHEAD_MS,
    network: (rttMs ?? 0) / 2,
    buffer: bufferMs,
    speaker: handingOnMs + (outputMs ?? USUAL_OUTPUT_MS),
  };
  return strip(parts, totalMs, "encoder", outputMs === null);
}

/**
 * @typedef {object} StudioReading
 * @property {number | null} browserMs from the instrument to the worklet; null while it is not known
 * @property {boolean} measured whether that is by the media clock
 * @property {number} levelMs of the ring
 * @property {number | null} rttMs
 * @property {number | null} outputMs
 * @property {number} blockMs of the instrument
 * @property {number | null} frameMs of light's packets; null for exact samples, which no encoder touches
 */

/**
 * @param {StudioReading} reading
 * @returns {Strip}
 */
export function studioStrip({ browserMs, measured, levelMs, rttMs, outputMs, blockMs, frameMs }) {
  const speaker = outputMs ?? USUAL_OUTPUT_MS;
  const parts = {
    instrument: FILLING * blockMs,
    encoder: frameMs === null ? 0 : FILLING * frameMs + LOOK_AHEAD_MS,
    network: (rttMs ?? 0) / 2,
    buffer: levelMs,
    speaker,
  };
  return strip(parts, measured && browserMs !== null ? browserMs + speaker : null, "network", outputMs === null);
}

/**
 * @param {Record<HopName, number>} known
 * @param {number | null} totalMs
 * @param {HopName} rest the hop that gets what no counter explains
 * @param {boolean} guessedOutput
 * @returns {Strip}
 */
function strip(known, totalMs, rest, guessedOutput) {
  const parts = { ...known };
  const sumMs = sumOf(parts);
  // The parts are means of the last second, and the total is of this moment: where it is less than they are, the buffer has just shrunk.
  if (totalMs !== null && totalMs > sumMs) parts[rest] += totalMs - sumMs;
  if (totalMs !== null && totalMs < sumMs) parts.buffer = Math.max(0, parts.buffer - (sumMs - totalMs));
  const hops = whole(parts);
  return { totalMs: hops.reduce((sum, { ms }) => sum + ms, 0), measured: totalMs !== null, guessedOutput, hops };
}

/** @type {readonly HopName[]} */
const ORDER = ["instrument", "encoder", "network", "buffer", "speaker"];

/** @param {Record<HopName, number>} parts */
const sumOf = (parts) => ORDER.reduce((sum, name) => sum + parts[name], 0);

/**
 * Whole milliseconds that add up to the whole sum: those with the largest remainders are rounded up.
 *
 * @param {Record<HopName, number>} parts
 * @returns {Hop[]}
 */
function whole(parts) {
  const hops = ORDER.map((name) => ({ name, ms: Math.floor(parts[name]) }));
  let missing = Math.round(sumOf(parts)) - hops.reduce((sum, { ms }) => sum + ms, 0);
  const remainder = (/** @type {Hop} */ { name, ms }) => parts[name] - ms;
  for (const hop of [...hops].sort((one, other) => remainder(other) - remainder(one))) {
    if (missing <= 0) break;
    hop.ms += 1;
    missing -= 1;
  }
  return hops;
}
