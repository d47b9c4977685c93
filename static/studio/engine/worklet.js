// @ts-check
/**
 * The AudioWorklet at the end of Studio's path: one `Renderer` on one ring. The page reads its figures from the shared memory;
 * where memory cannot be shared, the worklet posts the head of its own ten times a second. `process` neither allocates nor logs.
 */

import { isStudio } from "./payload.js";
import { pass } from "./port.js";
import { Receiver } from "./receiver.js";
import { Renderer } from "./renderer.js";
import { HEAD_BYTES, RING_BYTES, Ring } from "./ring.js";
import { Control, Figure } from "./slots.js";

/**
 * @typedef {object} Recording what left the worklet, for tests: samples, and for each quantum where they are from
 * @property {Float32Array} left
 * @property {Float32Array} right
 * @property {Float64Array} frames device frame number of each quantum's first sample
 * @property {Uint8Array} exact 1 where the quantum is a copy, sample for sample
 * @property {Float64Array} wallMs when it was rendered, ms since 1970
 */
/**
 * @typedef {{type: "port", port: MessagePort} | {type: "record", recording: Recording} | {type: "place", place: number} | {type: "close"}} ToWorklet
 * @typedef {{type: "head", head: ArrayBuffer} | {type: "recorded", recording: Recording}} FromWorklet
 */

const QUANTUM = 128;
const HEAD_EVERY_S = 0.1;

const scope = /** @type {any} */ (globalThis);

class StudioProcessor extends scope.AudioWorkletProcessor {
  /** @param {{processorOptions: {memory?: SharedArrayBuffer}}} options */
  constructor({ processorOptions: { memory } }) {
    super();
    this.ring = new Ring(memory ?? new ArrayBuffer(RING_BYTES));
    this.renderer = new Renderer(this.ring, scope.sampleRate);
    this.open = true;
    this.shared = memory !== undefined;
    this.sinceHead = 0;
    /** @type {Recording | null} */
    this.recording = null;
    this.recorded = 0;
    this.port.onmessage = (/** @type {MessageEvent<ToWorklet>} */ event) => this.hear(event.data);
  }

  /** @param {ToWorklet} message */
  hear(message) {
    if (message.type === "close") {
      this.open = false;
    } else if (message.type === "place") {
      this.ring.store(Control.place, message.place + 1);
    } else if (message.type === "record") {
      this.recording = message.recording;
      this.recorded = 0;
    } else {
      const receiver = new Receiver(this.ring);
      message.port.onmessage = ({ data }) => {
        if ("call" in data) {
          pass(receiver, data);
          return;
        }
        const { bytes, nowMs, rtp, wallMs } = data;
        if (isStudio(bytes)) receiver.take(bytes, nowMs, rtp, wallMs);
        else receiver.silence(nowMs, rtp);
      };
    }
  }

  /**
   * @param {Float32Array[][]} _inputs
   * @param {Float32Array[][]} outputs
   */
  process(_inputs, outputs) {
    const left = outputs[0]?.[0];
    const right = outputs[0]?.[1];
    if (!left || !right) return this.open;
    const nowMs = Date.now();
    const position = this.renderer.position;
    this.renderer.render(left, right, nowMs);
    if (this.recording) this.record(this.recording, position, left, right, nowMs);
    if (!this.shared) this.sendHead(left.length);
    return this.open;
  }

  /**
   * @param {Recording} recording
   * @param {number} position
   * @param {Float32Array} left
   * @param {Float32Array} right
   * @param {number} nowMs
   */
  record(recording, position, left, right, nowMs) {
    const quantum = this.recorded;
    recording.left.set(left, quantum * QUANTUM);
    recording.right.set(right, quantum * QUANTUM);
    recording.frames[quantum] = position + (this.ring.figures[Figure.frameOffset] ?? 0);
    recording.exact[quantum] = this.renderer.exact ? 1 : 0;
    recording.wallMs[quantum] = nowMs;
    this.recorded += 1;
    if (this.recorded < recording.exact.length) return;
    this.recording = null;
    // Handed over and not copied, which this thread would have to do.
    this.port.postMessage({ type: "recorded", recording }, Object.values(recording).map(({ buffer }) => buffer));
  }

  /** @param {number} frames */
  sendHead(frames) {
    this.sinceHead += frames;
    if (this.sinceHead < HEAD_EVERY_S * scope.sampleRate) return;
    this.sinceHead = 0;
    this.port.postMessage({ type: "head", head: this.ring.memory.slice(0, HEAD_BYTES) });
  }
}

scope.registerProcessor("studio", StudioProcessor);
