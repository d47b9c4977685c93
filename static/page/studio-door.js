// @ts-check
/**
 * Stands for Studio until somebody chooses it, and loads it then: most listeners never do. To the page it is Studio all along; what
 * is set before it is there is kept and handed over.
 */

import { OFF } from "../studio/session.js";
import { studioSupport } from "../studio/support.js";
import { reloadOnce } from "./reload.js";
import { say } from "../words/studio.js";

/** @typedef {import("../studio/studio.js").Studio} Studio */
/** @typedef {import("../studio/quality.js").Pin} Pin */

const LOST = say("lost");

export class StudioDoor {
  #surroundings;
  #support = studioSupport(globalThis);
  /** @type {ReturnType<typeof import("./studio-part.js").makeStudio> | null} */
  #part = null;
  /** @type {Promise<void> | null} */
  #coming = null;
  #wanted = false;
  #notice = "";
  #volume = { position: 1, muted: false };
  #place;
  /** @type {Pin} */
  #pin = "automatic";

  /**
   * @param {import("./studio-part.js").Surroundings} surroundings
   * @param {number} place how much the ring is to bridge
   */
  constructor(surroundings, place) {
    this.#surroundings = surroundings;
    this.#place = place;
  }

  get #studio() {
    return this.#part?.studio ?? null;
  }

  get support() {
    return this.#support;
  }

  get session() {
    return this.#studio?.session ?? (this.#notice ? { ...OFF, notice: this.#notice, offered: true } : OFF);
  }

  get wanted() {
    return this.#studio?.wanted ?? this.#wanted;
  }

  get id() {
    return this.#studio?.id ?? "";
  }

  get sounding() {
    return this.#studio?.sounding ?? false;
  }

  get stats() {
    return this.#studio?.stats ?? null;
  }

  get choice() {
    return this.#studio?.choice ?? null;
  }

  get pinned() {
    return this.#studio?.pinned ?? this.#pin;
  }

  choose() {
    if (this.#studio) return this.#studio.choose();
    if ("missing" in this.#support) return;
    this.#wanted = true;
    this.#notice = "";
    this.load();
    this.#surroundings.tell();
  }

  /** Loads Studio, as somebody is about to choose it or has done so. */
  load() {
    if ("missing" in this.#support) return;
    this.#coming ??= this.#load();
  }

  async #load() {
    try {
      const { makeStudio } = await import("./studio-part.js");
      const part = makeStudio({ ...this.#surroundings, placed: (place) => this.#setPlace(place) }, this.#place);
      const { studio } = part;
      studio.setVolume(this.#volume.position, this.#volume.muted);
      studio.setPlace(this.#place);
      studio.pin(this.#pin);
      this.#part = part;
      if (this.#wanted) studio.choose();
    } catch {
      this.#coming = null;
      if (!this.#wanted) return;
      this.#wanted = false;
      this.#notice = LOST;
      if ((await isGone(import.meta.url)) && reloadOnce(import.meta.url, "studio")) return;
      this.#surroundings.tell();
    }
  }

  leave() {
    this.#wanted = false;
    this.#notice = "";
    this.#studio?.leave();
    this.#surroundings.tell();
  }

  stop() {
    this.#studio?.stop();
  }

  listening() {
    this.#studio?.listening();
  }

  /** @param {Pin} pin */
  pin(pin) {
    this.#pin = pin;
    this.#studio?.pin(pin);
  }

  /** @param {number} position @param {boolean} muted */
  setVolume(position, muted) {
    this.#volume = { position, muted };
    this.#studio?.setVolume(position, muted);
  }

  /** @param {number} place */
  #setPlace(place) {
    this.#place = place;
    this.#studio?.setPlace(place);
    this.#surroundings.placed(place);
  }

  /** @param {0 | 1} side */
  read(side) {
    return this.#studio?.read(side) ?? -Infinity;
  }

  /** @param {number} frames */
  record(frames) {
    return this.#studio?.record(frames) ?? Promise.reject(new Error("Studio is off"));
  }

  /** Shows how the ring does. */
  showRing() {
    this.#part?.showRing();
  }
}

/** Whether the server answers, and has a script of this address no more. @param {string} address */
async function isGone(address) {
  try {
    return (await fetch(address, { method: "HEAD", cache: "no-store" })).status === 404;
  } catch {
    return false;
  }
}
