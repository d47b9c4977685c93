// @ts-check
/** The choice of an output, where the browser has one. */

import { say } from "../words/own.js";
import { setText } from "./dom.js";

/** @typedef {import("../listen/outputs.js").Output} Output */
/** @typedef {import("../listen/outputs.js").Outputs} Outputs */
/** @typedef {MediaDevices & {selectAudioOutput?: () => Promise<MediaDeviceInfo>}} Asked Firefox has a question of its own for it */

export class OwnOutputControl {
  #select = document.createElement("select");
  #ask = document.createElement("button");
  #note = document.createElement("p");
  #outputs;
  #choose;

  /**
   * @param {HTMLElement} box
   * @param {Outputs} outputs
   * @param {(output: Output) => void} choose
   */
  constructor(box, outputs, choose) {
    this.#outputs = outputs;
    this.#choose = choose;
    const row = document.createElement("p");
    row.className = "quality";
    const label = document.createElement("label");
    label.textContent = say("output");
    label.htmlFor = this.#select.id = "own-output";
    this.#ask.id = "own-output-ask";
    this.#ask.className = "quiet";
    this.#ask.type = "button";
    this.#ask.hidden = true;
    this.#ask.textContent = say("output.ask");
    this.#note.className = "faint";
    this.#note.setAttribute("role", "status");
    row.append(label, this.#select, this.#ask);
    box.append(row, this.#note);
    this.#select.addEventListener("change", () => {
      const [option] = this.#select.selectedOptions;
      this.#choose({ id: this.#select.value, label: this.#select.value && (option?.text ?? "") });
    });
    this.#ask.addEventListener("click", () => this.#question());
    navigator.mediaDevices.addEventListener("devicechange", () => this.#fill());
    this.#fill();
  }

  async #fill() {
    const { wanted } = this.#outputs;
    const known = (await this.#outputs.list().catch(() => [])).filter(({ label }) => label !== "");
    const options = [new Option(say("output.usual"), ""), ...known.map(({ label, deviceId }) => new Option(label, deviceId))];
    if (wanted.id && !known.some(({ deviceId }) => deviceId === wanted.id)) options.push(new Option(wanted.label || wanted.id, wanted.id));
    this.#select.replaceChildren(...options);
    this.#select.value = wanted.id;
    this.#ask.hidden = known.length > 0;
    const hidden = known.length > 0 ? "" : say("output.hidden");
    setText(this.#note, "setSinkId" in AudioContext.prototype ? hidden : say("output.studio"));
  }

  /** Browsers tell of outputs only after a question of theirs. Most have it for the microphone alone, which is closed at once. */
  async #question() {
    const devices = /** @type {Asked} */ (navigator.mediaDevices);
    try {
      if (devices.selectAudioOutput) {
        const { deviceId, label } = await devices.selectAudioOutput();
        this.#choose({ id: deviceId, label });
      } else {
        const stream = await devices.getUserMedia({ audio: true });
        stream.getTracks().forEach((track) => track.stop());
      }
      await this.#fill();
    } catch {
      setText(this.#note, say("output.denied"));
    }
  }
}
