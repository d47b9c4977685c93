// @ts-check
/** Says which way this browser can take Studio's payloads, or in words what it lacks. */

import { say } from "../words/studio-parts.js";

/**
 * How payloads come out of the browser:
 *
 * - transform: RTCRtpScriptTransform, straight into the worker (Chromium 141+, Firefox 117+, Safari 15.4+)
 * - streams: createEncodedStreams, whose stream is handed to the worker (Chromium from 86 on)
 * - channel: no Encoded Transform; a DataChannel carries the same messages
 *
 * @typedef {"transform" | "streams" | "channel"} Way
 * @typedef {{way: Way} | {missing: string, todo?: string}} Support todo: the same with what whoever runs the server can do
 */

/**
 * @param {any} scope the window
 * @returns {Support}
 */
export function studioSupport(scope) {
  if (!scope.isSecureContext) {
    return {
      missing: say("insecure", { origin: scope.location.origin }),
      todo: say("insecure.todo", { origin: scope.location.origin }),
    };
  }
  const tools = ["RTCPeerConnection", "AudioContext", "AudioWorkletNode", "Worker"];
  if (tools.some((name) => typeof scope[name] === "undefined")) {
    return { missing: say("old") };
  }
  if (typeof scope.RTCRtpScriptTransform !== "undefined") return { way: "transform" };
  if (typeof scope.RTCRtpReceiver?.prototype?.createEncodedStreams === "function") return { way: "streams" };
  return { way: "channel" };
}

/** Whether memory can be shared between the page's threads. @param {any} scope */
export function memoryShared(scope) {
  return scope.crossOriginIsolated === true && typeof scope.SharedArrayBuffer !== "undefined";
}
