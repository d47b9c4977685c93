// @ts-check
/** What this browser has. */

/** @typedef {import("./verdicts.js").Features} Features */

/**
 * @param {any} scope the window
 * @returns {Promise<Features>}
 */
export async function featuresOf(scope) {
  return {
    webrtc: typeof scope.RTCPeerConnection === "function",
    opus: opusIn(scope),
    secure: scope.isSecureContext === true,
    worklet: typeof scope.AudioWorkletNode === "function" && scope.isSecureContext === true,
    transform: typeof scope.RTCRtpScriptTransform === "function" || "createEncodedStreams" in (scope.RTCRtpReceiver?.prototype ?? {}),
    midi: typeof scope.navigator?.requestMIDIAccess === "function",
    midiPermission: await midiPermission(scope.navigator),
  };
}

/** @param {any} scope @returns {boolean | null} */
function opusIn(scope) {
  try {
    const codecs = scope.RTCRtpReceiver.getCapabilities("audio").codecs;
    return codecs.some((/** @type {any} */ { mimeType }) => /^audio\/opus$/i.test(mimeType));
  } catch {
    return null;
  }
}

/** @param {any} navigator @returns {Promise<Features["midiPermission"]>} */
async function midiPermission(navigator) {
  try {
    const { state } = await navigator.permissions.query({ name: "midi" });
    return state;
  } catch {
    return null;
  }
}
