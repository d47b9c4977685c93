// @ts-check
/**
 * An offer for a room that is made before anybody presses Listen. The connection, its certificate, its channels and its candidates
 * take a phone a tenth of a second, for which a press does not have to wait then. Nothing of it leaves the page before somebody
 * touches the button: at the touch the server is asked, so that its answer is on the way when the finger is lifted.
 */

import { openChannels } from "./channels.js";
import { haveIceServers } from "./ice-servers.js";
import { connection, leave, locationOf, offerOf, postOffer } from "./offer.js";

/**
 * @typedef {object} Prepared
 * @property {RTCPeerConnection} peer
 * @property {RTCRtpTransceiver} audio
 * @property {import("./channels.js").Channels} channels
 * @property {Promise<string>} offer
 * @property {Promise<Response> | null} response of the server, where it is asked already
 */

/** An offer is kept this long, in milliseconds: its candidates are those of the network at its time. */
const KEPT_MS = 120_000;
/** A touch becomes a press within this time, in milliseconds; if it does not, the session that it began is given up. */
const TOUCH_MS = 1_000;

export class Ready {
  #url;
  #wanted;
  #owner = new AbortController();
  /** @type {Prepared | null} */
  #made = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {string} url of the room's WHEP endpoint
   * @param {() => boolean} wanted whether a press would begin a connection
   */
  constructor(url, wanted) {
    this.#url = url;
    this.#wanted = wanted;
    const { signal } = this.#owner;
    // The next touch makes another one, with the candidates of that network.
    const drop = () => this.#drop();
    addEventListener("online", drop, { signal });
    /** @type {{connection?: EventTarget}} */ (navigator).connection?.addEventListener("change", drop, { signal });
    addEventListener("pagehide", drop, { signal });
  }

  /** Makes an offer, unless there is one, or none is wanted. Relays are not asked for an address before somebody listens. */
  prepare() {
    if (this.#made || !this.#wanted() || document.hidden || typeof RTCPeerConnection === "undefined" || haveIceServers()) return;
    if (this.#owner.signal.aborted) return;
    try {
      const peer = connection({ iceServers: [], bundlePolicy: "max-bundle" });
      const audio = peer.addTransceiver("audio", { direction: "recvonly" });
      const channels = openChannels(peer);
      const made = { peer, audio, channels, offer: offerOf(peer), response: null };
      made.offer.catch(() => this.#made === made && this.#drop());
      this.#made = made;
      this.#keep(KEPT_MS);
    } catch {
      // Whoever presses Listen tries again, and says what is wrong.
    }
  }

  /** Asks the server for a session: somebody is about to press Listen. */
  ask() {
    this.prepare();
    const made = this.#made;
    if (!made || made.response || !this.#wanted()) return;
    made.response = made.offer.then((offer) => postOffer(this.#url, offer, {}));
    // Whoever takes it hears of a failure; without a press nobody has to.
    made.response.catch(() => {});
    this.#keep(TOUCH_MS);
  }

  /** Hands out what is prepared, once. @returns {Prepared | null} */
  take() {
    const made = this.#made;
    clearTimeout(this.#timer);
    this.#made = null;
    return made;
  }

  close() {
    this.#owner.abort();
    this.#drop();
  }

  /** @param {number} forMs */
  #keep(forMs) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#drop(), forMs);
  }

  #drop() {
    const made = this.take();
    if (!made) return;
    made.peer.close();
    made.response?.then((response) => leave(locationOf(response))).catch(() => {});
  }
}
