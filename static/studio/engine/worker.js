// @ts-check
/**
 * The worker between the network and the loudspeaker: takes every RTP payload of the Studio session out of the browser's
 * pipeline before the decoder sees it (RTCRtpScriptTransform, W3C webrtc-encoded-transform) and puts it into the ring.
 * Nothing is ever written back, so the decoder gets nothing. The page's main thread is not on the way.
 *
 * The page says where the frames come from (`readable` or `channel`; a transform announces itself) and where they go
 * (`memory`, or `port` to a worklet that has a ring of its own). The worker tells the page once it has proof that it receives
 * the frames; until then the server sends only Opus silence. An open channel is proof in itself, since its messages never
 * pass a decoder.
 */

import { Light, rehearse } from "./light.js";
import { opusDecoder } from "./opus.js";
import { isStudio, splitMessage } from "./payload.js";
import { PortSink } from "./port.js";
import { Receiver } from "./receiver.js";
import { DECODED_RATE } from "./resample.js";
import { Ring } from "./ring.js";

/** @typedef {(bytes: Uint8Array, nowMs: number, rtp: number | undefined, wallMs: number) => void} Deliver nowMs: when it came */
/**
 * @typedef {{type: "memory", memory: SharedArrayBuffer} | {type: "port", port: MessagePort}
 *   | {type: "turn", turn: import("./splice.js").Turn} | {type: "light", rate: number, red: number | null, decoder?: "wasm" | "webcodecs"}
 *   | {type: "prepare", rate: number} | {type: "readable", readable: ReadableStream} | {type: "channel", channel: RTCDataChannel}
 *   | {type: "message", bytes: ArrayBuffer}} ToWorker
 * @typedef {{type: "up"} | {type: "proof", frames: number} | {type: "unable", why: string} | {type: "held"}} FromWorker held: frames
 *   that had come waited in this browser
 * @typedef {import("./light.js").Sink} Sink
 */

/** This many frames prove that the transform works. */
const PROOF = 5;
/** After the first ones only every 64th RTP timestamp is read: they only confirm what the frame numbers say. */
const STAMPED = 64;

/** After a pause of this long between two frames, in ms, the browser is asked when it received the second one. */
const PAUSE_MS = 8;
/** One that waited longer than this for this thread, in ms, is told of, at most once in `TOLD_MS`: no network is to blame for it. */
const HELD_MS = 5;
const TOLD_MS = 1_000;

/**
 * Makes Chromium collect its garbage in small pieces. Every frame is an object of the browser's. Chromium keeps those that
 * are done with until it sees fit, 15,000 of them after 45 s, and then stops this thread for 6 ms; collected every few seconds
 * they take less than one. There is no call for it, but an allocation beyond V8's limit of 64 MB for memory outside its heap
 * starts a collection. The memory is given back at once, and none of its pages is ever touched.
 */
const SWEEP_MS = 4_000;
const SWEEP_BYTES = 80 * 2 ** 20;

const scope = /** @type {any} */ (globalThis);
let frames = 0;
let lastMs = Infinity;
let toldMs = -Infinity;
let proved = false;
/** @type {Deliver} */
let deliver = () => {};
/** @type {Sink | null} where Studio light goes; null before the ring is there */
let sink = null;
/** @type {Extract<ToWorker, {type: "light"}> | null} how it comes; null while what is no sample is silence */
let coming = null;
/** @type {Light | null} */
let light = null;
/**
 * Made before it is needed: to make it keeps this thread for as long as the ring lasts.
 *
 * @type {Promise<import("./opus.js").OpusDecoder> | null}
 */
let prepared = null;
/** @type {import("./splice.js").Turn | null} as the page said last */
let turn = null;
/** Frames since the last one of light: the first ones need their RTP timestamps to find their place. */
let sinceLight = Infinity;

scope.onrtctransform = (/** @type {any} */ event) => drain(event.transformer.readable);
scope.onmessage = (/** @type {MessageEvent<ToWorker>} */ { data }) => {
  switch (data.type) {
    case "memory": {
      const receiver = new Receiver(new Ring(data.memory));
      sink = receiver;
      if (turn) sink.turn(turn);
      deliver = (bytes, nowMs, rtp, wallMs) => {
        if (isStudio(bytes)) receiver.take(bytes, nowMs, rtp, wallMs);
        else receiver.silence(nowMs, rtp);
      };
      break;
    }
    case "port": {
      const { port } = data;
      sink = new PortSink(port);
      if (turn) sink.turn(turn);
      deliver = (bytes, nowMs, rtp, wallMs) => port.postMessage({ bytes, nowMs, rtp, wallMs });
      break;
    }
    case "prepare":
      prepared ??= opusDecoder(2, DECODED_RATE);
      // Whoever uses it hears of a failure.
      prepared.then((one) => rehearse(one, data.rate)).catch(() => {});
      break;
    case "light":
      coming = data;
      break;
    case "turn":
      // What comes of light after a pause has a place of its own.
      if (data.turn === "exact") light?.pause();
      turn = data.turn;
      sink?.turn(turn);
      break;
    case "readable":
      drain(data.readable);
      break;
    case "channel": {
      const { channel } = data;
      channel.binaryType = "arraybuffer";
      channel.onmessage = (message) => takeMessage(message.data);
      channel.onopen = prove;
      if (channel.readyState === "open") prove();
      break;
    }
    case "message":
      takeMessage(data.bytes);
      break;
  }
};
tell({ type: "up" });

/**
 * @param {ReadableStream} readable of encoded audio frames
 */
async function drain(readable) {
  const reader = readable.getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    watch(value);
    const bytes = new Uint8Array(value.data);
    if (coming && !isStudio(bytes)) {
      takeLight(bytes, value);
      continue;
    }
    // Unless somebody lets the two take turns, light ends where the samples begin.
    if (turn === null && sinceLight === 0) light?.pause();
    sinceLight += 1;
    const stamped = frames < STAMPED || frames % STAMPED === 0 || sinceLight < STAMPED;
    // Before the samples this thread is still beginning, and what it sees of the network is mostly itself.
    take(bytes, stamped ? timestampOf(value) : undefined, isStudio(bytes) ? undefined : value.getMetadata?.().receiveTime);
  }
}

/** Tells the page of a frame that waited here. @param {any} frame an RTCEncodedAudioFrame */
function watch(frame) {
  const nowMs = performance.now();
  const pauseMs = nowMs - lastMs;
  lastMs = nowMs;
  if (pauseMs < PAUSE_MS || nowMs - toldMs < TOLD_MS) return;
  const receivedMs = frame.getMetadata?.().receiveTime;
  if (receivedMs === undefined || nowMs - receivedMs < HELD_MS) return;
  toldMs = nowMs;
  tell({ type: "held" });
}

/**
 * @param {Uint8Array} bytes
 * @param {any} frame an RTCEncodedAudioFrame
 */
function takeLight(bytes, frame) {
  frames += 1;
  if (frames === PROOF) prove();
  if (!sink || !coming) return;
  light ??= lightOf(coming.rate, sink, coming.decoder);
  sinceLight = 0;
  const { payloadType, rtpTimestamp = frame.timestamp } = frame.getMetadata();
  light.take(bytes, payloadType === coming.red, rtpTimestamp, performance.now());
}

/**
 * @param {number} rate
 * @param {Sink} to
 * @param {"wasm" | "webcodecs"} [decoder]
 */
function lightOf(rate, to, decoder) {
  const made = new Light(rate, to);
  const found = prepared !== null && decoder === undefined ? prepared : opusDecoder(2, DECODED_RATE, decoder);
  found.then(
    (one) => made.use(one),
    (error) => tell({ type: "unable", why: `${error?.message ?? error}` }),
  );
  return made;
}

/**
 * @param {Uint8Array} bytes
 * @param {number} [rtp]
 * @param {number} [receivedMs] when the browser received it, where it says so
 */
function take(bytes, rtp, receivedMs = performance.now()) {
  frames += 1;
  deliver(bytes, receivedMs, rtp, Date.now());
  if (frames === PROOF) prove();
}

/** @param {unknown} data of a `studio` channel */
function takeMessage(data) {
  const message = splitMessage(data);
  if (message) take(message.payload, message.rtp);
}

function prove() {
  if (proved) return;
  proved = true;
  tell({ type: "proof", frames });
  // Only Chromium defines this name, and only it needs this.
  if ("userAgentData" in scope.navigator) setInterval(sweep, SWEEP_MS);
}

function sweep() {
  try {
    new ArrayBuffer(SWEEP_BYTES);
  } catch {
    // A machine that cannot allocate this collects its garbage often anyway.
  }
}

/**
 * Browsers differ in where the RTP timestamp is; some once had another number in `timestamp`.
 *
 * @param {any} frame an RTCEncodedAudioFrame
 * @returns {number | undefined}
 */
function timestampOf(frame) {
  return frame.getMetadata?.().rtpTimestamp ?? frame.timestamp;
}

/** @param {FromWorker} message */
function tell(message) {
  scope.postMessage(message);
}
