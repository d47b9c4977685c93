// @ts-check
/** Measures both sides of a stream, before volume and mute: what arrives, not what is turned up. */

import { outputLatencyMs } from "./latency.js";
import { FLOOR_DB, peakOf, toDb } from "./levels.js";

/** About 43 ms at 48 kHz: longer than a frame of any display, so no peak is missed between two readings. */
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
    // A meter nobody sees costs a phone battery.
    const follow = () => (document.hidden ? this.#context?.suspend() : this.resume());
    document.addEventListener("visibilitychange", follow, { signal: this.#owner.signal });
  }

  /**
   * Call it from a tap or a key press too: a context made before the first one starts suspended.
   */
  resume() {
    if (this.#context?.state === "suspended" && this.#source) this.#context.resume().catch(() => {});
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
      // No audio device, too many contexts, or a rate this browser does not mix: the meter rests, the sound plays.
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

  /** From the browser to the ear, in milliseconds, as the device says of this context; null while nothing is known. */
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
    // Speaker rules at the input put a mono stream on both sides; a splitter alone would leave the right one empty.
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
