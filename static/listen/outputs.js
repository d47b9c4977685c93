// @ts-check
/**
 * The loudspeaker or headphones that a listener chose, of several that their device has (W3C, Audio Output Devices API). All that
 * sounds on the page goes there. While it is not there the sound goes to the device's usual output, and back when it returns.
 */

/** @typedef {object & {setSinkId?: (id: string) => Promise<void>}} Sink an element or a context that plays */
/** @typedef {{id: string, label: string}} Output id: "" for the usual one */
/** @typedef {Pick<MediaDevices, "enumerateDevices" | "addEventListener">} Devices */

export const USUAL = Object.freeze({ id: "", label: "" });

export class Outputs {
  /** Told when the one that was chosen goes away (true) or is there (false). @type {(missing: boolean, wanted: Output) => void} */
  tell = () => {};
  #devices;
  /** @type {Set<Sink>} */
  #sinks = new Set();
  /** @type {Output} */
  #wanted = USUAL;
  #used = "";
  #missing = false;

  /** @param {Devices | undefined} devices */
  constructor(devices) {
    this.#devices = devices;
    devices?.addEventListener("devicechange", () => this.look());
  }

  get wanted() {
    return this.#wanted;
  }

  /** @param {Sink} sink that sounds from now on, wherever the sound goes */
  add(sink) {
    this.#sinks.add(sink);
    if (this.#used) sink.setSinkId?.(this.#used).catch(() => {});
  }

  /** @param {Sink} sink */
  remove(sink) {
    this.#sinks.delete(sink);
  }

  /** @param {Output} wanted */
  async choose(wanted) {
    this.#wanted = wanted;
    await this.#use(wanted.id);
  }

  /** The outputs that the browser tells of: those without an id or a label are told to nobody whom it has not asked. */
  async list() {
    const all = (await this.#devices?.enumerateDevices()) ?? [];
    return all.filter(({ kind, deviceId }) => kind === "audiooutput" && deviceId !== "" && deviceId !== "default");
  }

  /** Looks whether the one that was chosen is there. */
  async look() {
    const { id } = this.#wanted;
    if (id === "") return;
    const known = await this.list();
    await this.#use(known.length > 0 && !known.some(({ deviceId }) => deviceId === id) ? "" : id);
  }

  /** @param {string} id */
  async #use(id) {
    const { id: wanted } = this.#wanted;
    try {
      await this.#set(id);
      this.#used = id;
    } catch {
      this.#used = "";
      await this.#set("").catch(() => {});
    }
    const missing = wanted !== this.#used;
    if (wanted !== this.#wanted.id || missing === this.#missing) return;
    this.#missing = missing;
    this.tell(missing, this.#wanted);
  }

  /** @param {string} id */
  async #set(id) {
    await Promise.all([...this.#sinks].map((sink) => sink.setSinkId?.(id)));
  }
}

/** Those of this page. */
export const outputs = new Outputs(globalThis.navigator?.mediaDevices);
