// @ts-check
/** The way that is left where WebRTC finds none: the room's sound by plain HTTP, in the browser's own player or in another. */

import { roomLive } from "../connection/server.js";
import { byId, setText } from "./dom.js";
import { say } from "../words/room.js";

/** @typedef {import("../listen/session.js").Session} Session */
/** @typedef {import("../connection/room.js").Room} Room */

const KIND = "audio/ogg; codecs=opus";
/** Problems that plain HTTP does not have. */
const CODES = new Set(["ice_failed", "webrtc_missing", "no_media", "negotiation_failed"]);

/**
 * @param {import("../connection/problems.js").Problem | null} problem
 * @param {Room | null} room
 * @returns {boolean} whether the sound by HTTP helps
 */
export const helps = (problem, room) => room !== null && room.liveOpus && problem !== null && CODES.has(problem.code);

/**
 * @param {boolean} playable whether this browser plays Ogg Opus
 * @returns {string} the sentence above the player, or above the link alone
 */
export const sentence = (playable) =>
say(playable ? "other.plays" : "other.elsewhere");

export class OtherPlayer {
  #section = byId("other-player", HTMLElement);
  #audio = byId("other-audio", HTMLAudioElement);
  #stream;

  /**
   * @param {string} room name
   * @param {() => void} begins called when the listener plays it: the other way is not tried any more
   */
  constructor(room, begins) {
    const { stream, playlist } = roomLive(room);
    this.#stream = stream;
    const playable = this.#audio.canPlayType(KIND) !== "";
    byId("other-link", HTMLAnchorElement).href = playlist;
    setText(byId("other-sentence", HTMLElement), sentence(playable));
    this.#audio.hidden = !playable;
    this.#audio.addEventListener("play", begins);
    // Paused, it would keep its connection and go on where it was, minutes late.
    this.#audio.addEventListener("pause", () => this.#rest());
    this.#audio.addEventListener("error", () => this.#rest());
  }

  /** Whether it plays. */
  get playing() {
    return !this.#audio.paused;
  }

  /**
   * @param {Session} session
   * @param {Room | null} room
   */
  show(session, room) {
    const sounding = session.phase === "live" || session.phase === "buffering";
    if (sounding && this.playing) this.#audio.pause();
    const shown = this.playing || helps(session.problem, room);
    if (shown && this.#audio.src === "") this.#rest();
    // Whoever stops trying still sees it.
    if (shown || session.phase !== "idle") this.#section.hidden = !shown;
  }

  /** Ready to begin with what is live then. */
  #rest() {
    this.#audio.preload = "none";
    this.#audio.src = this.#stream;
  }
}
