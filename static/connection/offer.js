// @ts-check
/** How an offer is made, brought to the server and taken back: the steps of a WHEP session that need nothing of one another. */

import { FROM_PAGE } from "./server.js";
import { authorization } from "./token.js";
import { withStereoOpus } from "./sdp.js";

/**
 * @param {RTCConfiguration} configuration
 * @returns {RTCPeerConnection} without the servers, if this browser takes one of them for wrong
 */
export function connection(configuration) {
  try {
    return new RTCPeerConnection(configuration);
  } catch {
    return new RTCPeerConnection({ ...configuration, iceServers: [] });
  }
}

/**
 * @param {RTCPeerConnection} peer with all that it is to carry
 * @returns {Promise<string>} the offer. It waits for no candidates: the server learns of this browser’s addresses, relayed ones
 *   too, by its checks (RFC 8445, section 7.3.1.3).
 */
export async function offerOf(peer) {
  const { sdp = "" } = await peer.createOffer();
  await peer.setLocalDescription({ type: "offer", sdp: withStereoOpus(sdp) });
  // Some browsers rewrite their local description: the server has to read the same wish for stereo as the decoder.
  return withStereoOpus(peer.localDescription?.sdp ?? "");
}

/**
 * @param {string} url of a room's WHEP endpoint
 * @param {string} offer
 * @param {Record<string, string>} headers beside the usual ones
 */
export function postOffer(url, offer, headers) {
  const all = { "Content-Type": "application/sdp", ...FROM_PAGE, ...authorization(url), ...headers };
  return fetch(url, { method: "POST", headers: all, body: offer });
}

/** The session's own address. @param {Response} response to an offer @returns {string | null} null where it was refused */
export function locationOf(response) {
  const location = response.ok ? response.headers.get("Location") : null;
  try {
    return location ? new URL(location, response.url).href : null;
  } catch {
    return null;
  }
}

/** Ends a session at the server. @param {string | null} location */
export function leave(location) {
  // `keepalive` lets the request outlive the page. If it fails, the server ends the session when its media times out.
  if (location) fetch(location, { method: "DELETE", keepalive: true }).catch(() => {});
}
