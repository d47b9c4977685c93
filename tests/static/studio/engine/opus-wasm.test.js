// @ts-check
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { WasmOpus } from "../../../../static/studio/engine/opus-wasm.js";
import { anyBytes, bytesOf, module, random, vectors } from "./opus.js";

const CLOSE = 1e-4;
/** Concealment finds the pitch in the sound before: the order of additions, which compilers choose, shows. */
const CLOSE_CONCEALED = 5e-4;
const FOLDER = new URL("../../../../static/studio/engine/", import.meta.url);

const clean = /** @type {import("./opus.js").Vector} */ (vectors[0]);
const packets = clean.events.map((event) => bytesOf(String(event)));

/** @returns {[WasmOpus, (bytes: Uint8Array) => Float32Array[], (frames: number) => Float32Array[]]} with copies of what comes out */
function opened(channels = 2, rate = 48_000) {
  const decoder = new WasmOpus(module, channels, rate);
  /** @param {(done: import("../../../../static/studio/engine/opus.js").Done) => void} call */
  const once = (call) => {
    /** @type {Float32Array[][]} */
    const came = [];
    call((planes, frames) => {
      for (const plane of planes) assert.equal(plane.length, frames);
      came.push(planes.map((plane) => plane.slice()));
    });
    assert.equal(came.length, 1);
    return /** @type {Float32Array[]} */ (came[0]);
  };
  return [decoder, (bytes) => once((done) => decoder.decode(bytes, done)), (frames) => once((done) => decoder.conceal(frames, done))];
}

/** @param {Float32Array | undefined} plane */
const peak = (plane = new Float32Array()) => plane.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);

test("the file is the one that script/build-opus makes, and its licence names it", () => {
  const [told, name] = readFileSync(new URL("opus.wasm.sha256", FOLDER), "utf8").trim().split(/\s+/);
  const sum = createHash("sha256").update(readFileSync(new URL("opus.wasm", FOLDER))).digest("hex");
  assert.deepEqual([name, told], ["opus.wasm", sum]);
  const built = readFileSync(new URL("../../../../script/build-opus", import.meta.url), "utf8");
  const licence = readFileSync(new URL("opus-LICENSE.txt", FOLDER), "utf8");
  for (const part of [/opusic-sys/, /0\.7\.7/, /ziglang==0\.15\.2/]) {
    assert.match(built, part);
    assert.match(licence, new RegExp(part.source.replace("==", "\\s")));
  }
});

test("libopus imports nothing and asks for less than half a megabyte", () => {
  assert.deepEqual(WebAssembly.Module.imports(module), []);
  const { memory } = /** @type {any} */ (new WebAssembly.Instance(module).exports);
  assert.ok(memory.buffer.byteLength < 512 * 1024, `${memory.buffer.byteLength}`);
});

for (const { name, frames, events, pcm } of vectors) {
  test(`decodes as libopus does: ${name}`, () => {
    const [decoder, decode, conceal] = opened();
    let at = 0;
    let lossesBehind = 0;
    for (const event of events) {
      const lost = typeof event === "number" || event.startsWith("!");
      const planes = typeof event === "number" ? conceal(event) : decode(bytesOf(event.replace("!", "")));
      assert.equal(planes[0]?.length, typeof event === "number" ? event : frames);
      lossesBehind = lost ? 4 : lossesBehind - 1;
      planes.forEach((plane, channel) =>
        plane.forEach((sample, frame) => {
          const far = Math.abs(sample - /** @type {number} */ (pcm[2 * (at + frame) + channel]) / 32_768);
          assert.ok(far < (lossesBehind > 0 ? CLOSE_CONCEALED : CLOSE), `${far} at ${at + frame}`);
        }),
      );
      at += planes[0]?.length ?? 0;
    }
    assert.equal(2 * at, pcm.length);
    assert.equal(decoder.errors, events.filter((event) => String(event).startsWith("!")).length);
  });
}

test("whatever bytes come: one answer each, no sample beyond reason, and music after a while", () => {
  const [decoder, decode, conceal] = opened();
  const next = random(2);
  for (let round = 0; round < 1_000; round += 1) {
    const planes = next() < 0.1 ? conceal(1 + Math.floor(next() * 8_000)) : decode(anyBytes(next, 400));
    assert.equal(planes.length, 2);
    for (const plane of planes) assert.ok(plane.length > 0 && peak(plane) <= 8);
  }
  assert.ok(decoder.errors > 100, `${decoder.errors}`);
  const before = decoder.errors;
  const planes = packets.map((packet) => decode(packet));
  assert.equal(decoder.errors, before);
  const last = planes.at(-1)?.[0] ?? new Float32Array();
  const at = clean.pcm.length - 2 * last.length;
  last.forEach((sample, frame) => assert.ok(Math.abs(sample - /** @type {number} */ (clean.pcm[at + 2 * frame]) / 32_768) < 0.2));
});

test("a gap of any length is filled with as many samples, up to 120 ms", () => {
  const [, decode, conceal] = opened();
  for (const packet of packets) decode(packet);
  assert.ok(peak(conceal(240)[0]) > 0.01);
  assert.deepEqual([1, 100, 720, 5_760, 20_000].map((frames) => conceal(frames)[0]?.length), [1, 100, 720, 5_760, 5_760]);
});

test("before the first packet a gap is silent", () => {
  const [decoder, decode, conceal] = opened();
  assert.equal(peak(conceal(480)[1]), 0);
  assert.equal(peak(decode(new Uint8Array())[1]), 0);
  assert.equal(decoder.errors, 1);
});

test("one channel, and other rates", () => {
  const [, mono] = opened(1);
  const planes = packets.map((packet) => mono(packet));
  assert.deepEqual([planes[0]?.length, planes[9]?.[0]?.length], [1, 240]);
  assert.ok(peak(planes[9]?.[0]) > 0.01);
  const [, slow] = opened(2, 24_000);
  assert.equal(packets.map((packet) => slow(packet))[9]?.[0]?.length, 120);
});

test("a packet leaves no new rows behind", () => {
  const decoder = new WasmOpus(module, 2, 48_000);
  const seen = new Set();
  for (const packet of packets) decoder.decode(packet, (planes) => seen.add(planes));
  assert.equal(seen.size, 1);
});

test("after it was closed nobody is answered", () => {
  const decoder = new WasmOpus(module, 2, 48_000);
  decoder.close();
  decoder.close();
  decoder.decode(/** @type {Uint8Array} */ (packets[0]), () => assert.fail());
  decoder.conceal(240, () => assert.fail());
});
