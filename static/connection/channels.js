// @ts-check
/** The two DataChannels of a session, opened before its offer. See `rtcserver/channel/PROTOCOL.md`. */

/** Bytes waiting beyond which nothing more is sent: newer messages repeat older ones. */
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
    // Closed between the look and the sending.
    return false;
  }
}
