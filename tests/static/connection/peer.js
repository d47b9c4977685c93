// @ts-check
/** An RTCPeerConnection as far as signaling needs one: each offer has credentials of its own. */
export class Peer extends EventTarget {
  static made = /** @type {Peer[]} */ ([]);
  /** Whether the next offers cannot be made. */
  static fails = false;
  closed = false;
  iceGatheringState = "complete";
  signalingState = "stable";
  /** @type {{type: string, sdp: string} | null} */
  localDescription = null;
  /** @type {{type: string, sdp: string} | null} */
  currentRemoteDescription = null;
  offers = 0;
  /** @type {any} */
  configuration;

  /** @param {any} configuration */
  constructor(configuration) {
    super();
    this.configuration = configuration;
    Peer.made.push(this);
  }

  addTransceiver() {
    return {};
  }

  getReceivers() {
    return [];
  }

  getConfiguration() {
    return this.configuration;
  }

  /** @param {any} configuration */
  setConfiguration(configuration) {
    this.configuration = configuration;
  }

  createDataChannel() {
    return {};
  }

  async createOffer() {
    if (Peer.fails) throw new Error("no offer");
    this.offers += 1;
    return { sdp: `v=0\r\na=ice-ufrag:mine${this.offers}\r\na=ice-pwd:secret${this.offers}\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n` };
  }

  /** @param {any} description */
  async setLocalDescription(description) {
    this.localDescription = description;
    this.signalingState = "have-local-offer";
  }

  /** @param {any} description */
  async setRemoteDescription(description) {
    this.signalingState = "stable";
    if (description.type === "answer") this.currentRemoteDescription = description;
  }

  close() {
    this.closed = true;
  }
}
