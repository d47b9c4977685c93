// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { ProtocolError, packPing, packPlay, unpackDown, unwrap } from "../../../static/channel/codec.js";
import { bytes, hex, message, vectors } from "./vectors.js";

const codec = vectors("codec");

/** The values as the vectors name them. @param {ReturnType<typeof unpackDown>} found */
function named(found) {
  if (found.kind === "reply") {
    const { kind, performer, epoch, acked, clientUs, mediaTime, heldUs } = found;
    return { kind, performer, epoch, acked, client_us: clientUs, media_time: mediaTime, held_us: heldUs };
  }
  return {
    kind: "notes",
    newest: found.newest,
    media_time: found.mediaTime,
    events: found.events.map((event) => [event.performer, hex(event.message), event.mediaTime]),
    state: found.state && {
      first: found.state.first,
      last: found.state.last,
      cells: found.state.cells.map(({ performer, cell, value }) => [performer, cell, value]),
    },
  };
}

for (const { name, hex: text, message: expected } of codec.down) {
  test(`unpacks ${name}`, () => {
    assert.deepEqual(named(unpackDown(bytes(text).buffer)), expected);
  });
}

test("unpacks a view into a larger buffer", () => {
  const { hex: text, message: expected } = codec.down[1];
  const inside = new Uint8Array([9, 9, ...bytes(text), 9]);
  assert.deepEqual(named(unpackDown(inside.subarray(2, inside.length - 1))), expected);
});

for (const { name, hex: text, message: expected } of codec.up) {
  test(`packs ${name}`, () => {
    if (expected.kind === "ping") {
      assert.equal(hex(packPing(expected.client_us)), text);
      return;
    }
    const events = expected.events.map((/** @type {[string, number]} */ [data, ageUs]) => ({
      message: message(data),
      ageUs,
    }));
    const { epoch, newest, client_us: clientUs, held, first } = expected;
    assert.equal(hex(packPlay({ epoch, newest, clientUs, events, held, first })), text);
  });
}

for (const { name, hex: text, code } of codec.refused_down) {
  test(`refuses ${name}`, () => {
    assert.throws(
      () => unpackDown(bytes(text)),
      (error) => error instanceof ProtocolError && error.code === code,
    );
  });
}

test("refuses text and whatever else comes", () => {
  for (const data of ["text", null, undefined, 7, {}, []]) {
    assert.throws(() => unpackDown(data), ProtocolError);
  }
});

test("mutated messages are refused or unpacked, and nothing else happens", () => {
  let state = 12345;
  const dice = (/** @type {number} */ below) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % below;
  };
  let refused = 0;
  for (let turn = 0; turn < 3000; turn += 1) {
    const data = bytes(codec.down[turn % codec.down.length].hex);
    data[dice(data.length)] = dice(256);
    try {
      unpackDown(data.subarray(0, dice(4) ? data.length : dice(data.length)));
    } catch (error) {
      assert.ok(error instanceof ProtocolError, String(error));
      refused += 1;
    }
  }
  assert.ok(refused > 1000 && refused < 2900, String(refused));
});

test("numbers are unwrapped to the closest", () => {
  for (const [number, near, expected] of [
    [0, 2 ** 32 - 1, 2 ** 32],
    [0xffff_ffff, 2 ** 32, 2 ** 32 - 1],
    [5, 5, 5],
    [0xffff_ffff, 0, -1],
    [7, 2 ** 45, 2 ** 45 + 7],
    [0x8000_0001, 0, -(2 ** 31) + 1],
  ]) {
    assert.equal(unwrap(Number(number), Number(near)), expected);
  }
});
