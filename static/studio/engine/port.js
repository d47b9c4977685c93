// @ts-check
/** Studio light on its way to a worklet whose memory the worker cannot reach: what `Light` says to its sink, as messages. */

/** @typedef {import("./light.js").Sink} Sink */
/**
 * @typedef {{call: "beginLight", args: Parameters<Sink["beginLight"]>} | {call: "arrivedLight", args: Parameters<Sink["arrivedLight"]>}
 *   | {call: "reachLight", args: Parameters<Sink["reachLight"]>} | {call: "placeLight", args: Parameters<Sink["placeLight"]>}
 *   | {call: "countLight", args: Parameters<Sink["countLight"]>} | {call: "madeUpLight", args: Parameters<Sink["madeUpLight"]>}
 *   | {call: "turn", args: Parameters<Sink["turn"]>}} LightMessage
 */

/** How long what is missing is waited for, in ms: the worker does not know what the worklet has played. */
const SLACK_MS = 6;

export class PortSink {
  #port;
  /** When the frame that is waited for was asked about first. */
  #asked = { frame: NaN, wallMs: 0 };

  /** @param {MessagePort} port */
  constructor(port) {
    this.#port = port;
  }

  /** @type {Sink["beginLight"]} */
  beginLight(...args) {
    this.#post({ call: "beginLight", args });
    // Where the worklet's frames lie is not known here: the sound is half a frame off at most.
    return 0;
  }

  /** @type {Sink["arrivedLight"]} */
  arrivedLight(...args) {
    this.#post({ call: "arrivedLight", args });
  }

  /** @type {Sink["reachLight"]} */
  reachLight(...args) {
    this.#post({ call: "reachLight", args });
  }

  /** @type {Sink["placeLight"]} */
  placeLight(first, frames, left, right, wallMs) {
    const copies = [left.slice(0, frames), right.slice(0, frames)];
    const [l, r] = /** @type {[Float32Array, Float32Array]} */ (copies);
    this.#post({ call: "placeLight", args: [first, frames, l, r, wallMs] }, [l.buffer, r.buffer]);
  }

  /** @type {Sink["countLight"]} */
  countLight(...args) {
    this.#post({ call: "countLight", args });
  }

  /** @type {Sink["madeUpLight"]} */
  madeUpLight(...args) {
    this.#post({ call: "madeUpLight", args });
  }

  /** @type {Sink["turn"]} */
  turn(...args) {
    this.#post({ call: "turn", args });
  }

  /** @type {Sink["slackMs"]} */
  slackMs(frame, wallMs) {
    if (this.#asked.frame !== frame) this.#asked = { frame, wallMs };
    return this.#asked.wallMs + SLACK_MS - wallMs;
  }

  /**
   * @param {LightMessage} message
   * @param {Transferable[]} [moved]
   */
  #post(message, moved = []) {
    this.#port.postMessage(message, moved);
  }
}

/**
 * @param {Sink} sink
 * @param {LightMessage} message
 */
export function pass(sink, message) {
  switch (message.call) {
    case "beginLight":
      sink.beginLight(...message.args);
      break;
    case "arrivedLight":
      sink.arrivedLight(...message.args);
      break;
    case "reachLight":
      sink.reachLight(...message.args);
      break;
    case "placeLight":
      sink.placeLight(...message.args);
      break;
    case "madeUpLight":
      sink.madeUpLight(...message.args);
      break;
    case "turn":
      sink.turn(...message.args);
      break;
    case "countLight":
      sink.countLight(...message.args);
      break;
  }
}
