// @ts-check
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { ChannelLink } from "../../../static/connection/link.js";
import { StudioLink, readFormat } from "../../../static/studio/link.js";

const FORMAT = { version: 1, rate: 44_100, bits: 24, frames: 128, exact: true, mbps: 2.3, packets_per_s: 344.5, redundancy: false };

test("reads the format that the server answers with", () => {
  const format = readFormat(JSON.stringify(FORMAT));
  assert.deepEqual([format?.rate, format?.bits, format?.frames, format?.exact, format?.packetsPerS], [44_100, 24, 128, true, 344.5]);
});

test("refuses versions, sample sizes and rates that it cannot play", () => {
  const wrong = [{ version: 2 }, { bits: 20 }, { bits: null }, { rate: 4_000 }, { rate: 384_000 }, { rate: "fast" }, { rate: null }];
  for (const change of wrong) assert.equal(readFormat(JSON.stringify({ ...FORMAT, ...change })), null, JSON.stringify(change));
  for (const text of [null, "", "[]", "null", "{", "7"]) assert.equal(readFormat(text), null);
});

/** A DataChannel that only remembers what is sent on it. */
class Channel extends EventTarget {
  readyState = "connecting";
  bufferedAmount = 0;
  /** @type {any[]} */
  sent = [];

  /** @param {any} data */
  send(data) {
    this.sent.push(data);
  }

  open() {
    this.readyState = "open";
    this.dispatchEvent(new Event("open"));
  }

  /** @param {any} data */
  receive(data) {
    this.dispatchEvent(Object.assign(new Event("message"), { data }));
  }

  close() {
    this.readyState = "closed";
  }
}

/** An RTCPeerConnection as far as an offer needs one. */
class Peer extends EventTarget {
  iceGatheringState = "complete";
  localDescription = { sdp: "" };
  /** @type {Record<string, Channel>} by label */
  channels = {};

  addTransceiver() {
    return { receiver: { track: { enabled: true } } };
  }

  /** @param {string} label */
  createDataChannel(label) {
    return (this.channels[label] = new Channel());
  }

  async createOffer() {
    return { sdp: "" };
  }

  async setLocalDescription() {}
  async setRemoteDescription() {}
  close() {}
}

class SamplesWorker extends EventTarget {
  postMessage() {}
  terminate() {}
}

/** A reply as PROTOCOL.md draws it, to a ping that was sent at this time and arrives at once. @param {number} clientUs @param {bigint} mediaTime */
function reply(clientUs, mediaTime) {
  const view = new DataView(new ArrayBuffer(28));
  view.setUint8(0, 1);
  view.setUint8(1, 2);
  view.setBigInt64(8, BigInt(clientUs));
  view.setBigInt64(16, mediaTime);
  return view.buffer;
}

const scope = /** @type {any} */ (globalThis);
const { fetch, RTCPeerConnection } = scope;

beforeEach(() => {
  scope.RTCPeerConnection = Peer;
  scope.fetch = () => new Promise(() => {});
});
afterEach(() => Object.assign(scope, { fetch, RTCPeerConnection }));

test("a Studio session has one media clock, which its channels keep, and one ping goes out for it", async () => {
  /** @type {Peer | undefined} */
  let peer;
  /** @type {ChannelLink | undefined} */
  let channelLink;
  const ignore = () => {};
  const link = new StudioLink(
    "/r/main/whep",
    "channel",
    /** @type {any} */ (new SamplesWorker()),
    (connection, channels) => {
      peer = /** @type {any} */ (connection);
      channelLink = new ChannelLink(channels, { name: "", token: null }, { message: ignore, notes: ignore, released: ignore });
      return { link: channelLink, close: () => channelLink?.close(), report: ignore };
    },
    { answered: ignore, proved: ignore, lost: ignore, removed: ignore, changed: ignore, refused: ignore, unable: ignore, held: ignore },
  );
  const clockOf = () => link.clock;
  assert.equal(clockOf(), null);
  link.open();
  await new Promise(setImmediate);
  const { midi, telemetry } = peer?.channels ?? {};
  assert.ok(midi && telemetry && channelLink);
  try {
    const { clock } = channelLink;
    assert.equal(clockOf(), clock);
    midi.open();
    telemetry.open();
    assert.equal(midi.sent.length, 1);
    assert.deepEqual([...midi.sent[0].subarray(0, 2)], [1, 18], "version 1, a ping");

    assert.equal(clock.mediaAt(0), null);
    const clientUs = Number(new DataView(midi.sent[0].buffer).getBigInt64(4));
    midi.receive(reply(clientUs, 480_000n));
    const sentMs = clientUs / 1000;
    const media = clock.mediaAt(sentMs) ?? NaN;
    // The server's reading is taken to lie in the middle of the round trip.
    assert.ok(Math.abs(media - (480_000 - 48 * ((clock.rttMs ?? NaN) / 2))) < 1e-3, `${media}`);

    assert.equal(link.rtpOffset, null);
    telemetry.receive(JSON.stringify({ type: "welcome", version: 1, rtp_offset: 77, media_time: 480_000, role: "listener" }));
    assert.equal(link.rtpOffset, 77);
  } finally {
    link.close();
  }
});
