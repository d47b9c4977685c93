// @ts-check
/** Shows the server's file player to everybody, and lets performers control it. */

import { upload } from "../connection/upload.js";
import { clockText, positionAt } from "../midi/files.js";
import { byId, setText } from "./dom.js";
import { say } from "../words/stage.js";
import { percent } from "./format.js";

/** @typedef {import("../channel/telemetry.js").PlayerState} PlayerState */
/** @typedef {Parameters<typeof import("../channel/telemetry.js").player>[0]} Command */

/** How often the progress moves on in a second of the file: nobody sees smaller steps of the slider. */
const STEPS_A_SECOND = 4;
/** A slider that is dragged sends its place at most once in this time, in milliseconds. */
const EVERY_MS = 150;

export class FilePlayer {
  #box = byId("file-player", HTMLElement);
  #name = byId("file-name", HTMLElement);
  #time = byId("file-time", HTMLElement);
  #seek = byId("file-seek", HTMLInputElement);
  #tempo = byId("file-tempo", HTMLInputElement);
  #tempoText = byId("file-tempo-value", HTMLElement);
  #tempoNow = byId("file-tempo-now", HTMLElement);
  #toggle = byId("file-toggle", HTMLButtonElement);
  #stop = byId("file-stop", HTMLButtonElement);
  #choose = byId("file-choose", HTMLInputElement);
  #note = byId("file-note", HTMLElement);
  #room;
  #send;
  #owner = new AbortController();
  /** @type {string | null} */
  #token = null;
  /** @type {PlayerState | null} */
  #state = null;
  /** @type {import("../connection/upload.js").Uploaded | null} */
  #uploaded = null;
  #seeking = false;
  /** Of the progress that is shown. */
  #step = -1;
  #tempoSentMs = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #tempoLater;

  /**
   * @param {string} room name
   * @param {(command: Command) => void} send
   */
  constructor(room, send) {
    this.#room = room;
    this.#send = send;
    const { signal } = this.#owner;
    this.#toggle.addEventListener("click", () => this.#press(), { signal });
    this.#stop.addEventListener("click", () => send({ action: "stop" }), { signal });
    this.#choose.addEventListener("change", () => this.#take(this.#choose.files?.[0]), { signal });
    this.#seek.addEventListener("input", () => this.#drag(), { signal });
    this.#seek.addEventListener("change", () => this.#drop(), { signal });
    this.#tempo.addEventListener("input", () => this.#dragTempo(), { signal });
    this.#tempo.addEventListener("dblclick", () => this.#resetTempo(), { signal });
    this.#box.addEventListener("dragover", (event) => this.#token && event.preventDefault(), { signal });
    this.#box.addEventListener(
      "drop",
      (event) => {
        if (!this.#token) return;
        event.preventDefault();
        this.#take(event.dataTransfer?.files[0]);
      },
      { signal },
    );
  }

  /** @param {string | null} token null for who only listens */
  setToken(token) {
    this.#token = token;
    this.#box.classList.toggle("controls", token !== null);
    for (const control of [this.#seek, this.#tempo]) control.disabled = token === null;
    this.#show(null);
  }

  /** @param {PlayerState | null} state null when nothing is known */
  state(state) {
    this.#state = state;
    this.#step = -1;
    if (state) {
      this.#tempo.value = String(tempoPlace(state.tempo));
      this.#showTempo(state.tempo);
    }
    if (state && state.state !== "stopped") setText(this.#note, state.file === this.#uploaded?.file ? (this.#uploaded?.remark ?? "") : "");
    this.#show(null);
  }

  /** Shows the progress. @param {number | null} mediaTime that is heard */
  tick(mediaTime) {
    if (this.#state?.state !== "playing") return;
    const step = Math.floor(positionAt(this.#state, mediaTime) * STEPS_A_SECOND);
    if (step === this.#step) return;
    this.#step = step;
    this.#show(mediaTime);
  }

  /** @param {string} message a refusal, in a sentence */
  refuse(message) {
    setText(this.#note, message);
  }

  close() {
    this.#owner.abort();
    clearTimeout(this.#tempoLater);
  }

  /** @param {number | null} mediaTime */
  #show(mediaTime) {
    const state = this.#state;
    const active = state !== null && state.state !== "stopped";
    const own = this.#uploaded?.file === state?.file || !active ? this.#uploaded?.name : null;
    const name = (active ? state.name : null) ?? own ?? state?.name ?? (active || state?.file ? say("file.unnamed") : "");
    const file = this.#uploaded?.file ?? state?.file ?? null;
    this.#box.hidden = this.#token === null && !active;
    this.#box.dataset.state = state?.state ?? "stopped";
    this.#box.classList.toggle("empty", name === "");
    setText(this.#name, name || say("file.none"));
    const duration = active ? state.duration_s : (this.#uploaded?.durationS ?? state?.duration_s ?? 0);
    const position = active ? positionAt(state, mediaTime) : 0;
    if (!this.#seeking) {
      this.#seek.max = String(Math.max(1, duration));
      this.#seek.value = String(position);
      this.#fill();
    }
    this.#seek.setAttribute("aria-valuetext", say("file.position", { position: clockText(position), duration: clockText(duration) }));
    setText(this.#time, name === "" ? "" : `${clockText(this.#seeking ? Number(this.#seek.value) : position)} / ${clockText(duration)}`);
    const playing = state?.state === "playing";
    this.#toggle.disabled = !active && file === null;
    this.#toggle.setAttribute("aria-label", say(playing ? "file.pause" : "file.play"));
    this.#stop.disabled = !active;
    this.#seek.disabled = this.#token === null || !active;
  }

  #press() {
    const state = this.#state?.state ?? "stopped";
    if (state === "playing") this.#send({ action: "pause" });
    else if (state === "paused") this.#send({ action: "play" });
    else {
      const file = this.#uploaded?.file ?? this.#state?.file;
      this.#send(file ? { action: "play", file } : { action: "play" });
    }
  }

  /** @param {File | undefined} file */
  async #take(file) {
    this.#choose.value = "";
    if (!file || !this.#token) return;
    setText(this.#note, say("file.sending", { name: file.name }));
    try {
      this.#uploaded = await upload(this.#room, this.#token, file);
      setText(this.#note, this.#uploaded.remark);
      this.#send({ action: "play", file: this.#uploaded.file });
    } catch (error) {
      setText(this.#note, error instanceof Error ? error.message : String(error));
    }
    this.#show(null);
  }

  #drag() {
    this.#seeking = true;
    this.#fill();
    setText(this.#time, `${clockText(Number(this.#seek.value))} / ${clockText(Number(this.#seek.max))}`);
  }

  #drop() {
    this.#seeking = false;
    this.#send({ action: "seek", position_s: Number(this.#seek.value) });
  }

  #fill() {
    const share = Number(this.#seek.value) / Math.max(1, Number(this.#seek.max));
    this.#seek.style.setProperty("--fill", `${100 * share}%`);
  }

  #dragTempo() {
    const tempo = tempoAt(Number(this.#tempo.value));
    this.#showTempo(tempo);
    clearTimeout(this.#tempoLater);
    const send = () => {
      this.#tempoSentMs = performance.now();
      this.#send({ action: "tempo", tempo });
    };
    const waitMs = this.#tempoSentMs + EVERY_MS - performance.now();
    if (waitMs <= 0) send();
    else this.#tempoLater = setTimeout(send, waitMs);
  }

  #resetTempo() {
    this.#tempo.value = "0";
    this.#dragTempo();
  }

  /** @param {number} tempo */
  #showTempo(tempo) {
    const text = percent(Math.round(tempo * 100));
    setText(this.#tempoText, text);
    setText(this.#tempoNow, tempo === 1 ? "" : say("file.tempo", { percent: text }));
    this.#tempo.setAttribute("aria-valuetext", text);
    this.#tempo.style.setProperty("--fill", `${50 + tempoPlace(tempo) / 4}%`);
  }
}

/** The tempo slider is logarithmic: −200 is a quarter, 200 four times. @param {number} place */
function tempoAt(place) {
  const tempo = Math.max(0.25, Math.min(4, 2 ** (place / 100)));
  return Math.round(tempo * 100) / 100;
}

/** @param {number} tempo */
const tempoPlace = (tempo) => Math.round(100 * Math.log2(tempo));
