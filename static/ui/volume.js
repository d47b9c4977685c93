// @ts-check
/** The volume control and mute. */

import { FLOOR_DB, gainOf, toDb } from "../listen/levels.js";
import { byId, setText } from "./dom.js";
import { decibels } from "./format.js";
import { say } from "../words/room.js";

/**
 * @typedef {object} VolumeState
 * @property {number} volume position of the control, 0 to 1
 * @property {boolean} muted
 */

export class VolumeControl {
  #slider = byId("volume", HTMLInputElement);
  #button = byId("mute", HTMLButtonElement);
  #value = byId("volume-value", HTMLElement);
  #owner = new AbortController();
  #state;

  /**
   * @param {VolumeState} state
   * @param {boolean} works whether the page can set the volume at all
   * @param {(state: VolumeState) => void} onChange
   */
  constructor({ volume, muted }, works, onChange) {
    this.#state = { volume, muted };
    this.#slider.hidden = !works;
    this.#value.hidden = !works;
    byId("volume-note", HTMLElement).hidden = works;
    byId("volume-hint", HTMLElement).hidden = !works;
    const { signal } = this.#owner;
    const change = (/** @type {Partial<VolumeState>} */ part) => {
      this.#state = { ...this.#state, ...part };
      this.#show();
      onChange(this.#state);
    };
    this.#slider.addEventListener("input", () => change({ volume: Number(this.#slider.value) / 100, muted: false }), { signal });
    this.#button.addEventListener("click", () => change({ muted: !this.#state.muted }), { signal });
    this.#slider.value = String(Math.round(volume * 100));
    this.#show();
  }

  close() {
    this.#owner.abort();
  }

  #show() {
    const { volume, muted } = this.#state;
    const silent = muted || volume === 0;
    const text = silent ? say("volume.muted") : `${decibels(toDb(gainOf(volume)), FLOOR_DB)} dB`;
    setText(this.#value, text);
    this.#slider.style.setProperty("--fill", `${volume * 100}%`);
    this.#slider.setAttribute("aria-valuetext", silent ? say("volume.muted") : say("volume.percent", { value: Math.round(volume * 100) }));
    this.#slider.classList.toggle("muted", silent);
    this.#button.setAttribute("aria-pressed", String(muted));
    this.#button.classList.toggle("muted", silent);
  }
}
