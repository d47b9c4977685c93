// @ts-check
/**
 * The sounding half of Studio: an audio context at the stream's rate, the worklet with its ring, a volume, a meter.
 * Used for one Studio session.
 */

import { modulo } from "../channel/codec.js";
import { outputLatencyMs } from "../listen/latency.js";
import { FLOOR_DB, gainOf, peakOf, toDb } from "../listen/levels.js";
import { outputs } from "../listen/outputs.js";
import { HEAD_BYTES, RING_BYTES, Ring } from "./engine/ring.js";
import { PLACES } from "./engine/safety.js";
import { Control, Figure } from "./engine/slots.js";
import { TURNS } from "./engine/splice.js";
import { memoryShared } from "./support.js";

/** @typedef {import("./engine/worklet.js").Recording} Recording */
/** @typedef {import("./engine/worklet.js").FromWorklet} FromWorklet */
/** @typedef {import("./engine/worklet.js").ToWorklet} ToWorklet */

/**
 * @typedef {object} RingStats the ring and what plays it, since the session began
 * @property {"waiting" | "filling" | "playing"} phase
 * @property {number} levelMs mean level
 * @property {number} targetMs
 * @property {number} levelP5Ms of the last seconds
 * @property {number} levelP95Ms
 * @property {number} underruns
 * @property {number} lost blocks that had not come when they were due
 * @property {number} repaired blocks that a repeat brought in time
 * @property {number} missed packets of Studio light that did not come by themselves
 * @property {number} duplicates
 * @property {number} late blocks that came after they were due
 * @property {number} invalid payloads that could not be read
 * @property {number} payloads
 * @property {number} silence frames before the PCM
 * @property {number} concealedMs
 * @property {number} longestGapMs
 * @property {number} jitterMs of arrival, 95th percentile
 * @property {number} driftPpm how much faster the instrument's clock is than the loudspeaker's
 * @property {number} ratio exactly 1: every sample as it came
 * @property {number} burst quanta per call of the device
 * @property {number} trims times that a backlog was cut
 * @property {boolean} exact whether the samples that leave the worklet now are the very ones that came
 * @property {number} rate of the stream, Hz; 0 until it comes
 * @property {number} bits
 * @property {number} contextRate
 * @property {number} place between tight and safe, an index of `PLACES`, as the worklet follows it
 * @property {{ms: number, gaps: number}[]} places of each: the target that it has by what is known now, and the gaps a minute
 *   that it would have had in the last minutes
 * @property {import("./engine/splice.js").Turn} turn which of the samples and light is heard
 * @property {number} lostMs sound that had not come when it was due, while later sound had
 * @property {number} madeUpMs sound that light's decoder made up
 * @property {number} besideCame frames of the samples that came beside light while only light was heard
 * @property {number} besideEnd position after the newest of them
 * @property {number} besideJitterMs as `jitterMs`, of the samples
 * @property {number} aliveMs when the worklet last ran, ms since 1970
 */

/** Cross-fades between Listen and Studio, in seconds. */
export const FADE_S = 0.03;
const METER_FRAMES = 2048;

export class StudioAudio {
  #context;
  /** @type {AudioWorkletNode | null} */
  #node = null;
  #gain;
  #input;
  /** @type {AnalyserNode[]} */
  #sides;
  #samples = new Float32Array(METER_FRAMES);
  #ring;
  /** @type {SharedArrayBuffer | null} */
  #memory;
  #volume = 1;
  /** What the player chose between tight and safe: an index of `PLACES`; null while nothing is chosen. @type {number | null} */
  #place = null;
  #heard = false;
  #closed = false;
  #wall = new WallClock();
  /** @type {{done: (recording: Recording) => void, failed: (why: Error) => void} | null} */
  #recording = null;

  /**
   * @param {number} rate of the stream, Hz; the context runs at it if the browser lets it
   */
  constructor(rate) {
    this.#context = contextAt(rate);
    outputs.add(this.#context);
    this.#memory = memoryShared(globalThis) ? new SharedArrayBuffer(RING_BYTES) : null;
    // Without shared memory this ring holds a copy of the worklet's figures, which comes ten times a second.
    this.#ring = new Ring(this.#memory ?? new ArrayBuffer(RING_BYTES));
    this.#gain = new GainNode(this.#context, { gain: 0, channelCount: 2, channelCountMode: "explicit" });
    this.#input = new GainNode(this.#context, { channelCount: 2, channelCountMode: "explicit" });
    const splitter = new ChannelSplitterNode(this.#context, { numberOfOutputs: 2 });
    this.#input.connect(splitter);
    this.#sides = [0, 1].map((side) => {
      const analyser = new AnalyserNode(this.#context, { fftSize: METER_FRAMES });
      splitter.connect(analyser, side);
      return analyser;
    });
    this.#gain.connect(this.#context.destination);
  }

  /**
   * Builds the worklet and connects the worker to its ring.
   *
   * @param {Worker} worker
   * @param {() => void} failed the worklet has failed, and will be silent from now on
   */
  async start(worker, failed) {
    const context = this.#context;
    if (context.state !== "running") context.resume().catch(() => {});
    // The ring comes first: frames that arrive before the worklet runs already show how evenly the network delivers.
    const { port1, port2 } = new MessageChannel();
    if (this.#memory) worker.postMessage({ type: "memory", memory: this.#memory });
    else worker.postMessage({ type: "port", port: port1 }, [port1]);
    await context.audioWorklet.addModule(new URL("./engine/worklet.js", import.meta.url));
    if (this.#closed) return;
    const node = new AudioWorkletNode(context, "studio", {
      numberOfInputs: 0,
      outputChannelCount: [2],
      processorOptions: this.#memory ? { memory: this.#memory } : {},
    });
    this.#node = node;
    node.onprocessorerror = failed;
    node.port.onmessage = ({ data }) => this.#hear(data);
    node.connect(this.#gain);
    node.connect(this.#input);
    if (!this.#memory) this.#post({ type: "port", port: port2 }, [port2]);
    if (this.#place !== null) this.setPlace(this.#place);
  }

  resume() {
    return this.#context.resume();
  }

  get contextRate() {
    return this.#context.sampleRate;
  }

  /** Time from the worklet to the ear, in ms; null where the browser does not say. */
  get outputMs() {
    return outputLatencyMs(this.#context);
  }

  /** Whether the volume leaves the samples as they are. */
  get untouched() {
    return this.#heard && this.#volume === 1;
  }

  /**
   * @param {number} position of the control, 0 to 1
   * @param {boolean} muted
   */
  setVolume(position, muted) {
    this.#volume = muted ? 0 : gainOf(position);
    if (this.#heard) this.#ramp(this.#volume);
  }

  /** How much is bridged, from now on. @param {number} place an index of `PLACES` */
  setPlace(place) {
    this.#place = place;
    if (this.#memory) this.#ring.store(Control.place, place + 1);
    else this.#post({ type: "place", place });
  }

  /** Fades in or out. @param {boolean} heard */
  fade(heard) {
    this.#heard = heard;
    this.#ramp(heard ? this.#volume : 0);
  }

  /**
   * @param {0 | 1} side left, right
   * @returns {number} the peak of the last 46 ms before the volume, in dBFS
   */
  read(side) {
    const analyser = this.#sides[side];
    if (!analyser || this.#closed) return FLOOR_DB;
    analyser.getFloatTimeDomainData(this.#samples);
    return toDb(peakOf(this.#samples));
  }

  /** @returns {RingStats} */
  stats() {
    const { figures } = this.#ring;
    const figure = (/** @type {number} */ slot) => figures[slot] ?? 0;
    const count = (/** @type {number} */ slot) => this.#ring.load(slot) >>> 0;
    return {
      phase: /** @type {const} */ (["waiting", "filling", "playing"])[figure(Figure.phase)] ?? "waiting",
      levelMs: figure(Figure.levelMs),
      targetMs: figure(Figure.targetMs),
      levelP5Ms: figure(Figure.levelP5Ms),
      levelP95Ms: figure(Figure.levelP95Ms),
      underruns: figure(Figure.underruns),
      lost: figure(Figure.lost) + count(Control.concealed),
      repaired: count(Control.repaired),
      duplicates: count(Control.duplicates),
      late: count(Control.late),
      invalid: count(Control.invalid),
      payloads: count(Control.payloads),
      silence: count(Control.silence),
      concealedMs: figure(Figure.concealedMs) + figure(Figure.madeUpMs),
      longestGapMs: Math.max(figure(Figure.longestGapMs), figure(Figure.longestMadeUpMs)),
      missed: count(Control.missed),
      jitterMs: figure(Figure.jitterMs),
      driftPpm: figure(Figure.driftPpm),
      ratio: figure(Figure.ratio),
      burst: figure(Figure.burst),
      trims: figure(Figure.trims),
      exact: figure(Figure.exact) === 1 && count(Control.bits) > 0,
      rate: count(Control.rate),
      bits: count(Control.bits),
      contextRate: this.contextRate,
      place: figure(Figure.place),
      places: PLACES.map((_, place) => ({ ms: figure(Figure.placeMs + place), gaps: figure(Figure.placeGaps + place) })),
      turn: TURNS[count(Control.turn)] ?? "free",
      lostMs: figure(Figure.lostMs),
      madeUpMs: figure(Figure.madeUpMs),
      besideCame: count(Control.besideCame),
      besideEnd: count(Control.besideEnd),
      besideJitterMs: figure(Figure.exactJitterMs),
      aliveMs: figure(Figure.aliveMs),
    };
  }

  /**
   * The RTP timestamp of the frame that leaves the worklet now, with the bursts of the device averaged out.
   *
   * @param {number} nowMs of performance.now()
   * @returns {number | null} with a fraction; null while it is not known
   */
  rtpAt(nowMs) {
    const { figures } = this.#ring;
    const atZero = figures[Figure.rtpAtZero] ?? NaN;
    const playedMs = figures[Figure.playedMs] ?? NaN;
    if (figures[Figure.phase] !== 2 || Number.isNaN(atZero + playedMs)) return null;
    // The worklet's clock has whole milliseconds, rounded down: it is half of one behind on average.
    const positionMs = playedMs + this.#wall.at(nowMs) - 0.5;
    return modulo(atZero + positionMs * 48, 2 ** 32);
  }

  /**
   * Records the samples exactly as the worklet hands them to the browser, for tests.
   *
   * @param {number} frames rounded up to whole quanta of 128
   * @returns {Promise<Recording>} rejects when the session ends, or another recording begins, before it is complete
   */
  record(frames) {
    const quanta = Math.ceil(frames / 128);
    const recording = {
      left: new Float32Array(quanta * 128),
      right: new Float32Array(quanta * 128),
      frames: new Float64Array(quanta),
      exact: new Uint8Array(quanta),
      wallMs: new Float64Array(quanta),
    };
    this.#abandon("Another recording has begun");
    if (this.#closed || !this.#node) return Promise.reject(new Error("Studio does not play yet, or no more"));
    return new Promise((done, failed) => {
      this.#recording = { done, failed };
      this.#post({ type: "record", recording }, Object.values(recording).map(({ buffer }) => buffer));
    });
  }

  close() {
    if (this.#closed) return;
    this.#closed = true;
    this.#abandon("Studio has ended");
    this.#post({ type: "close" });
    this.#node?.disconnect();
    outputs.remove(this.#context);
    this.#context.close().catch(() => {});
  }

  /** @param {number} gain */
  #ramp(gain) {
    const { gain: parameter } = this.#gain;
    const now = this.#context.currentTime;
    parameter.cancelScheduledValues(now);
    parameter.setValueAtTime(parameter.value, now);
    // A ramp ends exactly on its value, and a gain of exactly 1 leaves the samples as they are.
    parameter.linearRampToValueAtTime(gain, now + FADE_S);
  }

  /** @param {string} why */
  #abandon(why) {
    this.#recording?.failed(new Error(why));
    this.#recording = null;
  }

  /** @param {FromWorklet} message */
  #hear(message) {
    if (message.type === "recorded") {
      this.#recording?.done(message.recording);
      this.#recording = null;
    } else {
      new Uint8Array(this.#ring.memory, 0, HEAD_BYTES).set(new Uint8Array(message.head));
    }
  }

  /**
   * @param {ToWorklet} message
   * @param {Transferable[]} [moved]
   */
  #post(message, moved = []) {
    this.#node?.port.postMessage(message, moved);
  }
}

/**
 * Converts times of performance.now(), which worklets lack, to the wall clock, which they have. The two drift apart, since the
 * system corrects only the wall clock. Wall time has whole milliseconds, rounded down, so the largest of the last differences
 * is the nearest to the true one.
 */
class WallClock {
  /** @type {number[]} */
  #seen = [];

  /** @param {number} nowMs of performance.now() @returns {number} ms since 1970, with a fraction */
  at(nowMs) {
    this.#seen.push(Date.now() - performance.now());
    if (this.#seen.length > 50) this.#seen.shift();
    return nowMs + Math.max(...this.#seen);
  }
}

/**
 * Opens a context at the stream's own rate, so that nothing has to be resampled. Where the browser refuses that rate, the context
 * runs at the browser's, and the worklet resamples.
 *
 * @param {number} sampleRate
 */
function contextAt(sampleRate) {
  try {
    return new AudioContext({ sampleRate, latencyHint: 0 });
  } catch {
    return new AudioContext({ latencyHint: 0 });
  }
}
