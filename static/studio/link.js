// @ts-check
/**
 * One Studio session with the server: a connection whose audio ends in a worker, and the usual two channels beside it. The
 * stage uses those; this link sends and reads only the messages about Studio on them. Used once. The track is never given
 * to anything that plays: should PCM ever reach the browser's decoder, nobody hears it. Where the browser hands out no frames,
 * the samples come on a third channel, and the track carries nothing but silence.
 */

import { openChannels, sendOn } from "../connection/channels.js";
import { redundantType } from "../connection/sdp.js";
import { REMOVED, STUDIO_REFUSED } from "../connection/problems.js";
import { WhepConnection, insteadOf } from "../connection/whep.js";
import { say } from "../words/studio-parts.js";

/** @typedef {import("./support.js").Way} Way */
/** @typedef {import("../connection/problems.js").Problem} Problem */
/** @typedef {import("./engine/worker.js").ToWorker} ToWorker */
/** @typedef {import("../channel/telemetry.js").Report} Report */
/** @typedef {import("../connection/link.js").Attach} Attach */
/** @typedef {import("../connection/link.js").Attached} Attached */

/**
 * @typedef {object} StudioFormat what the server sends
 * @property {number} version of the payload
 * @property {number} rate Hz
 * @property {number} bits a sample
 * @property {number} frames in a block
 * @property {boolean} exact whether these are the instrument's own samples; a mix with gains is not
 * @property {number} mbps
 * @property {number} packetsPerS
 * @property {boolean} redundancy each block is sent twice
 * @property {Quality} quality what is sent now
 * @property {LightFormat | null} light what Studio light is; null where the server has none
 */

/** @typedef {"exact" | "light"} Quality exact: the instrument's samples; light: Opus in short packets */
/**
 * @typedef {object} LightFormat
 * @property {number} frameMs
 * @property {number} bps of the sound
 * @property {number} mbps with headers, without repeats
 */

/**
 * @typedef {object} StudioTell
 * @property {(format: StudioFormat) => void} answered
 * @property {() => void} proved the worker receives frames
 * @property {(problem: Problem) => void} lost refused, or gone for good
 * @property {(message: string) => void} removed a performer ended the session
 * @property {(format: StudioFormat) => void} changed
 * @property {() => void} refused the server does not send the quality that was asked for; what it sends goes on
 * @property {(why: string) => void} unable this browser cannot decode light
 * @property {() => void} held what had come waited in this browser
 */

const VERSION = 1;

export class StudioLink {
  #way;
  #tell;
  #worker;
  #connection;
  #owner = new AbortController();
  #attach;
  /** @type {Attached | null} */
  #attached = null;
  /** @type {RTCDataChannel | null} */
  #telemetry = null;
  /** @type {StudioFormat | null} */
  #format = null;
  /** @type {string[]} messages to be sent once the channel is open */
  #unsent = [];
  /** @type {number | null} */
  #red = null;

  /**
   * @param {string} url of the room's WHEP endpoint
   * @param {Way} way
   * @param {Worker} worker one of its own
   * @param {Attach} attach
   * @param {StudioTell} tell
   * @param {Quality} [quality] what to begin with
   * @param {string} [instead] the id of the session that this one takes the place of
   */
  constructor(url, way, worker, attach, tell, quality = "exact", instead = "") {
    this.#way = way;

    this.#attach = attach;
    this.#worker = worker;
    this.#tell = tell;
    const { signal } = this.#owner;
    worker.addEventListener("message", ({ data }) => this.#hearWorker(data), { signal });
    const died = () => this.#lose("studio_failed", say("worker"), true);
    worker.addEventListener("error", died, { signal });
    worker.addEventListener("messageerror", died, { signal });
    const mode = way === "channel" ? "studio-channel" : "studio";
    this.#connection = new WhepConnection(
      url,
      {
        answered: () => this.#format && tell.answered(this.#format),
        refused: (problem) => tell.lost(problem),
        transport: (state) => {
          // A disconnected transport often recovers. If it does not, no samples arrive, which `Limits` notices.
          if (state === "failed" || state === "closed") this.#lose("studio_lost", say("lost"), true);
        },
        stream: () => {},
      },
      {
        // Chromium hands out no frames without this setting; other browsers ignore it.
        configuration: /** @type {RTCConfiguration} */ ({ encodedInsertableStreams: true }),
        headers: { "Rtcserver-Mode": mode, "Rtcserver-Quality": quality, ...insteadOf(instead) },
        prepare: (peer, audio) => this.#prepare(peer, audio),
        accepted: (headers, answer) => this.#accept(headers, answer, mode),
      },
    );
  }

  /** The secret id of its session; "" until the server has answered. */
  get id() {
    return this.#connection.id;
  }

  /** The session's one media clock, which its channels keep; null until they are opened. */
  get clock() {
    return this.#attached?.link.clock ?? null;
  }

  /** RTP timestamp = (media time + this) mod 2³²; null until the server has said it. */
  get rtpOffset() {
    return this.#attached?.link.welcome?.rtp_offset ?? null;
  }

  open() {
    this.#connection.open();
  }

  /** Whether the server still has this session; see `WhepConnection`. */
  ask() {
    return this.#connection.ask();
  }

  /** Looks for another path; see `WhepConnection`. */
  restart() {
    return this.#connection.restart();
  }

  stats() {
    return this.#connection.stats();
  }

  /** Sends the report that every session sends once a second. @param {Report} sound */
  reportSound(sound) {
    this.#attached?.report(sound);
  }

  /**
   * Asks for another quality, or for both side by side; `changed` tells when the server sends it. Refused, this one goes on.
   *
   * @param {import("./chooser.js").Wish} quality
   */
  change(quality) {
    if (quality !== "exact") this.#expectLight();
    this.#say(JSON.stringify({ type: "studio_quality", quality }));
  }

  /** Tells the ring which of the two qualities is heard. @param {import("./engine/splice.js").Turn} turn */
  turn(turn) {
    this.#post({ type: "turn", turn });
  }

  /** Says that the worker receives frames: exact samples may come now, and nothing else asks for them. */
  ready() {
    this.#say(JSON.stringify({ type: "studio_ready", version: VERSION }));
  }

  /**
   * @param {Record<string, number>} values see REPORT_FIELDS in `rtcserver/channel/studio.py`
   */
  report(values) {
    if (this.#telemetry) sendOn(this.#telemetry, JSON.stringify({ type: "studio_report", ...values }));
  }

  close() {
    if (this.#owner.signal.aborted) return;
    this.#owner.abort();
    this.#attached?.close();
    this.#connection.close();
    this.#worker.terminate();
  }

  /**
   * @param {RTCPeerConnection} peer
   * @param {RTCRtpTransceiver} audio
   */
  #prepare(peer, audio) {
    audio.receiver.track.enabled = false;
    if (this.#way === "transform") {
      const transform = new RTCRtpScriptTransform(this.#worker);
      audio.receiver.transform = transform;
    } else if (this.#way === "streams") {
      const { readable } = /** @type {any} */ (audio.receiver).createEncodedStreams();
      this.#post({ type: "readable", readable }, [readable]);
    } else {
      this.#openSamples(peer);
    }
    const { signal } = this.#owner;
    const channels = openChannels(peer);
    const { telemetry } = channels;
    this.#telemetry = telemetry;
    this.#attached = this.#attach(peer, channels);
    this.#attached.link.onLeaving = ({ reason, message }) => reason === REMOVED && this.#tell.removed(message);
    telemetry.addEventListener("open", () => this.#catchUp(), { signal });
    telemetry.addEventListener("message", ({ data }) => this.#hear(data), { signal });
  }

  /**
   * Opens the channel of the samples. The worker receives them itself where the browser can hand a channel over to it; elsewhere
   * they are relayed.
   *
   * @param {RTCPeerConnection} peer
   */
  #openSamples(peer) {
    const channel = peer.createDataChannel("studio", { ordered: false, maxRetransmits: 0 });
    try {
      this.#post({ type: "channel", channel }, [/** @type {any} */ (channel)]);
      return;
    } catch {
      // This browser cannot transfer channels to a worker.
    }
    const { signal } = this.#owner;
    channel.binaryType = "arraybuffer";
    channel.addEventListener("open", () => this.#tell.proved(), { signal });
    channel.addEventListener("message", ({ data }) => this.#post({ type: "message", bytes: data }, [data]), { signal });
  }

  /** Tells the worker that what comes as Opus is sound from now on, and no silence before the samples. */
  #expectLight() {
    if (this.#format?.light) this.#post({ type: "light", rate: this.#format.rate, red: this.#red });
  }

  /** @param {import("./engine/worker.js").FromWorker} message */
  #hearWorker(message) {
    if (message.type === "proof") this.#tell.proved();
    else if (message.type === "held") this.#tell.held();
    else if (message.type === "unable") this.#tell.unable(say("undecoded", { why: message.why }));
  }

  /**
   * @param {ToWorker} message
   * @param {Transferable[]} [moved]
   */
  #post(message, moved = []) {
    this.#worker.postMessage(message, moved);
  }

  /**
   * @param {Headers} headers of the answer
   * @param {string} answer
   * @param {string} mode that was asked for
   * @returns {Problem | null}
   */
  #accept(headers, answer, mode) {
    const given = headers.get("Rtcserver-Mode");
    const format = given === mode || given === "studio" ? readFormat(headers.get("Rtcserver-Studio")) : null;
    if (format === null) return STUDIO_REFUSED;
    this.#format = format;
    this.#red = redundantType(answer);
    if (format.quality === "light") this.#expectLight();
    else if (format.light) this.#post({ type: "prepare", rate: format.rate });
    return null;
  }

  #catchUp() {
    for (const text of this.#unsent) this.#telemetry?.send(text);
    this.#unsent = [];
  }

  /** @param {string} text */
  #say(text) {
    if (this.#telemetry?.readyState === "open") this.#telemetry.send(text);
    else this.#unsent.push(text);
  }

  /** @param {unknown} text */
  #hear(text) {
    const message = parsed(text);
    if (message.type === "studio_redundancy" && this.#format) {
      this.#format = { ...this.#format, redundancy: message.on === true };
      this.#tell.changed(this.#format);
    }
    if (message.type === "studio_quality" && this.#format) {
      // Where both come, the page knows better which of them is heard.
      const { quality } = message.quality === "both" ? this.#format : message;
      this.#format = { ...this.#format, quality: quality === "light" ? "light" : "exact" };
      this.#tell.changed(this.#format);
    }
    if (message.type === "error" && message.of === "studio_quality") this.#tell.refused();
    if (message.type === "error" && message.of === "studio_ready") {
      this.#lose("studio_refused", `${message.message ?? say("refused")}`, false);
    }
  }

  /**
   * @param {string} code "studio_lost" where the session is over
   * @param {string} message
   * @param {boolean} retry
   */
  #lose(code, message, retry) {
    if (!this.#owner.signal.aborted) this.#tell.lost({ code, message, retry });
  }
}

/**
 * @param {string | null} header JSON
 * @returns {StudioFormat | null} null when it is not what this page can play
 */
export function readFormat(header) {
  const { quality, light, version, rate, bits, frames, exact, mbps, packets_per_s: packetsPerS, redundancy } = parsed(header);
  if (version !== VERSION || !(rate >= 8_000 && rate <= 192_000) || (bits !== 16 && bits !== 24)) return null;
  return {
    version,
    rate,
    bits,
    frames: Number(frames) || 128,
    exact: exact === true,
    mbps: Number(mbps) || 0,
    packetsPerS: Number(packetsPerS) || 0,
    redundancy: redundancy === true,
    quality: quality === "light" ? "light" : "exact",
    light: readLight(light),
  };
}

/**
 * @param {any} said
 * @returns {LightFormat | null}
 */
function readLight(said) {
  const { frame_ms: frameMs, bps, mbps } = said ?? {};
  return Number(frameMs) > 0 ? { frameMs: Number(frameMs), bps: Number(bps) || 0, mbps: Number(mbps) || 0 } : null;
}

/**
 * @param {unknown} text
 * @returns {any} an object, empty when the text is none
 */
function parsed(text) {
  try {
    const value = typeof text === "string" ? JSON.parse(text) : null;
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {};
  }
}
