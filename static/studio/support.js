// @ts-check
/** Says which way this browser can take Studio's payloads, or in words what it lacks. */

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
      missing: `Studio needs a secure page, and ${scope.location.origin} is none. Ask whoever runs this server for its https address.`,
      todo:
        `Studio needs a secure page, and ${scope.location.origin} is none. Open the page by https: start the server with ` +
        "“--tls auto”, or open it as “localhost” on the server’s own machine.",
    };
  }
  const tools = ["RTCPeerConnection", "AudioContext", "AudioWorkletNode", "Worker"];
  if (tools.some((name) => typeof scope[name] === "undefined")) {
    return { missing: "This browser is too old for Studio. A current Chrome, Edge, Firefox or Safari has what it needs." };
  }
  if (typeof scope.RTCRtpScriptTransform !== "undefined") return { way: "transform" };
  if (typeof scope.RTCRtpReceiver?.prototype?.createEncodedStreams === "function") return { way: "streams" };
  return { way: "channel" };
}

/** Whether memory can be shared between the page's threads. @param {any} scope */
export function memoryShared(scope) {
  return scope.crossOriginIsolated === true && typeof scope.SharedArrayBuffer !== "undefined";
}
