// @ts-check
/**
 * Turns what a performer does into MIDI messages: keys on the page, the computer's keys, a MIDI device, pedal and wheels. It plays
 * nothing until it is enabled, and lets go of everything when the page loses the focus.
 */

import { Hands, SUSTAIN } from "../midi/hands.js";
import { LAST } from "../midi/keys.js";
import { DEFAULT_OCTAVE, SEMITONES, actionOf, legendOf, noteOf, shiftOctave, takesLetters } from "../midi/typing.js";
import { STEPS, nextStep } from "../midi/velocity.js";
import { HandControls } from "../ui/hand-controls.js";
import { Devices } from "./devices.js";
import { loadMemory, saveMemory } from "./memory.js";

/** @typedef {import("./memory.js").Memory} Memory */
/** @typedef {import("./devices.js").Found} Found */

/**
 * @typedef {object} InputTell
 * @property {(message: number[], atMs: number) => void} play
 * @property {(everyone: boolean) => void} panic
 * @property {(notes: ReadonlySet<number>) => void} pressed what this performer holds
 * @property {(legends: ReadonlyMap<number, string>) => void} legends note → key of the computer
 * @property {(low: number, high: number) => void} reach the computer's keys now play the notes from low to high
 */

const HIGHEST_SEMITONE = Math.max(...Object.values(SEMITONES));
const MODULATION = 1;

export class Input {
  memory = loadMemory();
  #hands = new Hands();
  #tell;
  #controls;
  #devices;
  #owner = new AbortController();
  #enabled = false;
  /** The channel that the page plays on, and whether devices play on it, too, instead of on their own. */
  #channel = 0;
  #oneChannel = true;
  #octave = DEFAULT_OCTAVE;
  /** code of a computer key → its note: an octave shift must not leave it down @type {Map<string, number>} */
  #typed = new Map();
  /** Whether somebody walks through the page with the Tab key: then space and Enter belong to the buttons. */
  #tabbing = false;
  #refused = false;
  /** @type {readonly Found[]} */
  #inputs = [];
  /** @type {string | null} */
  #chosen = null;

  /** @param {InputTell} tell */
  constructor(tell) {
    this.#tell = tell;
    this.#controls = new HandControls({
      sustain: (value, atMs) => this.#pedal("button", this.#channel, value, atMs),
      bend: (value, atMs) => tell.play([0xe0 | this.#channel, value & 0x7f, value >> 7], atMs),
      modulation: (value, atMs) => tell.play([0xb0 | this.#channel, MODULATION, value], atMs),
      panic: (everyone) => this.panic(everyone),
      octave: (by) => this.#shift(by),
      typing: (on) => this.#remember({ typing: on }),
      askDevices: async () => {
        this.#refused = !(await this.#devices.open());
        this.#showDevices();
      },
      chooseDevice: (id) => {
        this.#devices.choose(id);
        this.#remember({ device: this.#devices.wanted });
      },
    });
    this.#devices = new Devices(this.memory.device, {
      changed: (inputs, chosen) => {
        this.#inputs = inputs;
        this.#chosen = chosen;
        this.#showDevices();
      },
      message: (message, atMs) => this.#onDevice(message, atMs),
      gone: () => this.#leave("device"),
    });
    const { signal } = this.#owner;
    addEventListener("keydown", (event) => this.#keyDown(event), { signal });
    addEventListener("keyup", (event) => this.#keyUp(event), { signal });
    addEventListener("pointerdown", () => (this.#tabbing = false), { signal, capture: true });
    // Once the page has lost the focus, no key-up reaches it.
    addEventListener("blur", () => this.#leave("typing"), { signal });
    document.addEventListener("visibilitychange", () => document.hidden && this.#leave("typing"), { signal });
    this.#showTyping();
    this.#showDevices();
  }

  /**
   * @param {boolean} enabled
   * @param {number} [channel] of the profile, from 0
   * @param {boolean} [oneChannel] whether the instrument plays on that one only
   */
  enable(enabled, channel = this.#channel, oneChannel = this.#oneChannel) {
    this.#channel = channel;
    this.#oneChannel = oneChannel;
    if (enabled === this.#enabled) return;
    this.#enabled = enabled;
    if (enabled) this.#devices.openIfAllowed();
    else this.released();
    this.#showTyping();
  }

  /** @param {string} source @param {number} note @param {number} velocity @param {number} atMs */
  down(source, note, velocity, atMs) {
    if (this.#enabled) this.#send(this.#hands.down(source, this.#channel, note, velocity), atMs);
  }

  /** @param {string} source @param {number} note @param {number} atMs */
  up(source, note, atMs) {
    this.#send(this.#hands.up(source, this.#channel, note), atMs);
  }

  /** @param {boolean} everyone */
  panic(everyone) {
    this.released();
    this.#tell.panic(everyone);
  }

  /** Forgets what is held, after it was let go elsewhere: what is still pressed has to be pressed again. */
  released() {
    this.#typed.clear();
    this.#hands.clear();
    this.#controls.released();
    this.#show();
  }

  /** Shows the room's values. @param {number} bend @param {number} modulation */
  showValues(bend, modulation) {
    this.#controls.showValues(bend, modulation);
  }

  /** @param {Partial<Memory>} changes */
  #remember(changes) {
    this.memory = { ...this.memory, ...changes };
    saveMemory(this.memory);
    this.#showTyping();
    this.#showDevices();
  }

  /** @param {string} name */
  rename(name) {
    this.#remember({ name });
  }

  close() {
    this.#owner.abort();
    this.#controls.close();
    this.#devices.close();
  }

  /** @param {number[][]} messages @param {number} atMs */
  #send(messages, atMs) {
    for (const message of messages) this.#tell.play(message, atMs);
    if (messages.length > 0) this.#show();
  }

  /** @param {string} source */
  #leave(source) {
    if (source === "typing") this.#typed.clear();
    this.#send(this.#hands.leave(source), performance.now());
  }

  /** @param {string} source @param {number} channel @param {number} value @param {number} atMs */
  #pedal(source, channel, value, atMs) {
    if (!this.#enabled) return;
    this.#send(this.#hands.pedal(source, channel, value), atMs);
    this.#show();
  }

  /** @param {number[]} message @param {number} atMs */
  #onDevice(message, atMs) {
    if (!this.#enabled) return;
    const [status = 0, first = 0, second = 0] = message;
    const channel = this.#oneChannel ? this.#channel : status & 0x0f;
    const kind = status & 0xf0;
    if (kind === 0x90 && second > 0) this.#send(this.#hands.down("device", channel, first, second), atMs);
    else if (kind === 0x90) this.#send(this.#hands.up("device", channel, first), atMs);
    else if (kind === 0x80) this.#send(this.#hands.up("device", channel, first, second), atMs);
    else if (kind === 0xb0 && first === SUSTAIN) this.#pedal("device", channel, second, atMs);
    else this.#tell.play([kind | channel, ...message.slice(1)], atMs);
  }

  /** @param {KeyboardEvent} event */
  #keyDown(event) {
    if (event.key === "Tab") this.#tabbing = true;
    if (!this.#enabled || !this.memory.typing || event.ctrlKey || event.metaKey || event.altKey || taken(event)) return;
    const action = actionOf(event.code);
    const note = noteOf(event.code, this.#octave);
    if (note === null && action === null) return;
    if (action === "sustain" && this.#operates(event)) return;
    // Repetitions are prevented, too: space would scroll the page, and in some browsers letters start a search.
    event.preventDefault();
    if (event.repeat) return;
    if (note !== null) {
      // Whoever plays has their hands on the piano: from now on space is the pedal, until they walk on.
      this.#tabbing = false;
      this.#typed.set(event.code, note);
      this.down("typing", note, STEPS[this.memory.step] ?? 96, event.timeStamp);
    } else if (action === "sustain") this.#pedal("typing", this.#channel, 127, event.timeStamp);
    else if (action === "octave-down" || action === "octave-up") this.#shift(action === "octave-up" ? 1 : -1);
    else this.#remember({ step: nextStep(this.memory.step, action === "louder" ? 1 : -1) });
  }

  /** @param {KeyboardEvent} event */
  #keyUp(event) {
    const note = this.#typed.get(event.code);
    if (note !== undefined) {
      this.#typed.delete(event.code);
      // Where the two rows overlap, two keys play one note; it sounds until both are let go.
      if (![...this.#typed.values()].includes(note)) this.up("typing", note, event.timeStamp);
    } else if (actionOf(event.code) === "sustain" && this.#enabled && !taken(event)) {
      if (!this.#operates(event)) event.preventDefault();
      this.#pedal("typing", this.#channel, 0, event.timeStamp);
    }
  }

  /** Whether space operates the control that has the focus, and is no pedal. @param {KeyboardEvent} event */
  #operates(event) {
    return this.#tabbing && onControl(event) && !endsMusic(event);
  }

  /** @param {1 | -1} by */
  #shift(by) {
    this.#octave = shiftOctave(this.#octave, by);
    this.#showTyping();
    this.#tell.reach(this.#octave, Math.min(LAST, this.#octave + HIGHEST_SEMITONE));
  }

  #show() {
    this.#tell.pressed(this.#hands.pressed);
    this.#controls.showSustain(this.#hands.sustained);
  }

  #showTyping() {
    const { typing, step } = this.memory;
    this.#controls.showTyping(typing, this.#octave, step);
    /** @type {Map<number, string>} */
    const legends = new Map();
    if (this.#enabled && typing) {
      for (const code of Object.keys(SEMITONES)) {
        const note = noteOf(code, this.#octave);
        // Where the rows overlap, the key of the upper row is shown.
        if (note !== null) legends.set(note, legendOf(code));
      }
    }
    this.#tell.legends(legends);
  }

  #showDevices() {
    const { supported, asked, wanted } = this.#devices;
    const refused = this.#refused;
    this.#controls.showDevices({
      supported,
      asked,
      refused,
      inputs: this.#inputs,
      chosen: this.#chosen,
      wanted: wanted?.name ?? null,
    });
  }
}

/** Whether the element under the event wants the letter for itself. @param {KeyboardEvent} event */
function taken({ target }) {
  if (!(target instanceof HTMLElement)) return false;
  const type = target instanceof HTMLInputElement ? target.type : "";
  return takesLetters({ tag: target.tagName.toLowerCase(), type, editable: target.isContentEditable });
}

/** Whether the element under the event ends the music: that is left to Enter, and to a click. @param {KeyboardEvent} event */
function endsMusic({ target }) {
  return target instanceof HTMLElement && target.matches('#listen[data-action="Stop"]');
}

/** Whether space operates the element under the event. @param {KeyboardEvent} event */
function onControl({ target }) {
  return target instanceof HTMLElement && target.matches("button, summary, a, input, label, [role=button]");
}
