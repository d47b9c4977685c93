// @ts-check
/** Measures the peaks of both sides of a stream as it arrives, before volume and mute. */

import { outputLatencyMs } from "./latency.js";
import { FLOOR_DB, peakOf, toDb } from "./levels.js";

/** Samples of a reading. They last 43 ms at 48 kHz, longer than a frame of any display, so no peak is missed between two readings. */
const WINDOW = 2048;

export class StereoMeter {
  /** @type {AudioContext | null} */
  #context = null;
  /** @type {MediaStreamAudioSourceNode | null} */
  #source = null;
  /** @type {GainNode | null} */
  #input = null;
  /** @type {AnalyserNode[]} */
  #sides = [];
  #samples = new Float32Array(WINDOW);
  #owner = new AbortController();

  constructor() {
    // While nobody sees the meter it rests, to spare a phone's battery.
    const follow = () => (document.hidden ? this.#context?.suspend() : this.resume());
    document.addEventListener("visibilitychange", follow, { signal: this.#owner.signal });
  }

  /**
   * Lets the meter run again. A tap or key press has to call this, too: a context made before the first of them is suspended.
   */
  resume() {
    if (this.#context?.state === "suspended" && this.#source) this.#context.resume().catch(() => {});
  }

  /** Makes what a stream is attached to, before there is one. */
  prepare() {
    if (this.#owner.signal.aborted || typeof AudioContext === "undefined") return;
    try {
      this.#graph();
    } catch {
      // attach() tries again.
    }
  }

  /**
   * @param {MediaStream} stream one that an audio element plays: Chromium feeds the graph only then
   */
  attach(stream) {
    this.detach();
    if (this.#owner.signal.aborted || typeof AudioContext === "undefined" || stream.getAudioTracks().length === 0) return;
    try {
      const source = this.#graph().createMediaStreamSource(stream);
      source.connect(/** @type {GainNode} */ (this.#input));
      this.#source = source;
    } catch {
      // Without an audio device, with too many contexts, or at a rate that this browser does not mix, the meter rests; the sound plays.
    }
    this.resume();
  }

  detach() {
    this.#source?.disconnect();
    this.#source = null;
    this.#context?.suspend().catch(() => {});
  }

  /**
   * @param {0 | 1} side left, right
   * @returns {number} the peak of the last 43 ms in dBFS
   */
  read(side) {
    const analyser = this.#sides[side];
    if (!analyser || !this.#source || this.#context?.state !== "running") return FLOOR_DB;
    analyser.getFloatTimeDomainData(this.#samples);
    return toDb(peakOf(this.#samples));
  }

  /** Time from the browser to the ear, in milliseconds; null while nothing is known. */
  get outputLatencyMs() {
    return this.#context && outputLatencyMs(this.#context);
  }

  close() {
    if (this.#owner.signal.aborted) return;
    this.detach();
    this.#owner.abort();
    this.#context?.close().catch(() => {});
    this.#context = null;
  }

  /**
   * @returns {AudioContext}
   */
  #graph() {
    if (this.#context) return this.#context;
    const context = new AudioContext();
    // The input's "speakers" interpretation puts a mono stream on both sides; a splitter alone would leave the right one empty.
    const input = new GainNode(context, { channelCount: 2, channelCountMode: "explicit", channelInterpretation: "speakers" });
    const splitter = new ChannelSplitterNode(context, { numberOfOutputs: 2 });
    input.connect(splitter);
    this.#sides = [0, 1].map((side) => {
      const analyser = new AnalyserNode(context, { fftSize: WINDOW });
      splitter.connect(analyser, side);
      return analyser;
    });
    this.#input = input;
    this.#context = context;
    return context;
  }
}
