// @ts-check
/** A performer's controls besides the keys: sustain, pitch bend, modulation, panic, octave, and the choice of a MIDI device. */

import { BEND_CENTRE } from "../channel/cells.js";
import { nameOf } from "../midi/keys.js";
import { STEPS } from "../midi/velocity.js";
import { byId, setText } from "./dom.js";
import { midiNote } from "./midi-words.js";
import { say } from "../words/stage.js";

/**
 * @typedef {object} HandsTell
 * @property {(value: number, atMs: number) => void} sustain 0–127
 * @property {(value: number, atMs: number) => void} bend 0–16383
 * @property {(value: number, atMs: number) => void} modulation 0–127
 * @property {(everyone: boolean) => void} panic
 * @property {(by: 1 | -1) => void} octave
 * @property {(on: boolean) => void} typing
 * @property {() => void} askDevices
 * @property {(id: string | null) => void} chooseDevice
 */

/** A second press within this time confirms, in milliseconds. */
const CONFIRM_MS = 4_000;

export class HandControls {
  #sustain = byId("sustain", HTMLButtonElement);
  #bend = byId("bend", HTMLInputElement);
  #modulation = byId("modulation", HTMLInputElement);
  #silence = byId("silence", HTMLButtonElement);
  #octaveText = byId("octave-value", HTMLElement);
  #typing = byId("typing", HTMLInputElement);
  #ask = byId("device-ask", HTMLButtonElement);
  #device = byId("device", HTMLSelectElement);
  #deviceNote = byId("device-note", HTMLElement);
  #owner = new AbortController();
  #tell;
  #latched = false;
  #bending = false;
  #modulating = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #unconfirm;

  /** @param {HandsTell} tell */
  constructor(tell) {
    this.#tell = tell;
    const { signal } = this.#owner;
    this.#sustain.addEventListener("click", (event) => this.#latch(event.timeStamp), { signal });
    this.#bend.addEventListener(
      "input",
      (event) => {
        this.#bending = true;
        tell.bend(Math.min(16383, Number(this.#bend.value)), event.timeStamp);
        this.#fill();
      },
      { signal },
    );
    for (const end of ["pointerup", "pointercancel", "change", "blur", "keyup"]) {
      this.#bend.addEventListener(end, (event) => this.#centre(event.timeStamp), { signal });
    }
    this.#modulation.addEventListener(
      "input",
      (event) => {
        this.#modulating = true;
        tell.modulation(Number(this.#modulation.value), event.timeStamp);
        this.#fill();
      },
      { signal },
    );
    this.#modulation.addEventListener("change", () => (this.#modulating = false), { signal });
    byId("panic", HTMLButtonElement).addEventListener("click", () => tell.panic(false), { signal });
    this.#silence.addEventListener("click", () => this.#confirm(), { signal });
    this.#silence.addEventListener("blur", () => this.#calm(), { signal });
    byId("octave-down", HTMLButtonElement).addEventListener("click", () => tell.octave(-1), { signal });
    byId("octave-up", HTMLButtonElement).addEventListener("click", () => tell.octave(1), { signal });
    this.#typing.addEventListener("change", () => tell.typing(this.#typing.checked), { signal });
    this.#ask.addEventListener("click", () => tell.askDevices(), { signal });
    this.#device.addEventListener("change", () => tell.chooseDevice(this.#device.value || null), { signal });
    this.#fill();
  }

  /** Shows the pedal up, after everything was let go elsewhere. */
  released() {
    this.#latched = false;
  }

  /** @param {boolean} down */
  showSustain(down) {
    this.#sustain.setAttribute("aria-pressed", String(down));
  }

  /** Shows the room's values, whoever set them. @param {number} bend @param {number} modulation */
  showValues(bend, modulation) {
    if (!this.#bending) this.#bend.value = String(bend);
    if (!this.#modulating) this.#modulation.value = String(modulation);
    this.#fill();
  }

  /** @param {boolean} on @param {number} octave note of the lower row's C @param {number} step of the velocity */
  showTyping(on, octave, step) {
    this.#typing.checked = on;
    setText(this.#octaveText, say("typing", { note: nameOf(octave), velocity: STEPS[step] ?? "" }));
  }

  /**
   * @param {object} devices
   * @param {boolean} devices.supported
   * @param {boolean} devices.asked
   * @param {boolean} devices.refused
   * @param {readonly {id: string, name: string, state: string}[]} devices.inputs
   * @param {string | null} devices.chosen
   * @param {string | null} devices.wanted name of the remembered one
   */
  showDevices({ supported, asked, refused, inputs, chosen, wanted }) {
    this.#ask.hidden = asked || !supported;
    this.#device.hidden = !asked;
    const present = inputs.filter(({ state }) => state === "connected");
    const options = [new Option(say("device.none"), "")];
    for (const { id, name } of present) options.push(new Option(name, id));
    this.#device.replaceChildren(...options);
    this.#device.value = chosen ?? "";
    const known = { supported, secure: isSecureContext, asked, refused, present: present.length, chosen, wanted };
    setText(this.#deviceNote, midiNote(known));
  }

  close() {
    this.#owner.abort();
    clearTimeout(this.#unconfirm);
  }

  /** A tap keeps the pedal down until the next tap, since a finger that plays cannot stay on it. @param {number} atMs */
  #latch(atMs) {
    this.#latched = !this.#latched;
    this.#tell.sustain(this.#latched ? 127 : 0, atMs);
  }

  /** Lets the bend wheel spring back. @param {number} atMs */
  #centre(atMs) {
    if (!this.#bending) return;
    this.#bending = false;
    this.#bend.value = String(BEND_CENTRE);
    this.#tell.bend(BEND_CENTRE, atMs);
    this.#fill();
  }

  #confirm() {
    if (this.#silence.dataset.armed) {
      this.#calm();
      this.#tell.panic(true);
      return;
    }
    this.#silence.dataset.armed = "true";
    setText(this.#silence, say("silence.again"));
    this.#unconfirm = setTimeout(() => this.#calm(), CONFIRM_MS);
  }

  #calm() {
    clearTimeout(this.#unconfirm);
    delete this.#silence.dataset.armed;
    setText(this.#silence, say("silence"));
  }

  #fill() {
    const bend = Math.round(Number(this.#bend.value) / 163.84);
    this.#bend.style.setProperty("--from", `${Math.min(50, bend)}%`);
    this.#bend.style.setProperty("--to", `${Math.max(50, bend)}%`);
    const semitones = ((Number(this.#bend.value) - BEND_CENTRE) / BEND_CENTRE) * 100;
    this.#bend.setAttribute("aria-valuetext", say("bend.percent", { value: Math.round(semitones) }));
    this.#modulation.style.setProperty("--fill", `${(100 * Number(this.#modulation.value)) / 127}%`);
  }
}
