// @ts-check
/**
 * One connection to a room: an offer over WHEP (draft-ietf-wish-whep), an answer, and the transport under it. The object is
 * used once; another connection needs another object.
 */

import { WEBRTC_MISSING, SERVER_UNREACHABLE, negotiationFailed, codeOf, parseRetryAfter, refused, sentenceOf } from "./problems.js";
import { haveIceServers, iceServers } from "./ice-servers.js";
import { connection, leave, locationOf, offerOf, postOffer } from "./offer.js";
import { authorization, fallBack } from "./token.js";
import {
  addressOf,
  asksForStereo,
  candidates,
  noMoreCandidates,
  restartFragment,
  restartedAnswer,
  takesRedundancy,
  withLocalName,
  withStereoOpus,
} from "./sdp.js";

/** @typedef {import("./problems.js").Problem} Problem */
/** @typedef {"there" | "gone" | "silent"} Found what a server says of a session; silent: it does not answer, or nothing of use */
/** @typedef {"connecting" | "connected" | "disconnected" | "failed" | "closed"} TransportState */

/**
 * @typedef {object} ConnectionTell what a connection tells, never after close()
 * @property {(addresses: string[]) => void} answered
 * @property {(problem: Problem) => void} refused
 * @property {(state: TransportState) => void} transport
 * @property {(stream: MediaStream) => void} stream
 */

/**
 * @typedef {object} Special what a session other than plain listening changes
 * @property {RTCConfiguration} [configuration] added to the connection's
 * @property {Record<string, string>} [headers] of the POST
 * @property {(peer: RTCPeerConnection, audio: RTCRtpTransceiver, channels?: import("./channels.js").Channels) => void} [prepare] before
 *   the offer is made; or with the channels of an offer that was made before, see `Ready`
 * @property {(headers: Headers, answer: string) => Problem | null} [accepted] with the headers of a 201; a problem ends the connection
 */

/**
 * The header by which a new session takes the place of one that its client has already, so that whoever has the last place of a room
 * can change between Listen and Studio (`rtcserver/peer/switching.py`).
 *
 * @param {string} id of the session that is to be left; "" for none
 * @returns {Record<string, string>}
 */
export const insteadOf = (id) => (id === "" ? {} : { "Rtcserver-Instead": id });

/** How long a server that is asked for a session may take, in milliseconds. */
const ASK_MS = 1000;

export class WhepConnection {
  #url;
  #tell;
  #special;
  #prepared;
  #owner = new AbortController();
  /** @type {RTCPeerConnection | null} */
  #peer = null;
  /** @type {string | null} the session's own URL, for DELETE */
  #location = null;
  /** @type {TransportState | null} */
  #transport = null;
  #etag = "*";
  /** @type {number | undefined} the RTP timestamp that was being played when `flows` was last asked */
  #played;

  /**
   * @param {string} url of the room's WHEP endpoint
   * @param {ConnectionTell} tell
   * @param {Special} [special]
   * @param {import("./ready.js").Prepared | null} [prepared] whose offer is used
   */
  constructor(url, tell, special = {}, prepared = null) {
    this.#url = url;
    this.#tell = tell;
    this.#special = special;
    this.#prepared = prepared;
  }

  /**
   * The secret id of this session, by which its client proves that it is its own; "" while there is none. It is the last part of the
   * session's address, which the server gives to nobody else.
   */
  get id() {
    return this.#location?.split("/").at(-1) ?? "";
  }

  /** Whether this browser decodes in stereo: what its own description asks for is what its decoder does. */
  get stereo() {
    const sdp = this.#peer?.localDescription?.sdp;
    return sdp ? asksForStereo(sdp) : null;
  }

  /** Whether packets may carry earlier frames: the answer says so. */
  get redundant() {
    return takesRedundancy(this.#peer?.remoteDescription?.sdp ?? "");
  }

  /**
   * Connects. The promise never rejects: what goes wrong is told as a problem.
   */
  async open() {
    if (typeof RTCPeerConnection === "undefined") {
      this.#tell.refused(WEBRTC_MISSING);
      return;
    }
    try {
      const offer = await this.#offer();
      if (this.#closed) return;
      const answer = await this.#post(offer);
      if (this.#closed || answer === null) return;
      await this.#peer?.setRemoteDescription({ type: "answer", sdp: answer });
      if (this.#closed) return;
      this.#tell.answered(candidates(answer).map(addressOf));
    } catch (error) {
      if (!this.#closed) this.#tell.refused(negotiationFailed(error));
    }
  }

  /**
   * @returns {Promise<RTCStatsReport | null>} null once the connection is closed
   */
  async stats() {
    try {
      return (await this.#peer?.getStats()) ?? null;
    } catch {
      return null;
    }
  }

  /** Whether sound was played since this was last asked; false, too, where the browser does not say. */
  flows() {
    const [source] = this.#peer?.getReceivers()[0]?.getSynchronizationSources() ?? [];
    const before = this.#played;
    this.#played = source?.rtpTimestamp;
    return before !== undefined && this.#played !== undefined && this.#played !== before;
  }

  /**
   * Asks the server whether it still has this session: it is told once more that there are no more candidates (RFC 8840), which
   * changes nothing.
   *
   * @returns {Promise<Found>}
   */
  async ask() {
    const sdp = this.#peer?.localDescription?.sdp;
    if (!sdp) return "silent";
    const { found } = await this.#patch(noMoreCandidates(sdp));
    return found;
  }

  /**
   * Restarts ICE (RFC 9725, section 4.3.3), as this device may have another address: the session goes on, and its sound keeps
   * coming by the old path until a new one is found. Where it does not work out, all stays as it is.
   *
   * @returns {Promise<Found>}
   */
  async restart() {
    const peer = this.#peer;
    const answer = peer?.currentRemoteDescription?.sdp;
    if (!peer || !answer || peer.signalingState !== "stable") return "silent";
    try {
      // Credentials for a TURN server are made for a while only; a new allocation asks for fresh ones.
      if (haveIceServers()) renew(peer, await iceServers(this.#url));
      const { sdp = "" } = await peer.createOffer({ iceRestart: true });
      await peer.setLocalDescription({ type: "offer", sdp: withStereoOpus(sdp) });
      const { found, fragment } = await this.#patch(restartFragment(peer.localDescription?.sdp ?? ""));
      const restarted = fragment === "" ? null : restartedAnswer(answer, fragment);
      if (this.#closed) return "silent";
      await peer.setRemoteDescription(restarted === null ? { type: "rollback" } : { type: "answer", sdp: restarted });
      return found;
    } catch {
      return "silent";
    }
  }

  /**
   * @param {string} body a fragment (RFC 8840, section 9)
   * @returns {Promise<{found: Found, fragment: string}>} fragment: the server's, of a restart; "" if it sent none
   */
  async #patch(body) {
    const location = this.#location;
    if (!location) return { found: "silent", fragment: "" };
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(), ASK_MS);
    const headers = { "Content-Type": "application/trickle-ice-sdpfrag", "If-Match": this.#etag };
    try {
      const response = await fetch(location, { method: "PATCH", headers, body, signal: limit.signal });
      const { status } = response;
      if (status === 404 || status === 410) return { found: "gone", fragment: "" };
      // An answer that was lost may have been that of a restart, whose tag nobody has read.
      this.#etag = status === 412 ? "*" : (response.headers.get("ETag") ?? this.#etag);
      return { found: status < 500 ? "there" : "silent", fragment: status === 200 ? await response.text() : "" };
    } catch {
      return { found: "silent", fragment: "" };
    } finally {
      clearTimeout(timer);
    }
  }

  /** Leaves the room and frees everything. The server hears of it even while the page goes away. */
  close() {
    if (this.#closed) return;
    this.#owner.abort();
    this.#peer?.close();
    this.#leave();
  }

  get #closed() {
    return this.#owner.signal.aborted;
  }

  /** @returns {Promise<string>} the offer */
  async #offer() {
    if (this.#prepared) {
      const { peer, audio, channels, offer } = this.#prepared;
      this.#use(peer, audio, channels);
      return offer;
    }
    const servers = haveIceServers() ? await iceServers(this.#url) : [];
    if (this.#closed) return "";
    const peer = connection({ iceServers: servers, bundlePolicy: "max-bundle", ...this.#special.configuration });
    this.#use(peer, peer.addTransceiver("audio", { direction: "recvonly" }));
    return offerOf(peer);
  }

  /**
   * @param {RTCPeerConnection} peer
   * @param {RTCRtpTransceiver} audio
   * @param {import("./channels.js").Channels} [channels]
   */
  #use(peer, audio, channels) {
    this.#peer = peer;
    this.#listenTo(peer);
    this.#special.prepare?.(peer, audio, channels);
  }

  /**
   * @param {RTCPeerConnection} peer
   */
  #listenTo(peer) {
    const { signal } = this.#owner;
    const look = () => this.#lookAt(peer);
    peer.addEventListener("connectionstatechange", look, { signal });
    peer.addEventListener("iceconnectionstatechange", look, { signal });
    peer.addEventListener(
      "track",
      ({ receiver, track, streams }) => {
        receiver.transport?.addEventListener("statechange", look, { signal });
        this.#tell.stream(streams[0] ?? new MediaStream([track]));
      },
      { signal },
    );
  }

  /**
   * @param {RTCPeerConnection} peer
   */
  #lookAt(peer) {
    const dtls = peer.getReceivers()[0]?.transport?.state;
    const state = transportState(peer.iceConnectionState, peer.connectionState, dtls);
    if (state === this.#transport) return;
    this.#transport = state;
    this.#tell.transport(state);
  }

  /**
   * @param {string} offer
   * @returns {Promise<string | null>} the answer, as this browser is to read it; null when the server said no, which is told
   */
  async #post(offer) {
    let response;
    let body;
    const early = this.#prepared?.response;
    const shown = authorization(this.#url).Authorization;
    this.#prepared = null;
    try {
      // close() does not abort this request: once the server has made a session, it has to be told that nobody will come.
      response = await (early ?? postOffer(this.#url, offer, this.#special.headers ?? {}));
      this.#etag = response.headers.get("ETag") ?? "*";
      this.#location = locationOf(response);
      if (this.#closed) this.#leave();
      body = await response.text();
    } catch {
      if (!this.#closed) this.#tell.refused(SERVER_UNREACHABLE);
      return null;
    }
    if (this.#closed) return null;
    if (response.ok) {
      const problem = this.#special.accepted?.(response.headers, body) ?? null;
      if (problem === null) return withLocalName(body, hostnameOf(response.url));
      this.#tell.refused(problem);
      return null;
    }
    if (response.status === 403 && codeOf(body) === "bad_token" && fallBack(this.#url, shown)) return this.#post(offer);
    const retryAfterMs = parseRetryAfter(response.headers.get("Retry-After"), Date.now());
    this.#tell.refused(refused(response.status, sentenceOf(body), retryAfterMs, codeOf(body)));
    return null;
  }

  #leave() {
    leave(this.#location);
    this.#location = null;
  }
}

/**
 * @param {RTCPeerConnection} peer
 * @param {RTCIceServer[]} servers to use from the next restart of ICE on
 */
function renew(peer, servers) {
  try {
    peer.setConfiguration({ ...peer.getConfiguration(), iceServers: servers });
  } catch {
    // This browser changes no configuration with what else is in it: the former credentials have to do.
  }
}

/**
 * The state of ICE and DTLS as one word. `connectionState` includes DTLS; where it is missing (older Firefox), ICE has to do.
 * When the server says goodbye (close_notify), `connectionState` stays "connected", and only the DTLS transport shows it.
 *
 * @param {RTCIceConnectionState} ice
 * @param {RTCPeerConnectionState | undefined} whole
 * @param {RTCDtlsTransportState} [dtls]
 * @returns {TransportState}
 */
export function transportState(ice, whole, dtls) {
  if (ice === "failed" || whole === "failed") return "failed";
  if (ice === "closed" || whole === "closed" || dtls === "closed") return "closed";
  if (ice === "disconnected" || whole === "disconnected") return "disconnected";
  const connected = whole === undefined ? ice === "connected" || ice === "completed" : whole === "connected";
  return connected ? "connected" : "connecting";
}

/**
 * @param {string} url
 * @returns {string} the host that it names; "" if it names none
 */
function hostnameOf(url) {
  return URL.canParse(url) ? new URL(url).hostname : "";
}
