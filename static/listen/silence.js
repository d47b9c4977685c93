// @ts-check
/**
 * A silent recording that plays in a loop while the page plays. Browsers give media controls (the lock screen, a headset's button, the
 * keyboard's media keys) to elements that play a recording of some length, and none to one that plays a live stream alone, nor to Web
 * Audio. The system pauses it when another program or a call takes the sound, which is how the page learns of that.
 */

/** Length of the recording: Chromium gives no controls to less than five seconds. */
export const SILENCE_S = 30;
const RATE = 4000;
/** Silence in unsigned samples of 8 bits. */
const MIDDLE = 128;
const HEAD_BYTES = 44;

/**
 * @param {number} seconds
 * @param {number} rate Hz
 * @returns {Uint8Array<ArrayBuffer>} a WAVE file (RIFF, PCM, 8 bits, one channel) of silence
 */
export function silentWave(seconds, rate) {
  const frames = seconds * rate;
  const file = new Uint8Array(HEAD_BYTES + frames).fill(MIDDLE);
  const view = new DataView(file.buffer);
  const text = (/** @type {number} */ at, /** @type {string} */ word) => [...word].forEach((letter, index) => view.setUint8(at + index, letter.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, file.length - 8, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, 1, true); // channels
  view.setUint32(24, rate, true);
  view.setUint32(28, rate, true); // bytes a second
  view.setUint16(32, 1, true); // bytes a frame
  view.setUint16(34, 8, true); // bits a sample
  text(36, "data");
  view.setUint32(40, frames, true);
  return file;
}

export class Silence {
  #tell;
  /** @type {HTMLAudioElement | null} */
  #element = null;
  #wanted = false;
  /** Whether somebody else holds it. */
  #held = false;

  /**
   * @param {(held: boolean) => void} tell the system has paused it, or lets it play again
   */
  constructor(tell) {
    this.#tell = tell;
  }

  /** Plays, if the browser lets it; call it again after a tap. */
  play() {
    this.#wanted = true;
    this.#held = false;
    this.#element ??= this.#make();
    if (this.#element.paused) this.#element.play().catch(() => {});
  }

  /** Pauses: the system's controls stay, and can start it again. */
  pause() {
    this.#wanted = this.#held = false;
    this.#element?.pause();
  }

  /** Takes the system's controls away. */
  close() {
    this.pause();
    const element = this.#element;
    this.#element = null;
    if (!element) return;
    URL.revokeObjectURL(element.src);
    element.removeAttribute("src");
    element.load();
    element.remove();
  }

  #make() {
    const element = document.createElement("audio");
    element.id = "media-anchor";
    element.loop = true;
    element.src = URL.createObjectURL(new Blob([silentWave(SILENCE_S, RATE)], { type: "audio/wav" }));
    element.addEventListener("pause", () => this.#follow(element));
    element.addEventListener("playing", () => this.#follow(element));
    document.body.append(element);
    return element;
  }

  /** @param {HTMLAudioElement} element */
  #follow(element) {
    if (element !== this.#element || element.paused !== this.#wanted) return;
    if (!element.paused && !this.#held) return;
    this.#wanted = !element.paused;
    this.#held = element.paused;
    this.#tell(this.#held);
  }
}
