// @ts-check
/**
 * The system's media controls: the lock screen, a headset's button, the keyboard's media keys. They name what plays, stop it, and start
 * it again, in Listen and in Studio alike.
 */

import { Silence } from "../listen/silence.js";

/** @typedef {import("../listen/session.js").Phase} Phase */
/** @typedef {import("../connection/room.js").Room} Room */

/**
 * @typedef {object} Controls
 * @property {() => void} play begins to listen, in the mode that was chosen last
 * @property {() => void} stop
 */

/**
 * @typedef {object} Shown
 * @property {string} title what plays
 * @property {string} artist where
 * @property {string} album on which server
 */

/** @type {MediaImage[]} */
const ARTWORK = [{ src: new URL("../icon/maskable-512.png", import.meta.url).href, sizes: "512x512", type: "image/png" }];
const PICTURE_MS = 5000;

/**
 * Whether the page is to count as playing: also while it connects again, as a listener has not stopped it.
 *
 * @param {Phase | "blocked"} state
 */
export const counts = (state) => state === "connecting" || state === "buffering" || state === "live" || state === "reconnecting";

/**
 * @param {Room} room
 * @param {string} host of the server
 * @returns {Shown}
 */
export function named({ title, instrument }, host) {
  return { title: instrument.name || instrument.title || title, artist: title, album: host };
}

export class MediaKeys {
  #controls;
  #silence;
  /** The session of a browser that has them. @type {MediaSession | null} */
  #session = "mediaSession" in navigator ? navigator.mediaSession : null;
  #shown = "";
  #playing = false;
  /** Whether the system has interrupted it, and may let it go on. */
  #interrupted = false;

  /** @param {Controls} controls */
  constructor(controls) {
    this.#controls = controls;
    this.#silence = new Silence((held) => this.#interrupt(held));
    this.#handle("play", () => this.#controls.play());
    this.#handle("pause", () => this.#controls.stop());
    this.#handle("stop", () => {
      this.#controls.stop();
      this.#silence.close();
      if (this.#session) this.#session.playbackState = "none";
    });
  }

  /**
   * @param {Phase | "blocked"} state of the page: "live" while Studio plays, too
   * @param {Room | null} room
   */
  show(state, room) {
    if (!this.#session) return;
    const playing = counts(state);
    if (playing) {
      this.#interrupted = false;
      this.#silence.play();
      if (room) this.#name(room);
    } else if (this.#playing && !this.#interrupted) {
      this.#silence.pause();
    }
    if (playing !== this.#playing) this.#session.playbackState = playing ? "playing" : "paused";
    this.#playing = playing;
  }

  /** @param {boolean} held */
  #interrupt(held) {
    this.#interrupted = held;
    if (held) this.#controls.stop();
    else this.#controls.play();
  }

  /** @param {Room} room */
  #name(room) {
    const what = named(room, location.host);
    const text = JSON.stringify(what);
    if (!this.#session || this.#shown === text) return;
    this.#shown = text;
    const session = this.#session;
    session.metadata = new MediaMetadata({ ...what });
    // The picture is fetched when the sound has come: nobody waits for it.
    setTimeout(() => {
      if (this.#shown === text) session.metadata = new MediaMetadata({ ...what, artwork: ARTWORK });
    }, PICTURE_MS);
    try {
      // A live sound has no end; the recording of silence has one.
      this.#session.setPositionState({ duration: Infinity, position: 0, playbackRate: 1 });
    } catch {
      // This browser has no position, or none without an end.
    }
  }

  /** @param {MediaSessionAction} action @param {() => void} handler */
  #handle(action, handler) {
    try {
      this.#session?.setActionHandler(action, handler);
    } catch {
      // This browser does not know the action.
    }
  }
}
