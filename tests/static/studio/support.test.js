// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { studioSupport } from "../../../static/studio/support.js";

const able = { isSecureContext: true, RTCPeerConnection: 1, AudioContext: 1, AudioWorkletNode: 1, Worker: 1, location: { origin: "http://x" } };

test("the best way that the browser has", () => {
  assert.deepEqual(studioSupport({ ...able, RTCRtpScriptTransform: 1 }), { way: "transform" });
  class RTCRtpReceiver {
    createEncodedStreams() {}
  }
  assert.deepEqual(studioSupport({ ...able, RTCRtpReceiver }), { way: "streams" });
  assert.deepEqual(studioSupport(able), { way: "channel" });
});

test("an insecure page says what to do about it", () => {
  const support = studioSupport({ ...able, isSecureContext: false });
  assert.ok("missing" in support && support.missing.includes("http://x"));
  assert.ok(!support.missing.includes("--tls"), "a listener starts no server");
  assert.ok(support.todo?.includes("--tls auto") && support.todo.includes("http://x"));
  assert.ok("missing" in studioSupport({ ...able, AudioWorkletNode: undefined }));
});
