// @ts-check
/** What a listener sets for this device alone. Its controls are loaded when their drawer is opened: most listeners never do. */

import { OwnDelay } from "../listen/own-delay.js";
import { outputs } from "../listen/outputs.js";
import { byId, setText } from "../ui/dom.js";
import { say } from "../words/room.js";

/** @typedef {import("../listen/stats.js").Snapshot} Snapshot */
/** @typedef {import("../listen/outputs.js").Output} Output */

/** Whether the page may choose an output: in browsers that can, over HTTPS or from localhost. */
const OUTPUTS_WORK = "setSinkId" in HTMLMediaElement.prototype && Boolean(navigator.mediaDevices);

export class OwnSound {
  #drawer = byId("own-sound", HTMLDetailsElement);
  #delay;
  #remember;
  /** @type {import("../ui/own-delay.js").OwnDelayControl | null} */
  #control = null;
  #opened = false;

  /**
   * @param {{delayMs: number, output: Output}} settings
   * @param {(changes: {delayMs?: number, output?: Output}) => void} remember
   */
  constructor({ delayMs, output }, remember) {
    this.#delay = new OwnDelay(delayMs);
    this.#remember = remember;
    this.#drawer.hidden = !this.#delay.works && !OUTPUTS_WORK;
    if (OUTPUTS_WORK) this.#route(output);
    this.#drawer.addEventListener("toggle", () => this.#open());
  }

  /** @param {RTCPeerConnection} peer of Listen */
  follow(peer) {
    this.#delay.follow(peer);
  }

  /** See `OwnDelay`. */
  get excusedMs() {
    return this.#delay.excusedMs(performance.now());
  }

  /** @param {Snapshot | null} snapshot of Listen; null while it does not play */
  show(snapshot) {
    if (this.#drawer.open && !document.hidden) this.#control?.show(snapshot?.bufferMs ?? null);
  }

  /** @param {Output} output */
  #route(output) {
    const notice = byId("output-notice", HTMLElement);
    outputs.tell = (missing, { label }) => {
      setText(notice, missing ? say("output.missing", { name: label }) : "");
      notice.hidden = !missing;
    };
    for (const id of ["audio", "other-audio"]) outputs.add(byId(id, HTMLAudioElement));
    if (output.id) outputs.choose(output);
  }

  async #open() {
    if (!this.#drawer.open || this.#opened) return;
    this.#opened = true;
    try {
      const { OwnDelayControl, OwnOutputControl } = await import("./own-part.js");
      const box = byId("own-sound-box", HTMLElement);
      if (OUTPUTS_WORK) {
        new OwnOutputControl(box, outputs, (output) => {
          outputs.choose(output);
          this.#remember({ output });
        });
      }
      if (!this.#delay.works) return;
      this.#control = new OwnDelayControl(box, this.#delay.ms, (delayMs) => {
        this.#delay.set(delayMs, performance.now());
        this.#remember({ delayMs });
      });
    } catch {
      this.#opened = false;
      // It is asked for again when the drawer is opened again.
      this.#drawer.open = false;
    }
  }
}
