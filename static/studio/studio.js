// @ts-check
/**
 * Owns Studio on the page: runs its reducer, carries out the effects, and is the only one that opens Studio sessions.
 * Listen has an owner of its own (listen/listener.js); this one reaches it only by the calls of `ListenSide`.
 */

import { PER_MS } from "../channel/clock.js";
import { modulo, unwrap } from "../channel/codec.js";
import { StudioAudio } from "./audio.js";
import { beginning, instead, opening } from "./beginning.js";
import { Busy } from "./busy.js";
import { Chooser } from "./chooser.js";
import { Fade } from "./fade.js";
import { reasonOf } from "./limits.js";
import { StudioLink } from "./link.js";
import { QuietWatch } from "./quiet.js";
import { readingOf } from "./reading.js";
import { Reporter } from "./reporter.js";
import { BALANCED } from "./safety.js";
import { OFF, step } from "./session.js";
import { studioSupport } from "./support.js";
import { say } from "../words/studio-parts.js";

/** @typedef {import("./session.js").StudioEvent} StudioEvent */
/** @typedef {import("./session.js").StudioEffect} StudioEffect */
/** @typedef {import("./link.js").StudioFormat} StudioFormat */
/** @typedef {import("./audio.js").RingStats} RingStats */

/**
 * @typedef {object} ListenSide
 * @property {() => boolean} sounding whether Listen plays
 * @property {() => void} start
 * @property {() => void} stop
 * @property {(message: string) => void} removed a performer ended the session that is heard: nothing comes back by itself
 * @property {(share: number) => void} setShare its part of a cross-fade, 0 to 1
 * @property {() => number} rate the instrument's, in Hz, as far as known; else 0
 * @property {() => {jitterMs: number | null, lostPercent: number} | null} figures how its packets arrive; null while not known
 * @property {() => string} session the id of its session, whose place Studio's takes; "" while there is none
 */

/**
 * @typedef {object} StageSide who signs in on a session's channels, and shows what is heard
 * @property {import("../connection/link.js").Attach} attach
 * @property {(playout: ((nowMs: number) => number | null) | null) => void} setPlayout
 */

/** @typedef {import("./reading.js").StudioStats} StudioStats */

/** Latency that is assumed of an output whose browser does not say it. */
const USUAL_OUTPUT_MS = 20;
const LOOK_MS = 100;
const GONE = say("restarted");

export class Studio {
  #url;
  #listen;
  #stage;
  #tell;
  #support = studioSupport(globalThis);
  #studio = OFF;
  /** @type {StudioLink | null} */
  #link = null;
  /** @type {StudioAudio | null} */
  #audio = null;
  /** @type {StudioFormat | null} */
  #format = null;
  /** @type {Chooser | null} */
  #chooser = null;
  /** @type {StudioStats | null} */
  #stats = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #wake;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #looking;
  #fade;
  /** @type {Reporter | null} */
  #reporter = null;
  /** @type {QuietWatch | null} */
  #quiet = null;
  #busy = new Busy(LOOK_MS);
  #volume = { position: 1, muted: false };
  #place = BALANCED;
  /** @type {import("./quality.js").Pin} */
  #pin = "automatic";
  /** @type {import("./quality.js").Choice} what the session is opened with */
  #begun = { stage: "exact", why: { cause: "good" } };
  /** Whether Studio is to follow as soon as Listen plays. */
  #wanted = false;

  /**
   * @param {string} url of the room's WHEP endpoint
   * @param {ListenSide} listen
   * @param {StageSide} stage
   * @param {() => void} tell after every change and every reading
   */
  constructor(url, listen, stage, tell) {
    this.#url = url;
    this.#listen = listen;
    this.#fade = new Fade((share) => listen.setShare(share));
    this.#stage = stage;
    this.#tell = tell;
  }

  get support() {
    return this.#support;
  }

  /** The state, frozen; see session.js. */
  get session() {
    return this.#studio;
  }

  get wanted() {
    return this.#wanted;
  }

  /** The secret id of its session with the server; "" while there is none. */
  get id() {
    return this.#link?.id ?? "";
  }

  /** Whether Studio is what one hears. */
  get sounding() {
    return this.#studio.phase === "playing" || this.#studio.phase === "returning";
  }

  /** The last reading; null while nothing is played. @returns {StudioStats | null} */
  get stats() {
    return this.#stats;
  }

  /** Which quality plays, and why; null while nothing is played. */
  get choice() {
    return this.#chooser?.choice ?? null;
  }

  get pinned() {
    return this.#pin;
  }

  /** Chooses Studio: it begins at once if Listen plays, else as soon as it does. */
  choose() {
    if ("missing" in this.#support) return;
    this.#wanted = true;
    if (this.#listen.sounding() || this.#studio.phase === "returning") this.#dispatch({ type: "studio" });
    this.#tell();
  }

  /** Holds one quality, or lets the network decide. @param {import("./quality.js").Pin} pin */
  pin(pin) {
    if (pin === this.#pin) return;
    this.#pin = pin;
    this.#chooser?.pin(pin, performance.now());
    this.#tell();
  }

  /** Goes back to Listen. */
  leave() {
    this.#wanted = false;
    this.#dispatch({ type: "listen" });
    this.#tell();
  }

  /** Stops the sound. What was chosen, Listen or Studio, stays chosen. */
  stop() {
    this.#dispatch({ type: "stop" });
  }

  /** Takes in that Listen has sound: Studio may follow it now, come back, or end. */
  listening() {
    this.#dispatch({ type: "listening" });
    const { phase, notice, resumes } = this.#studio;
    if (this.#wanted && phase === "off" && (notice === "" || resumes)) this.#dispatch({ type: "studio" });
  }

  /**
   * @param {number} position of the control, 0 to 1
   * @param {boolean} muted
   */
  setVolume(position, muted) {
    this.#volume = { position, muted };
    this.#audio?.setVolume(position, muted);
  }

  /** How much the ring is to bridge. @param {number} place an index of `PLACES` */
  setPlace(place) {
    this.#place = place;
    this.#audio?.setPlace(place);
  }

  /**
   * @param {0 | 1} side
   * @returns {number} peak in dBFS
   */
  read(side) {
    return this.#audio?.read(side) ?? -Infinity;
  }

  /**
   * The media time of the frame that leaves the worklet now.
   *
   * @param {number} nowMs of performance.now()
   * @returns {number | null} samples of 48 kHz; null while it is not known
   */
  mediaAt(nowMs) {
    const rtp = this.#audio?.rtpAt(nowMs) ?? null;
    const offset = this.#link?.rtpOffset ?? null;
    const media = this.#link?.clock?.mediaAt(nowMs) ?? null;
    if (rtp === null || offset === null || media === null) return null;
    return unwrap(modulo(rtp - offset, 2 ** 32), media);
  }

  /** @param {number} nowMs */
  #heardAt(nowMs) {
    const media = this.mediaAt(nowMs);
    return media === null ? null : media - (this.#audio?.outputMs ?? USUAL_OUTPUT_MS) * PER_MS;
  }

  /**
   * Records what leaves the worklet, sample for sample; see StudioAudio.
   *
   * @param {number} frames
   */
  record(frames) {
    if (!this.#audio) return Promise.reject(new Error("Studio is off"));
    return this.#audio.record(frames);
  }

  /** @param {StudioEvent} event */
  #dispatch(event) {
    const before = this.#studio;
    const { studio, effects } = step(before, event, performance.now());
    this.#studio = studio;
    for (const effect of effects) this.#carryOut(effect);
    if (this.#studio === before) return;
    this.#setWake();
    this.#tell();
  }

  #setWake() {
    clearTimeout(this.#wake);
    const { wakeAtMs } = this.#studio;
    if (wakeAtMs === null) return;
    const look = () => {
      const leftMs = wakeAtMs - performance.now();
      if (leftMs > 0) this.#wake = setTimeout(look, leftMs);
      else this.#dispatch({ type: "clock" });
    };
    look();
  }

  /** @param {StudioEffect} effect */
  #carryOut(effect) {
    switch (effect.type) {
      case "open":
        this.#open(effect.generation);
        break;
      case "ready":
        this.#choose();
        this.#link?.ready();
        break;
      case "take-over":
        this.#chooser?.heard(performance.now());
        this.#audio?.fade(true);
        this.#stage.setPlayout((nowMs) => this.#heardAt(nowMs));
        this.#fade.go(0, () => this.#listen.stop());
        break;
      case "hand-back":
        if (this.#listen.sounding()) queueMicrotask(() => this.#dispatch({ type: "listening" }));
        else {
          this.#listen.setShare(0);
          this.#listen.start();
        }
        break;
      case "fade-out": {
        const { link, audio } = this.#release();
        audio?.fade(false);
        this.#fade.go(1, () => {
          link?.close();
          audio?.close();
        });
        break;
      }
      case "close": {
        const { link, audio } = this.#release();
        link?.close();
        audio?.close();
        this.#listen.setShare(1);
        break;
      }
    }
  }

  /**
   * @param {number} generation
   * @param {{choice: import("./quality.js").Choice, refusal: import("./link.js").Problem}} [next] what is asked for after this
   *   refusal of what Listen's figures speak for
   */
  #open(generation, next) {
    if ("missing" in this.#support) return;
    const begun = (this.#begun = next?.choice ?? opening(this.#listen.figures(), this.#pin, this.#support));
    const quality = begun.stage === "light" ? "light" : "exact";
    const worker = new Worker(new URL("./engine/worker.js", import.meta.url), { type: "module", name: "studio" });
    const lose = (/** @type {string} */ notice, /** @type {boolean} */ again, ended = false) =>
      this.#dispatch({ type: "lost", generation, notice, again, ended });
    const { attach } = this.#stage;
    const link = new StudioLink(
      this.#url,
      this.#support.way,
      worker,
      attach,
      {
        answered: (format) => {
          this.#format = format;
          if (this.#audio && this.#audio.contextRate !== format.rate) {
            this.#audio.close();
            this.#audio = null;
          }
          const failed = () => lose(say("player"), true);
          const unable = (/** @type {unknown} */ error) => lose(say("unable", { why: String(error) }), false);
          this.#sound(format.rate, worker, failed).catch(unable);
          this.#dispatch({ type: "answered", generation });
          // Frames may have come before the answer.
          if (this.#studio.phase === "starting") this.#choose();
        },
        proved: () => this.#dispatch({ type: "proved", generation }),
        lost: (problem) => {
          const choice = instead(begun, problem.code, this.#support);
          if (next || !choice) {
            const { code, message, retry } = choice && next ? next.refusal : problem;
            lose(message, retry, code === "studio_lost");
            return;
          }
          const parts = this.#release();
          parts.link?.close();
          parts.audio?.close();
          this.#open(generation, { choice, refusal: problem });
        },
        removed: (message) => {
          this.stop();
          this.#listen.removed(message);
        },
        changed: (format) => (this.#format = format),
        refused: () => this.#chooser?.refused(performance.now()),
        held: () => this.#busy.held(performance.now()),
        unable: (why) => this.#chooser?.withoutLight(performance.now()) || lose(why, false),
      },
      quality,
      this.#listen.session(),
    );
    this.#link = link;
    this.#quiet = new QuietWatch(link, () => lose(GONE, true, true));
    this.#reporter = new Reporter(link);
    // The context is made now, while the tap still counts: some browsers let it sound only then. The rate may turn out another.
    this.#audio = new StudioAudio(this.#listen.rate() || 44_100);
    this.#audio.resume().catch(() => {});
    this.#busy = new Busy(LOOK_MS);
    this.#looking = setInterval(() => this.#look(generation), LOOK_MS);
    link.open();
  }

  /** Chooses what is played first, now that packets have come, and from then on. */
  #choose() {
    const [link, audio, format] = [this.#link, this.#audio, this.#format];
    if (!link || !audio || !format || this.#chooser) return;
    const { begun, offered, lengths } = beginning(this.#begun, format, audio.stats().jitterMs, this.#pin, this.#support);
    this.#chooser = new Chooser(begun, this.#pin, offered, lengths, link, performance.now());
    if (begun.stage === "light" && format.quality !== "light") link.change("light");
    link.turn(begun.stage);
  }

  /**
   * @param {number} rate
   * @param {Worker} worker
   * @param {() => void} failed
   */
  async #sound(rate, worker, failed) {
    this.#audio ??= new StudioAudio(rate);
    this.#audio.setVolume(this.#volume.position, this.#volume.muted);
    this.#audio.setPlace(this.#place);
    await this.#audio.start(worker, failed);
  }

  /** Takes link and audio out of use; the caller closes them. */
  #release() {
    const parts = { link: this.#link, audio: this.#audio };
    clearInterval(this.#looking);
    this.#fade.stop();
    this.#stage.setPlayout(null);
    this.#link = this.#audio = this.#format = this.#chooser = this.#stats = this.#reporter = this.#quiet = null;
    return parts;
  }

  /**
   * Looks at the ring; called ten times a second.
   *
   * @param {number} generation
   */
  #look(generation) {
    const audio = this.#audio;
    if (!audio || !this.#link || !this.#format) return;
    const nowMs = performance.now();
    const ring = audio.stats();
    this.#busy.turn(nowMs, document.hidden);
    const busy = { then: this.#busy.when(this.choice?.why), now: this.#busy.now };
    this.#stats = readingOf(nowMs, ring, audio, this.#format, this.#link, this.#reporter, this.mediaAt(nowMs), busy);
    if (ring.phase === "playing") this.#dispatch({ type: "sounding", generation });
    if (this.#studio.generation !== generation || !this.#link) return;
    this.#reporter?.look(nowMs, ring, audio.outputMs);
    const verdict = this.sounding ? (this.#chooser?.look(nowMs, ring, this.#stats.rttMs) ?? null) : null;
    if (verdict) this.#dispatch({ type: "lost", generation, notice: reasonOf(verdict, this.#busy.now), again: true });
    this.#quiet?.look(nowMs, (atMs) => this.#chooser?.quietMs(atMs) ?? 0);
    this.#tell();
  }
}
