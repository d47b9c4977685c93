// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { unpackDown } from "../../../static/channel/codec.js";
import { UpSender } from "../../../static/channel/up.js";
import { bytes, hex, message, vectors } from "./vectors.js";

for (const { name, start_ms, steps, held, epoch, unacknowledged, counters } of vectors("up_sender")) {
  test(`sends what Python sends: ${name}`, () => {
    const sender = new UpSender(start_ms);
    for (const step of steps) {
      if ("push" in step) {
        assert.deepEqual(sender.push(message(step.push), step.at_ms).map(hex), step.accepted);
      } else if ("panic" in step) {
        sender.panic(step.at_ms, { everyone: step.panic });
      } else if ("reply" in step) {
        const reply = unpackDown(bytes(step.reply));
        assert.ok(reply.kind === "reply");
        assert.deepEqual(sender.receive(reply, step.at_ms).map(hex), step.released);
      } else {
        assert.deepEqual(sender.poll(step.at_ms).map(hex), step.poll);
        assert.equal(sender.nextMs, step.next_ms);
      }
    }
    assert.deepEqual([...sender.held].sort((a, b) => a[0] - b[0]), held);
    assert.equal(sender.epoch, epoch);
    assert.equal(sender.unacknowledged, unacknowledged);
    assert.deepEqual(sender.counters, counters);
  });
}

test("a sender knows how long it has heard nothing", () => {
  const sender = new UpSender(100);
  assert.equal(sender.silentMs(600), 500);
  sender.receive(
    { kind: "reply", performer: false, epoch: 0, acked: 0, clientUs: 0, mediaTime: 0, heldUs: 0 },
    700,
  );
  assert.equal(sender.silentMs(800), 100);
});

test("nothing that is no MIDI is sent", () => {
  const sender = new UpSender(0);
  for (const odd of [[], [0x90], [0x90, NaN, 5], [0x90, 60, 200], [0x90, 60.5, 1], [144.5, 60, 1], [0xf8], [0xff, 0]]) {
    assert.deepEqual(sender.push(odd, 0), []);
  }
  assert.equal(sender.unacknowledged, 0);
});
