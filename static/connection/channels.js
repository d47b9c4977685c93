// @ts-check
/** The two DataChannels of a session, opened before its offer. See `rtcserver/channel/PROTOCOL.md`. */

/** While more bytes than this wait in a channel nothing is added: a later message repeats what is left out. */
const MOST_WAITING = 16 * 1024;

/** @typedef {{midi: RTCDataChannel, telemetry: RTCDataChannel}} Channels */

/** @param {RTCPeerConnection} peer @returns {Channels} */
export function openChannels(peer) {
  const midi = peer.createDataChannel("midi", { ordered: false, maxRetransmits: 0 });
  midi.binaryType = "arraybuffer";
  return { midi, telemetry: peer.createDataChannel("telemetry", { ordered: true }) };
}

/**
 * @param {RTCDataChannel} channel
 * @param {string | Uint8Array<ArrayBuffer>} data
 * @returns {boolean} whether it left
 */
export function sendOn(channel, data) {
  if (channel.readyState !== "open" || channel.bufferedAmount > MOST_WAITING) return false;
  try {
    // Two calls: the type of `send` has no overload for both.
    if (typeof data === "string") channel.send(data);
    else channel.send(data);
    return true;
  } catch {
    // The channel closed between the look at its state and the sending.
    return false;
  }
}
