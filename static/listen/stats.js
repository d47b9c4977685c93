// @ts-check
/** The browser's own counters (W3C webrtc-stats) turned into the numbers people ask for. Pure. */

import { mediaPath, selectedPair } from "./path.js";

/** @typedef {import("./path.js").MediaPath} MediaPath */

/**
 * @typedef {object} Counters one reading; all values count from the start of the connection, and are null where the browser
 *   does not give them
 * @property {number} atMs monotonic clock of the page
 * @property {number} packets received
 * @property {number} lost can shrink when late packets arrive
 * @property {number} bytes payload bytes received
 * @property {number | null} bufferDelayS sum over all emitted samples of the time each spent in the jitter buffer
 * @property {number | null} bufferTargetS the same sum of the delay that the buffer aims at
 * @property {number | null} emitted samples that left the jitter buffer
 * @property {number | null} concealed samples made up, since nothing had arrived in time
 * @property {number | null} silentConcealed those of them that were silence or comfort noise
 * @property {number | null} concealments how many times concealment began
 * @property {number | null} played samples handed on for playing, concealed ones included
 * @property {number | null} jitterS RTP inter-arrival jitter (RFC 3550, section 6.4.1)
 * @property {number | null} rttS
 * @property {number | null} nacks
 * @property {number | null} discarded packets that came too late or twice; null where they may carry earlier frames, as
 *   Chromium then counts each packet whose earlier frames were not needed
 * @property {number | null} inserted samples that were stretched in
 * @property {number | null} removed samples that were squeezed out
 * @property {number | null} playoutDelayS sum over all played samples of the delay that the device reported
 * @property {number | null} playoutSamples
 * @property {string | null} codec "opus"
 * @property {number} clockRate Hz
 * @property {MediaPath | null} path
 */

/**
 * @typedef {object} Snapshot what the page shows; null where the browser does not say
 * @property {number} atMs monotonic clock of the page
 * @property {number} elapsedMs since the reading before
 * @property {number} packets received since the reading before
 * @property {number} packetsTotal
 * @property {number} lost since the reading before
 * @property {number} lostTotal
 * @property {number} lostPercent of the packets sent so far, 0 to 100
 * @property {number | null} bufferMs mean time that the samples of this interval spent in the jitter buffer
 * @property {number | null} targetMs what the buffer aimed at meanwhile
 * @property {number | null} gapMs audible concealment in this interval (concealed − silent concealed)
 * @property {number | null} gapTotalMs since the buffer had settled; null until then
 * @property {number | null} gapCount how often concealment began, since the connection began
 * @property {number | null} jitterMs
 * @property {number | null} rttMs
 * @property {number} bitrateBps of the payload, in this interval
 * @property {number | null} nacks
 * @property {string | null} codec "opus"
 * @property {boolean | null} stereo whether this browser decodes in stereo
 * @property {number} clockRate Hz
 * @property {MediaPath | null} path the way that the media takes
 */

/**
 * While a new connection's buffer fills, for about its first half second, browsers stretch and conceal as a matter of
 * course. Gaps are summed up from this long after the first packet, in milliseconds.
 */
export const SETTLING_MS = 2_000;

/** @typedef {{type?: string, id?: string, [name: string]: any}} Stat */

/**
 * @param {Iterable<Stat>} report the values of an RTCStatsReport
 * @param {number} atMs monotonic clock of the page
 * @param {boolean} [redundant] whether packets may carry earlier frames (RED, RFC 2198)
 * @returns {Counters | null} null while there is no incoming audio
 */
export function readCounters(report, atMs, redundant = false) {
  const stats = [...report];
  const inbound = stats.find((stat) => stat.type === "inbound-rtp" && (stat.kind ?? stat.mediaType) === "audio");
  if (!inbound) return null;
  const codec = stats.find((stat) => stat.type === "codec" && stat.id === inbound.codecId);
  const playout = stats.find((stat) => stat.type === "media-playout");
  return {
    atMs,
    packets: inbound.packetsReceived ?? 0,
    lost: inbound.packetsLost ?? 0,
    bytes: inbound.bytesReceived ?? 0,
    bufferDelayS: number(inbound.jitterBufferDelay),
    bufferTargetS: number(inbound.jitterBufferTargetDelay),
    emitted: number(inbound.jitterBufferEmittedCount),
    concealed: number(inbound.concealedSamples),
    silentConcealed: number(inbound.silentConcealedSamples),
    concealments: number(inbound.concealmentEvents),
    played: number(inbound.totalSamplesReceived),
    jitterS: number(inbound.jitter),
    rttS: number(selectedPair(stats)?.currentRoundTripTime),
    nacks: number(inbound.nackCount),
    discarded: redundant ? null : number(inbound.packetsDiscarded),
    inserted: number(inbound.insertedSamplesForDeceleration),
    removed: number(inbound.removedSamplesForAcceleration),
    playoutDelayS: number(playout?.totalPlayoutDelay),
    playoutSamples: number(playout?.totalSamplesCount),
    codec: typeof codec?.mimeType === "string" ? codec.mimeType.replace(/^audio\//i, "").toLowerCase() : null,
    clockRate: number(codec?.clockRate) ?? 48_000,
    path: mediaPath(stats),
  };
}

/**
 * @param {Counters | null} before null for the first reading of a connection: everything counts from zero
 * @param {Counters} now
 * @param {boolean | null} stereo
 * @param {Counters | null} settled the reading from which gaps are summed up
 * @returns {Snapshot}
 */
export function snapshot(before, now, stereo, settled) {
  const elapsedMs = before ? now.atMs - before.atMs : 0;
  const lostTotal = Math.max(0, now.lost);
  const sent = now.packets + lostTotal;
  const gapTotal = audibleGap(now);
  const gapBefore = before ? audibleGap(before) : 0;
  const toMs = 1000 / now.clockRate;
  return {
    atMs: now.atMs,
    elapsedMs,
    packets: now.packets - (before?.packets ?? 0),
    packetsTotal: now.packets,
    lost: Math.max(0, now.lost - (before?.lost ?? 0)),
    lostTotal,
    lostPercent: sent > 0 ? (100 * lostTotal) / sent : 0,
    bufferMs: perSample(now.bufferDelayS, before?.bufferDelayS, now.emitted, before?.emitted),
    targetMs: perSample(now.bufferTargetS, before?.bufferTargetS, now.emitted, before?.emitted),
    gapMs: gapTotal === null || gapBefore === null ? null : Math.max(0, gapTotal - gapBefore) * toMs,
    gapTotalMs: gapTotal === null || settled === null ? null : Math.max(0, gapTotal - (audibleGap(settled) ?? 0)) * toMs,
    gapCount: now.concealments,
    jitterMs: now.jitterS === null ? null : now.jitterS * 1000,
    rttMs: now.rttS === null ? null : now.rttS * 1000,
    bitrateBps: elapsedMs > 0 ? ((now.bytes - (before?.bytes ?? 0)) * 8000) / elapsedMs : 0,
    nacks: now.nacks,
    codec: now.codec,
    stereo,
    clockRate: now.clockRate,
    path: now.path,
  };
}

/**
 * Concealment that could be heard, in samples: those that were made up while there was sound.
 *
 * @param {Counters} counters
 */
function audibleGap({ concealed, silentConcealed }) {
  return concealed === null ? null : Math.max(0, concealed - (silentConcealed ?? 0));
}

/**
 * @param {number | null} sumS
 * @param {number | null | undefined} sumBeforeS
 * @param {number | null} count
 * @param {number | null | undefined} countBefore
 * @returns {number | null} milliseconds per sample in this interval
 */
function perSample(sumS, sumBeforeS, count, countBefore) {
  if (sumS === null || count === null) return null;
  const samples = count - (countBefore ?? 0);
  return samples > 0 ? ((sumS - (sumBeforeS ?? 0)) / samples) * 1000 : null;
}

/**
 * @param {unknown} value
 * @returns {number | null}
 */
function number(value) {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}
