// @ts-check
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { opusDecoder } from "../../../../static/studio/engine/opus.js";
import { WebCodecsOpus } from "../../../../static/studio/engine/opus-webcodecs.js";
import { bytesOf, vectors } from "./opus.js";

const scope = /** @type {any} */ (globalThis);
const packets = /** @type {import("./opus.js").Vector} */ (vectors[0]).events.map((event) => bytesOf(String(event)));

/** The browser's decoder, whose answers the test gives: each sample is the number of the chunk's first byte but one. */
class FakeDecoder {
  /** @type {FakeDecoder[]} */
  static all = [];
  state = "unconfigured";
  /** @type {Uint8Array[]} */
  chunks = [];

  static isConfigSupported = async (/** @type {any} */ config) => ({ supported: config.codec === "opus" });

  /** @param {{output: (data: any) => void, error: (error: Error) => void}} told */
  constructor(told) {
    this.told = told;
    FakeDecoder.all.push(this);
  }

  configure() {
    this.state = "configured";
  }

  /** @param {{data: Uint8Array}} chunk */
  decode(chunk) {
    assert.equal(this.state, "configured");
    this.chunks.push(chunk.data);
  }

  close() {
    assert.notEqual(this.state, "closed");
    this.state = "closed";
  }

  /** Answers the next chunk. @param {number} [frames] @param {number} [sample] */
  answer(frames = 240, sample = 0.25) {
    assert.ok(this.chunks.shift());
    let closed = 0;
    this.told.output({
      numberOfFrames: frames,
      numberOfChannels: 2,
      copyTo: (/** @type {Float32Array} */ row, /** @type {any} */ { planeIndex }) => row.fill(planeIndex ? -sample : sample),
      close: () => (closed += 1),
    });
    assert.equal(closed, 1);
  }

  /** Closes over the next chunk, and says so a moment later, as a browser does. */
  break() {
    this.state = "closed";
    return () => this.told.error(new Error("EncodingError"));
  }
}

beforeEach(() => {
  FakeDecoder.all = [];
  scope.AudioDecoder = FakeDecoder;
  scope.EncodedAudioChunk = class {
    /** @param {{data: Uint8Array}} init */
    constructor({ data }) {
      this.data = data;
    }
  };
});
afterEach(() => {
  delete scope.AudioDecoder;
  delete scope.EncodedAudioChunk;
});

/** @returns {Promise<{decoder: WebCodecsOpus, answers: string[], say: (name: string) => import("../../../../static/studio/engine/opus.js").Done}>} */
async function opened() {
  const decoder = await WebCodecsOpus.open(2, 48_000);
  /** @type {string[]} */
  const answers = [];
  const say = (/** @type {string} */ name) => (/** @type {Float32Array[]} */ planes, /** @type {number} */ frames) => {
    assert.deepEqual(planes.map((plane) => plane.length), [frames, frames]);
    answers.push(`${name} ${frames} ${planes[0]?.[0]} ${planes[1]?.[frames - 1]}`);
  };
  return { decoder, answers, say };
}

const packet = (/** @type {number} */ index) => /** @type {Uint8Array} */ (packets[index]);
const newest = () => /** @type {FakeDecoder} */ (FakeDecoder.all.at(-1));

test("answers come in the order of the calls", async () => {
  const { decoder, answers, say } = await opened();
  decoder.decode(packet(0), say("a"));
  decoder.conceal(480, say("b"));
  decoder.decode(packet(1), say("c"));
  assert.deepEqual(answers, []);
  newest().answer(240, 0.25);
  newest().answer(480, 0.5);
  newest().answer(240, 0.125);
  assert.deepEqual(answers, ["a 240 0.25 -0.25", "b 480 0.5 -0.5", "c 240 0.125 -0.125"]);
  assert.equal(decoder.errors, 0);
});

test("a gap is a packet of empty frames; what is longer than the gap is left out", async () => {
  const { decoder, answers, say } = await opened();
  decoder.decode(packet(0), say("a"));
  decoder.conceal(300, say("b"));
  newest().answer();
  assert.deepEqual([...(newest().chunks[0] ?? [])], [(28 << 3) | 7, 3]);
  newest().answer(360);
  assert.deepEqual(answers, ["a 240 0.25 -0.25", "b 300 0.25 -0.25"]);
});

test("what is not Opus never reaches the decoder: a loss does, and it is counted", async () => {
  const { decoder, answers, say } = await opened();
  decoder.decode(packet(0), say("a"));
  decoder.decode(bytesOf("ff00"), say("b"));
  decoder.decode(new Uint8Array(), say("c"));
  assert.equal(decoder.errors, 2);
  newest().answer();
  assert.deepEqual(newest().chunks.map((chunk) => chunk.length), [2, 2]);
  newest().answer();
  newest().answer();
  assert.equal(answers.length, 3);
});

test("a decoder that closes is replaced: its chunk is silent, those behind it are decoded", async () => {
  const { decoder, answers, say } = await opened();
  decoder.decode(packet(0), say("a"));
  decoder.decode(packet(1), say("b"));
  decoder.decode(packet(2), say("c"));
  const first = newest();
  first.answer();
  const tell = first.break();
  decoder.decode(packet(3), say("d"));
  tell();
  assert.equal(FakeDecoder.all.length, 2);
  assert.equal(decoder.errors, 1);
  assert.deepEqual(newest().chunks, [packet(2), packet(3)]);
  newest().answer();
  newest().answer();
  assert.deepEqual(answers, ["a 240 0.25 -0.25", "b 240 0 0", "c 240 0.25 -0.25", "d 240 0.25 -0.25"]);
});

test("a decoder that refuses everything answers everything, and ends nothing", async () => {
  const { decoder, answers, say } = await opened();
  for (let index = 0; index < 5; index += 1) decoder.decode(packet(index), say(`${index}`));
  for (let round = 0; round < 5; round += 1) newest().break()();
  assert.equal(answers.length, 5);
  assert.equal(decoder.errors, 5);
  assert.equal(FakeDecoder.all.length, 5);
  decoder.decode(packet(5), say("after"));
  newest().answer();
  assert.equal(answers.at(-1), "after 240 0.25 -0.25");
});

test("whoever calls again while answered comes once, in order", async () => {
  const { decoder, answers, say } = await opened();
  decoder.decode(packet(0), (planes, frames) => {
    say("a")(planes, frames);
    decoder.decode(packet(2), say("c"));
  });
  decoder.decode(packet(1), say("b"));
  newest().break()();
  assert.deepEqual(newest().chunks, [packet(1), packet(2)]);
  newest().answer();
  newest().answer();
  assert.deepEqual(answers.map((answer) => answer[0]), ["a", "b", "c"]);
});

test("a decoder that hangs is given up: everything that waits is answered, and what it says later is no matter", async () => {
  const { decoder, answers, say } = await opened();
  for (let index = 0; index < 101; index += 1) decoder.decode(packet(0), say("lost"));
  const first = newest();
  assert.equal(answers.length, 101);
  assert.equal(decoder.errors, 101);
  assert.equal(first.state, "closed");
  decoder.decode(packet(0), say("new"));
  first.answer();
  assert.equal(answers.length, 101);
  newest().answer();
  assert.equal(answers.at(-1), "new 240 0.25 -0.25");
});

test("another length than the packet's, or samples that are no music, are an error", async () => {
  const { decoder, answers, say } = await opened();
  decoder.decode(packet(0), say("a"));
  newest().answer(480);
  decoder.decode(packet(0), say("b"));
  newest().answer(240, 1e6);
  decoder.decode(packet(0), say("c"));
  newest().answer(240, NaN);
  assert.deepEqual(answers, ["a 240 0 0", "b 240 0 0", "c 240 0 0"]);
  assert.equal(decoder.errors, 3);
});

test("after it was closed nobody is answered", async () => {
  const { decoder, answers, say } = await opened();
  decoder.decode(packet(0), say("a"));
  const first = newest();
  decoder.close();
  decoder.close();
  decoder.decode(packet(0), say("b"));
  first.answer();
  assert.deepEqual(answers, []);
});

test("of the two the preferred one is taken, and the other where it is missing", async () => {
  // Node has no fetch for files, so there is no opus.wasm here.
  assert.equal((await opusDecoder()).name, "webcodecs");
  assert.equal((await opusDecoder(2, 48_000, "webcodecs")).name, "webcodecs");
  delete scope.AudioDecoder;
  await assert.rejects(opusDecoder(), /cannot decode Opus in a worker \(wasm: .+; webcodecs: there is no AudioDecoder\)/);
});

test("what no decoder of Opus can do is refused", async () => {
  await assert.rejects(opusDecoder(3), RangeError);
  await assert.rejects(opusDecoder(2, 44_100), RangeError);
});
